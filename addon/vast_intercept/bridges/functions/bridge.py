"""A chat completion with old functions, carried by one with tools."""

from collections.abc import Callable
from dataclasses import dataclass

from ...openai_api.errors import ApiError
from ...openai_api.outline import Buffer
from ...openai_api.sse import complete_events_end
from ..bridge import AppEvents, BridgedAnswer, Record
from .answer import FunctionCallChunks, with_function_call
from .request import with_tools

# Bytes. No event of a model is longer. One that is passes as it comes.
_MAX_HELD = 1024 * 1024


def functions_bridge(body: Buffer, plain: Callable[[], AppEvents]) -> "FunctionsBridge | None":
    """The bridge of a chat completion that uses old functions; None for all others.

    `plain` makes the events of a chat completion that needs no bridge. Raises ApiError (400) for
    old functions that cannot be served.
    """
    made = with_tools(body)
    return FunctionsBridge(*made, plain) if made else None


@dataclass(slots=True)
class FunctionsBridge:
    """Implements `Bridge`."""

    chat: bytes
    #: Whether the model may call functions. If not, the answer is one for any app.
    offered: bool
    plain: Callable[[], AppEvents]
    left_out: tuple[str, ...] = ()
    media: None = None

    def answer(self, body: Buffer) -> BridgedAnswer:
        """The answer, with a function call in the place of tool calls."""
        return BridgedAnswer(with_function_call(body) if self.offered else bytes(body))

    def events(self) -> AppEvents:
        """The stream, with a function call in the place of tool calls."""
        return FunctionEvents(self.plain()) if self.offered else self.plain()


class FunctionEvents:
    """Implements `AppEvents`. Everything but calls is as in a stream that needs no bridge."""

    record: Record | None = None
    failure: ApiError | None = None

    def __init__(self, plain: AppEvents) -> None:
        self._plain = plain
        self.keep_alive = plain.keep_alive
        self._chunks = FunctionCallChunks()
        #: The beginning of a very long event.
        self._held = b""

    def feed(self, events: bytes) -> bytes:
        """Returns what is whole of the events, rewritten."""
        if self._held or not events.endswith(b"\n\n"):
            searched = max(len(self._held) - 3, 0)
            events = self._held + events
            end = complete_events_end(events, searched)
            if len(events) - end > _MAX_HELD:
                end = len(events)
            events, self._held = events[:end], events[end:]
        return self._plain.feed(self._chunks.rewrite(events)) if events else b""

    def end(self, error: ApiError | None = None) -> bytes:
        """Returns what is held, and what the plain stream ends with."""
        last, self._held = self._held, b""
        ready = self._plain.feed(self._chunks.rewrite(last)) if last else b""
        return ready + self._plain.end(error)

    def fail(self, error: ApiError) -> bytes:
        """Returns the error as the plain stream words it. What is held is no event, and dropped."""
        return self._plain.fail(error)
