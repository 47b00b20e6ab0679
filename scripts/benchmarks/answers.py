"""Checks of answers. They run after the clock has stopped."""

import json
from dataclasses import dataclass

from .http1 import Answer, BadAnswerError

_COMMENT = b": "
_DATA = b"data: "
_DONE = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a streamed completion: its text, and the time at which it arrived."""

    text: str
    arrived_at: float
    sent_at: float | None  # if it says so, see timed_standin.py


def text_of_whole(answer: Answer) -> str:
    """The text of a chat completion. Raises BadAnswerError if the body is no chat completion."""
    answer.check_status()
    body = answer.body()
    try:
        text = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        raise BadAnswerError(f"not a chat completion: {body[:2000]!r}") from None
    if not isinstance(text, str) or not text:
        raise BadAnswerError(f"no text: {body[:2000]!r}")
    return text


def chunks_of_stream(answer: Answer) -> list[Chunk]:
    """The chunks of a streamed completion. Raises BadAnswerError if it is none, or incomplete."""
    answer.check_status()
    events = answer.events()
    if not events or not events.pop()[1].endswith(_DATA + _DONE):
        raise BadAnswerError(f"a stream without its end: {answer.body()[-2000:]!r}")
    return [_chunk(event, arrived_at) for arrived_at, event in events]


def _chunk(event: bytes, arrived_at: float) -> Chunk:
    comment, _, data = event.rpartition(b"\n")
    try:
        text = json.loads(data.removeprefix(_DATA))["choices"][0]["delta"].get("content") or ""
        sent_at = float(comment.removeprefix(_COMMENT)) if comment else None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise BadAnswerError(f"not a chunk of a completion: {event[:2000]!r}") from None
    return Chunk(text, arrived_at, sent_at)


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
