"""These tests run by a played clock: what takes minutes is over at once."""

import asyncio
from collections.abc import Callable, Mapping

from ..played import PlayedLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop of the tests in this folder."""
    return {"played": PlayedLoop}
