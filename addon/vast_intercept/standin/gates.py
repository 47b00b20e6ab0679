"""Gates: what a stream waits at until a test lets it pass. No clock decides anything."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from .calls import Signal

# How many gates nobody waits at are remembered.
_KEPT = 1_000


class Gates:
    """Each gate has a name, and counts how often it was opened.

    It is forgotten when the last stream that uses it ends, so that a name can be used again.
    """

    def __init__(self) -> None:
        self._opened: Counter[str] = Counter()
        self._users: Counter[str] = Counter()
        self._changed = Signal()

    def open(self, name: str) -> int:
        """Lets one more chunk pass; a gate may be opened before a stream comes to it."""
        self._opened[name] += 1
        unused = [each for each in self._opened if not self._users[each]]
        for each in unused[:-_KEPT]:
            del self._opened[each]
        self._changed.notify()
        return self._opened[name]

    def shut(self, name: str) -> None:
        """Has the gate hold back the first chunk, too, which is otherwise sent at once."""
        self._opened[name] = -1

    @contextmanager
    def used(self, name: str) -> Iterator[None]:
        """A stream uses the gate for as long as this lasts."""
        self._users[name] += 1
        try:
            yield
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._opened[name]

    async def passed(self, name: str, times: int) -> None:
        """Returns once the gate has been opened so often."""
        await self._changed.until(lambda: self._opened[name] >= times)
