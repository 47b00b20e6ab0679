"""Server-sent events, as OpenAI's API streams them. Pure: bytes in, events out.

https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6 for the parsing rules.
"""

import re
from dataclasses import dataclass

from .errors import ApiError

EVENT_STREAM = "text/event-stream"
DONE = "[DONE]"

# "end-of-line = ( cr lf / cr / lf )"; an event ends with a blank line. A lone CR at the very end
# may be half a CRLF: it counts as one only once the next byte has come.
_END_OF_LINE = re.compile(rb"\r\n|\n|\r(?!\Z)")
#: An end of line, and a blank line.
END_OF_EVENT = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
# Two line ends, or one and the beginning of another. CRLF alone is not among them: it is one.
_ENDS_OF_EVENT = (b"\n\n", b"\n\r", b"\r\r")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One dispatched event. `data` has the event's data lines joined with a line feed."""

    data: str
    event: str = "message"


class EventParser:
    """Parses a stream incrementally. The events do not depend on how the stream is cut.

    It holds one event at most. The caller bounds how long that may be.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[str] = []
        self._event = ""
        self._at_start = True

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Invalid UTF-8 is replaced, as the standard says."""
        # The rest has no line end except perhaps a CR at its end, so it is not searched again: a
        # long line may come in many pieces.
        searched = max(len(self._rest) - 1, 0)
        self._rest += chunk
        if self._at_start:
            # "If the stream starts with a byte order mark, ignore it."
            if len(self._rest) < len(_BOM) and _BOM.startswith(self._rest):
                return []
            if self._rest.startswith(_BOM):
                del self._rest[: len(_BOM)]
                searched = 0
            self._at_start = False
        events = []
        start = 0
        for end_of_line in _END_OF_LINE.finditer(self._rest, searched):
            line = self._rest[start : end_of_line.start()]
            start = end_of_line.end()
            if event := self._line(line.decode("utf-8", "replace")):
                events.append(event)
        del self._rest[:start]  # in place: a copy would cost as much as the rest is long
        return events

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        # "If the line starts with a U+003A COLON character (:): Ignore the line."
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        return None

    def _dispatch(self) -> Event | None:
        data, self._data = self._data, []
        event, self._event = self._event or "message", ""
        # "If the data buffer is an empty string, set [...] to the empty string and return."
        return Event("\n".join(data), event) if data else None


def complete_events_end(chunk: bytes, start: int = 0) -> int:
    """The number of bytes of `chunk` that are whole events, up to its last blank line, or 0.

    Blank lines that begin before `start` are not looked for.
    """
    if chunk.endswith(b"\n\n"):  # what vLLM sends: an event per chunk
        return len(chunk)
    # Searched from the end: what comes before does not matter.
    last = max(chunk.rfind(each, start) for each in _ENDS_OF_EVENT)
    if last < 0:
        return 0
    end = last + 2
    return end + (chunk[end - 1 : end + 1] == b"\r\n")


def end_of_cut_event(sent: bytes) -> bytes:
    """What must follow these bytes, the last of a stream, for a new event to begin."""
    return b"" if complete_events_end(sent) == len(sent) else b"\n\n"


def error_event(error: ApiError) -> bytes:
    """`error` as an event. SDKs raise on an event whose JSON has `error` (FACTS C3)."""
    return b"data: " + error.body() + b"\n\n"
