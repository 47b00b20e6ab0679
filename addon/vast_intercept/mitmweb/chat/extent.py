"""Limits how much of a body is shown: laying out more would block the event loop. Pure."""

from ...openai_api.shortening import shorten_base64
from ...openai_api.sse import complete_events_end

# What is larger, or holds more values, is not shown as a whole. A stream may hold more, since each
# of its events is read by itself.
_MOST_BYTES = 1024 * 1024
_MOST_VALUES = 30_000
_MOST_BYTES_IN_STREAM = 3 * 1024 * 1024
_MOST_IN_STREAM = 220_000
# A line takes as long as so many values.
_LINE = 6
# Characters that are shown of what is not shown as a chat.
_BEGINNING = 64 * 1024


def is_small_enough(body: bytes) -> bool:
    """Whether JSON can be laid out within a few milliseconds."""
    return len(body) <= _MOST_BYTES and _values(body) <= _MOST_VALUES


def made_small(body: bytes) -> bytes | None:
    """The body, with long base64 shortened if it is large; None if it is too large even so."""
    if is_small_enough(body):
        return body
    body = shorten_base64(body)
    return body if is_small_enough(body) else None


def beginning(body: bytes) -> str:
    """The beginning of a body that is too large to be laid out, and how large it is."""
    shown = body[:_BEGINNING].decode(errors="replace")
    return f"too large to be shown as a chat: {len(body):,} bytes, which begin with\n \n{shown}"


def ends_of_stream(body: bytes) -> tuple[bytes, int, bytes]:
    """The stream's first events and its last ones, and how many bytes between are left out."""
    half = _MOST_BYTES_IN_STREAM
    head, tail = body, b""
    while len(head) + len(tail) > _MOST_BYTES_IN_STREAM or (
        _values(head) + _values(tail) + _LINE * (_lines(head) + _lines(tail)) > _MOST_IN_STREAM
    ):
        half //= 2
        head, tail = body[:half], body[-half:]
    if not tail:
        return body, 0, b""
    head = head[: complete_events_end(head)]
    _, _, tail = tail.replace(b"\r\n", b"\n").replace(b"\r", b"\n").partition(b"\n\n")
    return head, len(body) - len(head) - len(tail), tail


def _values(body: bytes) -> int:
    return body.count(b",") + body.count(b"{") + body.count(b"[")


def _lines(body: bytes) -> int:
    return body.count(b"\n") + body.count(b"\r")
