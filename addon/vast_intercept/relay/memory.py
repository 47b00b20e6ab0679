"""How much of bodies is held in memory at a time, by all calls together."""

from dataclasses import dataclass

from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, bad_gateway
from ..openai_api.limits import ALWAYS_HELD, MAX_HELD_BY_ALL


@dataclass(slots=True)
class Memory:
    """Counts the bytes that are held."""

    most: int = MAX_HELD_BY_ALL
    held: int = 0


@dataclass(slots=True, eq=False)
class Share:
    """What one call holds. It gives it back when it is closed, or gone."""

    _memory: Memory
    _held: int = 0
    _ahead: int = 0
    _closed: bool = False

    def has_room_for(self, size: int) -> bool:
        """Takes so many bytes more if they can be held. The first ones always can."""
        memory = self._memory
        if memory.held + size > memory.most and self._held + size > ALWAYS_HELD:
            return False
        if not self._closed:
            self._held += size
            memory.held += size
        return True

    def has_room_for_two(self, size: int) -> bool:
        """Reserves memory for a body that mitmproxy holds, and then the relay, if there is room."""
        if not self.has_room_for(2 * size):
            return False
        self._ahead = size
        return True

    def reserve(self, size: int) -> None:
        """Takes now what `take` will be asked for later. Raises ApiError (503) if it is too much.

        Of many large calls that come at once, some are served then, and the others refused at once:
        if each took its bytes as they come, all would be refused half-way.
        """
        more = max(0, size - self._ahead)
        if not self.has_room_for(more):
            raise too_much_held(self._memory.most)
        self._ahead += more

    def give_back_reserved(self) -> None:
        """Gives back what was reserved, and will not be taken."""
        self.give_back(self._ahead)
        self._ahead = 0

    def take(self, size: int) -> None:
        """Takes so many bytes more. Raises ApiError (503) if they cannot be held."""
        ahead = min(size, self._ahead)
        self._ahead -= ahead
        if not self.has_room_for(size - ahead):
            raise too_much_held(self._memory.most)

    def give_back(self, size: int) -> None:
        """Notes that so many bytes are no longer held."""
        if not self._closed:
            self._held -= size
            self._memory.held -= size

    def close(self) -> None:
        """Gives back all of it. Closing it again, or taking from it, has no effect then."""
        if not self._closed:
            self.give_back(self._held)
            self._closed = True

    def __del__(self) -> None:
        self.close()


def too_much_held(most: int) -> ApiError:
    """503: the call is one too many at the moment."""
    return bad_gateway(
        f"The interceptor holds bodies of {most:,} bytes already, which is as much as all calls"
        " together may have at a time. Try again in a moment.",
        ErrorCode.INTERCEPTOR_OVERLOADED,
        503,
        retry_after=1,
    )
