"""The two names of a model's reasoning. Pure: bytes in, bytes out.

Newer vLLM names it `reasoning` in messages and deltas, older vLLM `reasoning_content` (FACTS V19):
an app that reads one of them finds nothing under the other.
"""

import re

import msgspec

from .outline import Buffer, needs_outline

_NAMES = ("reasoning", "reasoning_content")
_MARK = b'"reasoning'

# A line of an event, whatever ends it.
_DATA = re.compile(rb"(?<![^\r\n])data:[^\r\n]*")

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def with_both_names(answer: Buffer) -> Buffer:
    """A whole answer, or a chunk of a stream, with the reasoning of each message under both names.

    All other values stay to the byte the same. What has no reasoning, is no answer, or holds so
    much that it would take long to read is returned as it is.
    """
    if _MARK not in answer or needs_outline(answer):
        return answer
    try:
        members = _object.decode(answer)
        choices = _objects.decode(members["choices"])
        renamed = [_complete(choice, name) for choice in choices for name in ("message", "delta")]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
        return answer
    if not any(renamed):
        return answer
    return msgspec.json.encode({**members, "choices": choices})


def with_both_names_in_events(events: bytes) -> bytes:
    """The same for events of a stream, as many as there are. One that is cut stays as it is."""
    return _DATA.sub(_complete_event, events) if _MARK in events else events


def _complete_event(line: re.Match[bytes]) -> bytes:
    chunk = line[0][len(b"data:") :]
    completed = with_both_names(chunk)
    return line[0] if completed is chunk else b"data: " + bytes(completed)


def _complete(choice: dict[str, msgspec.Raw], name: str) -> bool:
    """Completes the choice's `message` or `delta`, and says whether there was something to do."""
    if name not in choice or _is_null(choice[name]):
        return False
    message = _object.decode(choice[name])
    for given, missing in (_NAMES, _NAMES[::-1]):
        if given in message and (
            missing not in message or (_is_null(message[missing]) > _is_null(message[given]))
        ):
            message[missing] = message[given]
            choice[name] = msgspec.Raw(msgspec.json.encode(message))
            return True
    return False


def _is_null(value: msgspec.Raw) -> bool:
    return bytes(memoryview(value)[:1]) == b"n"
