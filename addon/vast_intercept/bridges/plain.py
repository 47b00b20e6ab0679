"""The stream of a call that needs no bridge: Vast's own bytes."""

from collections.abc import Callable

from ..openai_api.errors import ApiError
from ..openai_api.sse import end_of_cut_event, error_event
from .bridge import Record


class PlainEvents:
    """Lets events through as they are. `rewrite`, if there is one, is what happens to each."""

    record: Record | None = None
    failure: ApiError | None = None

    def __init__(
        self, empty_chunk: Callable[[], bytes], rewrite: Callable[[bytes], bytes] | None = None
    ) -> None:
        #: Makes a chunk that adds nothing, to keep a waiting stream alive.
        self.keep_alive = empty_chunk
        self._rewrite = rewrite
        self._last = b""

    def feed(self, events: bytes) -> bytes:
        """Returns the bytes, rewritten if they are to be."""
        self._last = events
        return self._rewrite(events) if self._rewrite else events

    def end(self, error: ApiError | None = None) -> bytes:
        """Returns nothing: `[DONE]` and errors are Vast's own events."""
        return b""

    def fail(self, error: ApiError) -> bytes:
        """Returns the error as an event, behind what has come of an event that is cut."""
        return end_of_cut_event(self._last) + error_event(error)
