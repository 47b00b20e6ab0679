"""Puts an answer together, whole or streamed: the message of each choice. Pure, never fails."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...openai_api.sse import DONE, Event, EventParser
from .extent import ends_of_stream
from .layout import compact, json_value, typed

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
    # What some servers send in place of OpenAI's `{"error": ...}`: the error itself.
    if event.event == "error":
        error = json_value(data) or event.data
        return data if typed(error, dict).get("error") else msgspec.json.encode({"error": error})
    return data


def _add(answer: ChatAnswer, data: bytes) -> bool:
    """Adds a whole answer or a chunk of a stream, but for the members whose type is wrong.

    Returns False if the data are something else.
    """
    body = json_value(data)
    if not isinstance(body, dict):
        return False
    answer.model = typed(body.get("model"), str) or answer.model
    answer.usage = typed(body.get("usage"), dict) or answer.usage
    answer.error = body.get("error") or answer.error
    for chunk in typed(body.get("choices"), list):
        _add_choice(answer, typed(chunk, dict))
    return True


def _add_choice(answer: ChatAnswer, chunk: dict[str, Any]) -> None:
    index = _number(chunk.get("index"), 0)
    choice = answer.choices.get(index)
    if choice is None:
        choice = answer.choices[index] = Choice()
    choice.finish_reason = typed(chunk.get("finish_reason"), str) or choice.finish_reason
    _append(choice.text, chunk.get("text"))
    add_message(choice, typed(chunk.get("delta") or chunk.get("message"), dict))


def add_message(choice: Choice, message: dict[str, Any]) -> None:
    """Adds a message of a request, of a whole answer, or a delta of a stream to `choice`."""
    _append(choice.text, _text_of_content(message.get("content")))
    reasoning = typed(message.get("reasoning_content"), str) or message.get("reasoning")
    _append(choice.reasoning, reasoning)
    _append(choice.refusal, message.get("refusal"))
    choice.role = typed(message.get("role"), str) or choice.role
    for position, call in enumerate(typed(message.get("tool_calls"), list)):
        _add_call(choice, position, typed(call, dict))
    if function := message.get("function_call"):
        _add_call(choice, 0, {"function": function})


def _number(value: Any, default: int) -> int:
    return value if type(value) is int else default


def _append(pieces: list[str], text: Any) -> None:
    if text and isinstance(text, str):
        pieces.append(text)


def _add_call(choice: Choice, position: int, piece: dict[str, Any]) -> None:
    call = choice.tool_calls.setdefault(_number(piece.get("index"), position), ToolCall())
    call.id = typed(piece.get("id"), str) or call.id
    function = typed(piece.get("function"), dict)
    _append(call.name, function.get("name"))
    arguments = function.get("arguments")
    if arguments and not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    _append(call.arguments, arguments)


def _text_of_content(content: Any) -> str:
    """A message's content as text: those of its parts that are not text are abbreviated."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(map(_text_of_part, content)) if isinstance(content, list) else compact(content)


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
