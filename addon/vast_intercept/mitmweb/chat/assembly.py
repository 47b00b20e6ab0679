"""Puts an answer together, whole or streamed: the message of each choice. Pure, never fails."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...openai_api.sse import DONE, Event, EventParser
from .extent import ends_of_stream
from .layout import typed

_DATA = b"data:"
_DONE = DONE.encode()
_LEFT_OUT = " […] "


@dataclass(slots=True)
class ToolCall:
    """A call of a function, its texts in the pieces that they came in.

    `arguments` are JSON as the model wrote it, or what it meant to be.
    """

    id: str = ""
    name: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Choice:
    """One of the answer's choices. Texts are in the pieces that they came in."""

    role: str = "assistant"
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    #: By their index in the answer.
    tool_calls: dict[int, ToolCall] = field(default_factory=dict)
    finish_reason: str | None = None


@dataclass(slots=True)
class ChatAnswer:
    """What an answer's body says. `error` is OpenAI's error object, or what is in its place."""

    choices: dict[int, Choice] = field(default_factory=dict)
    model: str | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    #: Whether it is a stream, and has its closing event.
    streamed: bool = False
    done: bool = False
    #: Events of a stream that cannot be understood.
    strange: int = 0
    #: Bytes in the middle of a stream that were not looked at.
    left_out: int = 0

    @property
    def understood(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.choices or self.usage or self.error or self.done)

    @property
    def finished(self) -> bool:
        """Whether each choice has said why it ended: some servers send no closing event."""
        return bool(self.choices) and all(each.finish_reason for each in self.choices.values())


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    role: str | None = None
    content: str | list[Any] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Message | None = None
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Body(msgspec.Struct):
    """A whole answer, or a chunk of a stream: they differ in `message` and `delta`."""

    choices: list[_Choice] | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


_body = msgspec.json.Decoder(_Body)
_FAILURES = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def assemble_whole(body: bytes) -> ChatAnswer | None:
    """Reads a whole answer. None if the body is something else."""
    answer = ChatAnswer()
    return answer if _add(answer, body) and answer.understood else None


def assemble_stream(body: bytes) -> ChatAnswer | None:
    """Reads the part of a stream that has come. None if the body is something else."""
    answer = ChatAnswer(streamed=True)
    head, answer.left_out, tail = ends_of_stream(body)
    if answer.left_out:
        *complete, _ = _events(head)
        _add_events(answer, complete)
        for choice in answer.choices.values():
            choice.text.append(_LEFT_OUT)
    *complete, rest = _events(tail if answer.left_out else head)
    _add_events(answer, complete)
    if rest.strip() == _DONE:  # an end that nobody has finished is one all the same
        answer.done = True
    elif rest:
        _add(answer, rest)
    return answer if answer.understood else None


def _add_events(answer: ChatAnswer, events: Iterable[bytes]) -> None:
    for data in events:
        if data.strip() == _DONE:
            answer.done = True
        elif not _add(answer, data):
            answer.strange += 1


def _events(body: bytes) -> Iterator[bytes]:
    """The data of each event, and at last of the event that is not complete, or b"" if all are."""
    if b"\r" in body or body.startswith(b"\xef\xbb\xbf"):
        parser = EventParser()
        # The parser takes a CR at the end for half of a CRLF; here nothing else will come.
        yield from map(_data_of, parser.feed(body + b"\n" * body.endswith(b"\r")))
        yield next(map(_data_of, parser.feed(b"\n\n")), b"")
        return
    *pieces, rest = body.split(b"\n\n")
    for piece in pieces:
        # What vLLM and OpenAI send: one line of data. Anything else is for the parser.
        if piece.startswith(_DATA) and b"\n" not in piece:
            yield piece[5:].lstrip(b" ")
        else:
            yield from _parsed(piece + b"\n\n")
    yield next(_parsed(rest + b"\n\n"), b"")


def _parsed(part: bytes) -> Iterator[bytes]:
    return map(_data_of, EventParser().feed(part))


def _data_of(event: Event) -> bytes:
    data = event.data.encode()
    if event.event != "error":
        return data
    # What some servers send in place of OpenAI's `{"error": ...}`: the error itself.
    try:
        error = msgspec.json.decode(data)
    except _FAILURES:
        error = event.data
    return data if typed(error, dict).get("error") else msgspec.json.encode({"error": error})


