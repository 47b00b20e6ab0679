"""Makes an answer with an old function call of one with tool calls, whole or chunk by chunk.

There is room for one call in each choice. It is the model's first: a model that is told of its
result makes the others again, if it still wants them.
"""

import re

import msgspec

from ...openai_api.members import DECODE_ERRORS, NULL, any_object
from ...openai_api.outline import Buffer
from ..chat_answers import ToolCall

type _Members = dict[str, msgspec.Raw]

_MARK = b'"tool_calls"'
# A `data` line of an event, with any kind of line end.
_DATA = re.compile(rb"(?<![^\r\n])data:[^\r\n]*")

_ENDS = re.compile(rb'"finish_reason"\s*:\s*"')
_FINISHED = msgspec.Raw(b'"function_call"')
# vLLM ends a call that it was told to make with "stop".
_TO_RENAME = frozenset({b'"tool_calls"', b'"stop"'})


_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_calls = msgspec.json.Decoder(list[ToolCall] | None)
_number = msgspec.json.Decoder(int)

_ZERO, _EMPTY = msgspec.Raw(b"0"), msgspec.Raw(b"{}")


def with_function_call(body: Buffer) -> bytes:
    """A whole answer in which each choice has its first call as `function_call`.

    All other values keep their bytes, and an answer without calls is returned unchanged. So is what
    is not an answer.
    """
    if _MARK not in body:
        return bytes(body)
    try:
        members = any_object.decode(body)
        choices = _objects.decode(members["choices"])
        for choice in choices:
            message = any_object.decode(choice["message"])
            calls = _calls.decode(message.pop("tool_calls", NULL)) or []
            call = next((each for each in calls if each.function), None)
            if call:
                made = {"name": call.name, "arguments": call.arguments}
                message["function_call"] = _json(made)
                _rename_end(choice)
            choice["message"] = _json(message)
    except (*DECODE_ERRORS, KeyError):
        return bytes(body)
    return msgspec.json.encode({**members, "choices": choices})


def _json(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _rename_end(choice: _Members) -> None:
    if bytes(choice.get("finish_reason", NULL)) in _TO_RENAME:
        choice["finish_reason"] = _FINISHED


class FunctionCallChunks:
    """Rewrites the chunks of one stream. What has nothing to do with a call keeps its bytes."""

    def __init__(self) -> None:
        #: By the index of a choice, that of the call that the app gets.
        self._call: dict[int, int] = {}
        self._named: set[int] = set()

    def rewrite(self, events: bytes) -> bytes:
        """Takes whole events, and returns as many, or one more for a call that begins."""
        if not self._call and _MARK not in events:
            return events
        return _DATA.sub(self._rewrite_event, events)

    def _rewrite_event(self, line: re.Match[bytes]) -> bytes:
        data = line[0][len(b"data:") :]
        if _MARK not in data and not (self._call and _ENDS.search(data)):
            return line[0]
        try:
            chunks = self._rewrite_chunk(data)
        except (*DECODE_ERRORS, KeyError):
            return line[0]
        return b"\n\n".join(b"data: " + msgspec.json.encode(each) for each in chunks)

    def _rewrite_chunk(self, data: bytes) -> list[dict[str, object]]:
        members = any_object.decode(data)
        choices = _objects.decode(members["choices"])
        begun = [made for choice in choices if (made := self._rewrite_choice(choice))]
        changed: dict[str, object] = {**members, "choices": choices}
        if not begun:
            return [changed]
        first: dict[str, object] = {**members, "choices": begun}
        first.pop("usage", None)
        return [first, changed]

    def _rewrite_choice(self, choice: _Members) -> _Members | None:
        """Rewrites a choice in its place. Returns the one that goes before it, if any.

        A call begins with its name and empty arguments, as OpenAI's streams have it.
        """
        number = _number.decode(choice.get("index", _ZERO))
        delta = any_object.decode(choice.get("delta", _EMPTY))
        calls = _calls.decode(delta.pop("tool_calls", NULL)) or []
        if calls:
            self._call.setdefault(number, calls[0].index or 0)
        kept = self._call.get(number)
        parts = [each for each in calls if (each.index or 0) == kept]
        name = "" if number in self._named else "".join(part.name for part in parts)
        arguments = "".join(part.arguments for part in parts)
        begin = None
        if name:
            self._named.add(number)
            delta["function_call"] = _json({"name": name, "arguments": ""})
            if arguments:
                begin = {**choice, "delta": _json(delta), "finish_reason": NULL}
                delta = {}
        if arguments:
            delta["function_call"] = _json({"arguments": arguments})
        choice["delta"] = _json(delta)
        if kept is not None:
            _rename_end(choice)
        return begin
