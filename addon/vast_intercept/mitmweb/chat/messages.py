"""Reads answers of Anthropic's Messages API, whole or as events. Pure, and never fails.

https://docs.anthropic.com/en/docs/build-with-claude/streaming has the events.
"""

from typing import Any

from .answer import ChatAnswer
from .content import append, number, part_of
from .layout import typed
from .said import ONLY, Kind

_EVENTS = frozenset(
    {
        *("message_start", "message_delta", "message_stop", "ping"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
    }
)
# By the type of a delta: what kind of block it adds to, and the member that has its text.
_DELTAS: dict[str, tuple[Kind, str]] = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("call", "partial_json"),
    "thinking_delta": ("reasoning", "thinking"),
}


def is_message(body: dict[str, Any]) -> bool:
    """Whether this is a whole answer of the Messages API."""
    return body.get("type") == "message" and isinstance(body.get("content"), list)


def is_event(kind: str) -> bool:
    """Whether an event of this type is one of the Messages API."""
    return kind in _EVENTS


def add_event(answer: ChatAnswer, event: dict[str, Any]) -> None:
    """Adds an event of a stream."""
    answer.closing = "message_stop"
    index, delta = number(event.get("index")), typed(event.get("delta"), dict)
    match event.get("type"):
        case "message_start":
            add_answer(answer, typed(event.get("message"), dict))
        case "content_block_start":
            _set_block(answer, index, event.get("content_block"))
        case "content_block_delta":
            kind, member = _DELTAS.get(typed(delta.get("type"), str), ("text", ""))
            # The block is made if its start was not seen.
            append(answer.choice().part(index, kind=kind).text, delta.get(member))
        case "message_delta":
            _add_end(answer, delta)
            answer.usage = {**answer.usage, **typed(event.get("usage"), dict)}
        case "message_stop":
            answer.done = True


def add_answer(answer: ChatAnswer, message: dict[str, Any]) -> None:
    """Adds a whole answer, or what is known of one at its start."""
    answer.model = typed(message.get("model"), str) or answer.model
    answer.usage = {**answer.usage, **typed(message.get("usage"), dict)}
    answer.choice().role = typed(message.get("role"), str) or "assistant"
    for index, block in enumerate(typed(message.get("content"), list)):
        _set_block(answer, index, block)
    _add_end(answer, message)


def _set_block(answer: ChatAnswer, index: int, block: Any) -> None:
    answer.choice().items[index] = {ONLY: part_of(block)}


def _add_end(answer: ChatAnswer, fields: dict[str, Any]) -> None:
    reason = typed(fields.get("stop_reason"), str)
    if reason:
        stopped_by = fields.get("stop_sequence")
        by = f": {stopped_by!r}" if isinstance(stopped_by, str) and stopped_by else ""
        answer.choice().finish_reason = reason + by
