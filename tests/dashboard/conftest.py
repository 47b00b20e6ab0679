"""A browser, and interceptors with a dashboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from ..browsing import launched
from ..inspect.conftest import _vast, intercepting, vast, watching

__all__ = ["_vast", "intercepting", "vast", "watching"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with launched() as browser:
        yield browser
