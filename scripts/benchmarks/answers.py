"""Checks of answers. They run after the clock has stopped."""

import json
from dataclasses import dataclass

from .http1 import Answer, BadAnswerError

_DATA = b"data: "
_DONE = b"[DONE]"
_DELTA = b"event: response.output_text.delta\ndata: "

#: Separates the text of a chunk from the time at which it was sent.
SENT_AT = "@"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a streamed completion: its text, and the time at which it arrived."""

    text: str
    arrived_at: float
    sent_at: float | None  # if it says so, see timed_standin.py


def text_of_whole(answer: Answer) -> str:
    """The text of a chat completion, or of a response. Raises BadAnswerError if it is neither."""
    answer.check_status()
    body = answer.body()
    try:
        said = json.loads(body)
        if said["object"] == "response":
            text = said["output"][0]["content"][0]["text"]
        else:
            text = said["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        raise BadAnswerError(f"not a chat completion or response: {body[:2000]!r}") from None
    if not isinstance(text, str) or not text:
        raise BadAnswerError(f"no text: {body[:2000]!r}")
    return text


def chunks_of_stream(answer: Answer) -> list[Chunk]:
    """The chunks of a streamed completion, or the text events of a streamed response.

    Raises BadAnswerError if it is neither, or incomplete.
    """
    answer.check_status()
    events = answer.events()
    last = events.pop()[1] if events else b""
    if last.startswith(b"event: response.completed\n"):
        deltas = [each for each in events if each[1].startswith(_DELTA)]
        return [_delta(event, arrived_at) for arrived_at, event in deltas]
    if last != _DATA + _DONE:
        raise BadAnswerError(f"a stream without its end: {answer.body()[-2000:]!r}")
    return [_chunk(event, arrived_at) for arrived_at, event in events]


def _delta(event: bytes, arrived_at: float) -> Chunk:
    return _timed(json.loads(event.removeprefix(_DELTA))["delta"], arrived_at)


def _chunk(event: bytes, arrived_at: float) -> Chunk:
    try:
        text = json.loads(event.removeprefix(_DATA))["choices"][0]["delta"].get("content") or ""
        return _timed(text, arrived_at)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise BadAnswerError(f"not a chunk of a completion: {event[:2000]!r}") from None


def _timed(text: str, arrived_at: float) -> Chunk:
    said, _, sent_at = text.partition(SENT_AT)
    return Chunk(said, arrived_at, float(sent_at) if sent_at else None)


def check_whole(answer: Answer, text: str) -> None:
    """Raises BadAnswerError unless the body is a chat completion with this text."""
    if (found := text_of_whole(answer)) != text:
        raise BadAnswerError(f"{found[:500]!r} where {text[:500]!r} was due")


def check_stream(answer: Answer, text: str, count: int) -> list[Chunk]:
    """The chunks. Raises BadAnswerError unless `count` of them have text, and `text` in all."""
    chunks = chunks_of_stream(answer)
    if (found := sum(bool(chunk.text) for chunk in chunks)) != count:
        raise BadAnswerError(f"{found} chunks with text where {count} were due")
    if (joined := "".join(chunk.text for chunk in chunks)) != text:
        raise BadAnswerError(f"{joined[:500]!r}... where {text[:500]!r}... was due")
    return chunks
