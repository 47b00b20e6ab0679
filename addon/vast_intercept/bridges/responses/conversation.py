"""Builds the messages of a chat completion out of the items of a Responses request.

A response's items are one assistant message each, or a part of one: a chat completion has the
model's reasoning, its text and its calls together, and the outputs of calls right behind them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_request
from ...openai_api.members import NULL, UnreadObject
from ...openai_api.reading import decode, is_null, missing, shown
from ..media import Media
from . import reasoning
from .input_items import (
    CALLS,
    IGNORED,
    MESSAGE,
    OUTPUTS,
    REASONING,
    Content,
    Found,
    Part,
    RefusalPart,
    TextPart,
    Texts,
    role_of,
    text,
)
from .tools import Tools

#: Bytes of what all calls were given: vLLM takes it as JSON within a text, which takes long.
MAX_ARGUMENTS = 2 * 1024 * 1024

_LENGTH_OF_NOTHING = len(b'""')

# The text of a call's output that is an image or audio.
_SEE_BELOW = msgspec.Raw(b'"(The output is in the next message.)"')

# What OpenAI calls a call and an output in its errors.
_CALL_NAMES = {"function_call": "function call", "custom_tool_call": "custom tool call"}


class _Function(msgspec.Struct, gc=False):
    name: str
    arguments: msgspec.Raw | str


class _ToolCall(msgspec.Struct, gc=False):
    id: str
    function: _Function
    type: str = "function"


class ChatMessage(msgspec.Struct, omit_defaults=True, gc=False):
    """A message of a chat completion. `reasoning` is what the model thought (FACTS R7)."""

    role: str
    content: Content | None
    reasoning: msgspec.Raw | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None


class _Thought(msgspec.Struct, gc=False):
    text: msgspec.Raw = NULL


_thoughts = msgspec.json.Decoder(list[_Thought] | None)
_text = msgspec.json.Decoder(str)
_unread = msgspec.json.Decoder(UnreadObject)


@dataclass(slots=True)
class _Entry:
    """A message, and behind it the outputs of its calls."""

    message: ChatMessage
    calls: list["_Call"] = field(default_factory=list)
    outputs: list[ChatMessage] = field(default_factory=list)
    #: Images and audio in the outputs, and whose they are.
    seen: list[Part] = field(default_factory=list)
    thoughts: list[msgspec.Raw] = field(default_factory=list)

    def messages(self) -> list[ChatMessage]:
        """The message, unless there is nothing in it, and the outputs."""
        self.message.tool_calls = [each.made for each in self.calls if each.answered] or None
        if self.message.content is None and not self.message.tool_calls:
            return []
        if self.thoughts:
            self.message.reasoning = _one_text(self.thoughts, b"\\n\\n")
        return [self.message, *self.outputs]


@dataclass(slots=True)
class _Call:
    kind: str
    entry: _Entry
    made: _ToolCall
    #: The model was cut off while it wrote the call, so that nobody could carry it out.
    cut: bool
    answered: bool = False


class Conversation:
    """The messages of one call. `add` takes its items in order, `messages` ends it."""

    def __init__(self, tools: Tools, instructions: msgspec.Raw | None = None) -> None:
        #: The types of items that the model does not get.
        self.ignored: dict[str, None] = {}
        self._tools = tools
        self._texts = Texts()
        self._arguments_read = 0
        self._head: list[Content] = [instructions] if instructions else []
        self._entries: list[_Entry] = []
        #: The assistant's message that is still open: the next item may belong to it.
        self._open: _Entry | None = None
        self._thoughts: list[msgspec.Raw] = []
        self._calls: dict[str, _Call] = {}
        #: Outputs that stand before their calls.
        self._early: dict[str, Found] = {}

    def add(self, found: Found) -> None:
        """Takes the next item. Raises ApiError (400) for one that the conversation cannot have."""
        if found.kind == MESSAGE:
            self._add_message(found)
        elif found.kind in CALLS:
            self._add_call(found)
        elif found.kind in OUTPUTS:
            self._add_output(found)
        elif found.kind == REASONING:
            self._thoughts += _thoughts_of(found)
        elif found.kind in IGNORED:
            self.ignored[found.kind] = None

    def messages(self) -> list[ChatMessage]:
        """All messages. Raises ApiError (400) for calls without outputs, and the reverse."""
        for call_id, output in self._early.items():
            kind = _CALL_NAMES[output.kind.removesuffix("_output")]
            raise _bad_input(f"No tool call found for {kind} output with call_id {shown(call_id)}.")
        for call_id, call in self._calls.items():
            if not (call.answered or call.cut):
                kind = _CALL_NAMES[call.kind]
                raise _bad_input(f"No tool output found for {kind} {shown(call_id)}.")
        made = [] if not self._head else [ChatMessage("system", _joined(self._head))]
        seen: list[Part] = []
        for entry in self._entries:
            if seen and entry.message.role != "user":
                made.append(ChatMessage("user", seen))
            elif seen:  # many chat templates take no two messages of the user in a row
                assert entry.message.content is not None
                entry.message.content = _joined([seen, entry.message.content])
            made += entry.messages()
            seen = entry.seen
        if seen:
            made.append(ChatMessage("user", seen))
        return made

    def _add_message(self, found: Found) -> None:
        role = role_of(found.item, found.place)
        place = f"{found.place}.content"
        content = self._texts.content(found.item.content, place, with_media=role == "user")
        if role == "assistant":
            if self._open and self._open.message.content is None:
                self._open.message.content = content
                self._take_thoughts()
            else:
                self._begin(content)
            return
        self._end_turn()
        if role == "user":
            self._entries.append(_Entry(ChatMessage("user", content)))
        elif self._entries:
            self._entries.append(_Entry(ChatMessage("system", content)))
        else:
            # Many chat templates take one system message, and only as the first (FACTS C26).
            self._head.append(content)

    def _add_call(self, found: Found) -> None:
        item, place = found.item, found.place
        call_id = _required(item.call_id, f"{place}.call_id")
        name = self._tools.name(item.namespace, _required(item.name, f"{place}.name"))
        arguments = self._arguments(found)
        known = self._calls.get(call_id)
        if known and not known.answered:
            raise _bad_input(
                f"Two tool calls have the call_id {shown(call_id)}.", f"{place}.call_id"
            )
        entry = self._open or self._begin(None)
        self._take_thoughts()
        made = _ToolCall(call_id, _Function(name, arguments))
        call = _Call(found.kind, entry, made, item.status == "incomplete")
        entry.calls.append(call)
        self._calls[call_id] = call
        if early := self._early.pop(call_id, None):
            self._answer(call, call_id, early)
            self._end_turn()  # the next call may have the same id

    def _arguments(self, found: Found) -> msgspec.Raw | str:
        """The arguments of a call as a JSON object in a text: vLLM reads them (FACTS R8).

        A model may have written something else, or was cut off. It sees what it wrote.
        """
        item, name, value = found.item, "input", found.item.input
        if found.kind == "function_call":
            name, value = "arguments", item.arguments
        place = f"{found.place}.{name}"
        self._arguments_read += len(text(value, place))
        if self._arguments_read > MAX_ARGUMENTS:
            raise bad_request(
                f"The tool calls in the input have more than {MAX_ARGUMENTS:,} bytes of arguments.",
                ErrorCode.REQUEST_TOO_COMPLEX,
                "input",
            )
        if found.kind == "function_call":
            if len(value) == _LENGTH_OF_NOTHING:
                return "{}"
            if _is_object(value, place):
                return value
        return f'{{"{name}":{bytes(value).decode()}}}'

    def _add_output(self, found: Found) -> None:
        call_id = _required(found.item.call_id, f"{found.place}.call_id")
        self._end_turn()
        call = self._calls.get(call_id)
        if call_id in self._early or (call and call.answered):
            raise _bad_input(
                f"Two tool outputs have the call_id {shown(call_id)}.", f"{found.place}.call_id"
            )
        if call:
            self._answer(call, call_id, found)
        else:
            self._early[call_id] = found

    def _answer(self, call: _Call, call_id: str, output: Found) -> None:
        place = f"{output.place}.output"
        content = self._texts.content(output.item.output, place, with_media=True)
        if isinstance(content, list):
            # Many chat templates take only a text there, and older vLLM does not make one of
            # several (FACTS R7). So images and audio follow in a message of the user.
            media = [each for each in content if isinstance(each, Media)]
            texts = [_text_of(each) for each in content if not isinstance(each, Media)]
            if media:
                texts.append(_SEE_BELOW)
                about = f"Output of {call.made.function.name}:"
                call.entry.seen += [TextPart(msgspec.Raw(msgspec.json.encode(about))), *media]
            content = _one_text(texts, b"\\n")
        call.answered = True
        call.entry.outputs.append(ChatMessage("tool", content, tool_call_id=call_id))

    def _begin(self, content: Content | None) -> _Entry:
        self._open = _Entry(ChatMessage("assistant", content))
        self._entries.append(self._open)
        self._take_thoughts()
        return self._open

    def _take_thoughts(self) -> None:
        if self._open:
            self._open.thoughts += self._thoughts
            self._thoughts.clear()

    def _end_turn(self) -> None:
        """Ends what the assistant said. Reasoning that led to nothing is of no use."""
        self._open = None
        self._thoughts.clear()


def _thoughts_of(found: Found) -> list[msgspec.Raw]:
    """What the model thought, in texts.

    Ours is whole in `encrypted_content`. A summary that comes with OpenAI's own encrypted reasoning
    is not what the model thought.
    """
    item = found.item
    if item.encrypted_content:
        own = reasoning.decode(item.encrypted_content)
        if own is not None:
            return [msgspec.Raw(msgspec.json.encode(own))] if own else []
    name, parts = "content", item.content
    if is_null(parts) and not item.encrypted_content:
        name, parts = "summary", item.summary
    place = f"{found.place}.{name}"
    texts = [
        text(thought.text, f"{place}[{index}].text")
        for index, thought in enumerate(decode(_thoughts, parts, place) or ())
    ]
    return [each for each in texts if len(each) > _LENGTH_OF_NOTHING]


def _is_object(value: msgspec.Raw, place: str) -> bool:
    """Whether a text is a JSON object. Its members are not read."""
    try:
        _unread.decode(decode(_text, value, place))
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _one_text(texts: Iterable[msgspec.Raw], between: bytes) -> msgspec.Raw:
    """One JSON text of several."""
    return msgspec.Raw(b'"%b"' % between.join(bytes(each)[1:-1] for each in texts))


def _text_of(part: TextPart | RefusalPart) -> msgspec.Raw:
    return part.text if isinstance(part, TextPart) else part.refusal


def _joined(contents: list[Content]) -> Content:
    if len(contents) == 1:
        return contents[0]
    parts: list[Part] = []
    for content in contents:
        parts += content if isinstance(content, list) else [TextPart(content)]
    return parts


def _required(value: str | None, place: str) -> str:
    if not value:
        raise missing(place)
    return value


def _bad_input(message: str, param: str = "input") -> ApiError:
    return bad_request(message, ErrorCode.INVALID_VALUE, param)
