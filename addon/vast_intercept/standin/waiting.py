"""Waiting for a condition without polling."""

import asyncio
from collections.abc import Callable


class Signal:
    """Wakes whoever waits for something to become true. Costs nothing while nobody waits."""

    def __init__(self) -> None:
        self._pulse = asyncio.Event()

    def notify(self) -> None:
        """Has everyone who waits check the condition again."""
        self._pulse.set()
        self._pulse.clear()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns once the condition holds."""
        while not holds():
            await self._pulse.wait()