def _add(answer: ChatAnswer, data: bytes) -> bool:
    """Adds a body or a chunk to the answer. False if the data are something else."""
    try:
        body = _body.decode(data)
    except _FAILURES:
        return _add_loosely(answer, data)
    _add_body(answer, body)
    return True


def _add_loosely(answer: ChatAnswer, data: bytes) -> bool:
    """Adds a body or a chunk of which some members have the wrong type, without those members."""
    try:
        value = msgspec.json.decode(data.decode(errors="replace"))
    except _FAILURES:
        return False
    if not isinstance(value, dict):
        return False
    usage, model = value.get("usage"), value.get("model")
    body = _Body(
        choices=[_loose_choice(each) for each in typed(value.get("choices"), list)],
        model=model if isinstance(model, str) else None,
        usage=usage if isinstance(usage, dict) else None,
        error=value.get("error"),
    )
    _add_body(answer, body)
    return True


def _loose_choice(value: Any) -> _Choice:
    choice = _what_fits(value, _Choice)
    value = typed(value, dict)
    choice.delta = _what_fits(value.get("delta"), _Message) if "delta" in value else None
    choice.message = _what_fits(value.get("message"), _Message) if "message" in value else None
    return choice


def _what_fits[T: msgspec.Struct](value: Any, kind: type[T]) -> T:
    """A struct of that kind, with those of the value's members that have the right type."""
    made = kind()
    for name, member in typed(value, dict).items():
        if name in kind.__struct_fields__:
            with contextlib.suppress(*_FAILURES):
                setattr(made, name, getattr(msgspec.convert({name: member}, kind), name))
    return made


def _add_body(answer: ChatAnswer, body: _Body) -> None:
    if body.model:
        answer.model = body.model
    if body.usage:
        answer.usage = body.usage
    if body.error:
        answer.error = body.error
    for chunk in body.choices or ():
        choice = answer.choices.get(chunk.index)
        if choice is None:
            choice = answer.choices[chunk.index] = Choice()
        if chunk.finish_reason:
            choice.finish_reason = chunk.finish_reason
        if chunk.text:
            choice.text.append(chunk.text)
        message = chunk.delta or chunk.message
        if message is not None:
            _add_message(choice, message)


def _add_message(choice: Choice, message: _Message) -> None:
    if message.content:
        text = message.content
        choice.text.append(text if isinstance(text, str) else text_of_parts(text))
    if reasoning := message.reasoning_content or message.reasoning:
        choice.reasoning.append(reasoning)
    if message.refusal:
        choice.refusal.append(message.refusal)
    if message.role:
        choice.role = message.role
    if message.tool_calls:
        for position, call in enumerate(message.tool_calls):
            _add_call(
                choice, position if call.index is None else call.index, call.id, call.function
            )
    if message.function_call:
        _add_call(choice, 0, None, message.function_call)


def _add_call(choice: Choice, index: int, name: str | None, function: _Function | None) -> None:
    call = choice.tool_calls.setdefault(index, ToolCall())
    if name:
        call.id = name
    if function is None:
        return
    if function.name:
        call.name.append(function.name)
    if isinstance(function.arguments, str):
        call.arguments.append(function.arguments)
    elif function.arguments:
        call.arguments.append(msgspec.json.encode(function.arguments).decode())


def text_of_parts(parts: Iterable[Any]) -> str:
    """The parts of a message's content as text: anything but text is abbreviated."""
    return "\n".join(_text_of_part(part) for part in parts)


_SHOWN = 80  # characters of what is not text


def _text_of_part(part: Any) -> str:
    part = {"type": "text", "text": part} if isinstance(part, str) else typed(part, dict)
    kind = part.get("type")
    for name in ("text", "refusal"):
        if isinstance(part.get(name), str):
            return str(part[name])
    inner = part.get(kind) if isinstance(kind, str) else None
    if isinstance(inner, dict):
        inner = next((one for one in inner.values() if isinstance(one, str)), "")
    if not isinstance(inner, str):
        return f"[{kind or 'something that is no part of a content'}]"
    if inner.startswith("data:"):
        head, _, data = inner.partition(",")
        return f"[{kind}: {head[:_SHOWN]}, {len(data):,} characters]"
    more = "…" if len(inner) > _SHOWN else ""
    return f"[{kind}: {inner[:_SHOWN]}{more}]"
