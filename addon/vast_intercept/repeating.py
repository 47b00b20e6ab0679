"""Doing something again and again, beside everything else."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

logger = logging.getLogger(__name__)


async def repeat(step: Callable[[], Awaitable[None] | None], seconds: float, what: str) -> NoReturn:
    """Calls `step` at once, and then every so many `seconds`, until it is cancelled.

    A failure of `step` is logged the first time only, since the same comes again each time. `what`
    says in the log what has failed.
    """
    well = True
    while True:
        try:
            result = step()
            if inspect.isawaitable(result):
                await result
            well = True
        except Exception:
            if well:
                logger.exception("%s, which is a bug:", what)
            well = False
        await asyncio.sleep(seconds)
