"""Work that takes long, done in steps, so that the event loop is held up for a few milliseconds."""

import asyncio
from collections.abc import Generator


class Turns:
    """Of all such work one step is done each time that the event loop comes round.

    Threads would not help: Python's decoders keep the interpreter to themselves, and many small
    waits for it are as bad as a long one.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take[T](self, work: Generator[None, None, T]) -> T:
        """Does the work up to its end, and returns what it does. What is short is done at once."""
        try:
            while True:
                next(work)
                await self.wait()
        except StopIteration as done:
            result: T = done.value
            return result

    async def wait(self) -> None:
        """Waits for a turn: of those who have waited, one goes on each time."""
        async with self._lock:
            await asyncio.sleep(0)
