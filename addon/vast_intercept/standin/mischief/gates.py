"""Gates: a stream waits at one until a test opens it, without any clock."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ..waiting import Signal

# The number of opened gates without a stream that are remembered.
_KEPT = 1_000


class Gates:
    """Gates by name, each with a count of how often it was opened.

    A gate is forgotten when the last stream that uses it ends, so that a name can be used again.
    """

    def __init__(self) -> None:
        self._opened: Counter[str] = Counter()
        self._users: Counter[str] = Counter()
        self._changed = Signal()

    def open(self, name: str) -> int:
        """Lets one more chunk pass. A gate may be opened before a stream uses it."""
        self._opened[name] += 1
        unused = [each for each in self._opened if not self._users[each]]
        for each in unused[:-_KEPT]:
            del self._opened[each]
        self._changed.notify()
        return self._opened[name]

    def shut(self, name: str) -> None:
        """Makes a gate hold back the first chunk as well, which is otherwise sent at once."""
        self._opened[name] = -1

    @contextmanager
    def used(self, name: str) -> Iterator[None]:
        """Keeps a gate while a stream uses it."""
        self._users[name] += 1
        try:
            yield
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._opened[name]

    async def passed(self, name: str, times: int) -> None:
        """Returns once a gate has been opened that often."""
        await self._changed.until(lambda: self._opened[name] >= times)
