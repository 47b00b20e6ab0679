"""Gives a model's reasoning under both of its names. Pure: bytes in, bytes out.

Newer vLLM calls it `reasoning` in messages and deltas, older vLLM `reasoning_content` (FACTS V19).
An app that reads one name finds nothing under the other.
"""

import re

import msgspec

from .members import DECODE_ERRORS, any_object
from .outline import Buffer, needs_outline
from .reading import is_null

_NAMES = ("reasoning", "reasoning_content")
_MARK = b'"reasoning'

# A `data` line of an event, with any kind of line end.
_DATA = re.compile(rb"(?<![^\r\n])data:[^\r\n]*")

_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def with_both_names(answer: Buffer) -> Buffer:
    """A whole answer, or a chunk of a stream, with the reasoning of each message under both names.

    All other values keep their bytes. The answer is returned unchanged if it has no reasoning, is
    not an answer, or holds so many values that reading it would block the event loop.
    """
    if _MARK not in answer or needs_outline(answer):
        return answer
    try:
        members = any_object.decode(answer)
        choices = _objects.decode(members["choices"])
        renamed = [_complete(choice, name) for choice in choices for name in ("message", "delta")]
    except (*DECODE_ERRORS, KeyError):
        return answer
    if not any(renamed):
        return answer
    return msgspec.json.encode({**members, "choices": choices})


def with_both_names_in_events(events: bytes) -> bytes:
    """Whole events of a stream, with reasoning under both names. A cut event is left unchanged."""
    return _DATA.sub(_complete_event, events) if _MARK in events else events


def _complete_event(line: re.Match[bytes]) -> bytes:
    chunk = line[0][len(b"data:") :]
    completed = with_both_names(chunk)
    return line[0] if completed is chunk else b"data: " + bytes(completed)


def _complete(choice: dict[str, msgspec.Raw], name: str) -> bool:
    """Adds the missing name to the choice's `message` or `delta`; returns whether it did."""
    if name not in choice or is_null(choice[name]):
        return False
    message = any_object.decode(choice[name])
    for given, missing in (_NAMES, _NAMES[::-1]):
        if given in message and (
            missing not in message or (is_null(message[missing]) > is_null(message[given]))
        ):
            message[missing] = message[given]
            choice[name] = msgspec.Raw(msgspec.json.encode(message))
            return True
    return False
