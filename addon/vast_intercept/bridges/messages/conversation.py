"""Makes the messages of a chat completion of those of a Messages request."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.media_parts import MAX_MEDIA
from ...openai_api.reading import decode, first_byte, is_null, shown
from ..media import Media
from .blocks import Block, Content, Said, blocks_of, check_amount, said_of, text_of, texts_of
from .refusals import refused, required, too_many
from .tool_ids import to_vast

type ChatMessage = dict[str, object]

_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
# Where texts meet that are one text to the model. vLLM joins text parts in the same way.
_BETWEEN = "\n"
# The text of a tool's result that is an image.
_SEE_BELOW = "(The result is in the next message.)"
# Claude Code's, for Anthropic's accounts and not for the model (FACTS R20). It changes with each
# call, so that no prompt would begin like one that is in the model server's cache.
_BILLING = "x-anthropic-billing-header:"


class _Message(msgspec.Struct, gc=False):
    role: str | None = None
    content: Content = None


_messages = msgspec.json.Decoder(list[_Message])


@dataclass(slots=True)
class _Turn:
    """Messages of one role in a row, which Anthropic takes for one message."""

    place: str = ""
    said: list[Said] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    #: By the id that the app gave.
    calls: dict[str, ChatMessage] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    #: Images in results, each behind a text that says which result it is of.
    seen: list[Said] = field(default_factory=list)


@dataclass(slots=True)
class Conversation:
    """The messages of a chat completion, and what was left out of them."""

    messages: list[ChatMessage] = field(default_factory=list)
    left_out: dict[str, None] = field(default_factory=dict)
    #: The model is to go on with the last message, which is its own.
    continues: bool = False
    _counted: int = 0
    _images: int = 0

    def count(self, blocks: Iterable[Block], messages: int = 0) -> None:
        """Counts blocks. Raises ApiError (400) where all together are more than are converted."""
        self._counted += messages
        for block in blocks:
            self._counted += 1
            self._images += block.type == "image"
        check_amount(self._counted)
        if self._images > MAX_MEDIA:
            raise too_many(f"{MAX_MEDIA:,} images")


def read_conversation(system: msgspec.Raw, messages: msgspec.Raw) -> Conversation:
    """Makes the messages of a chat completion. Raises ApiError (400) for what cannot be one."""
    made = Conversation()
    said = decode(_messages, messages, "messages")
    if not said:
        raise refused("messages", "at least one message is required")
    for each in said:
        made.count(each.content if isinstance(each.content, list) else (), 1)
    instructions = [text for text in texts_of(system, "system") if not text.startswith(_BILLING)]
    before = _leading_system(said)
    for index, message in enumerate(said[:before]):
        instructions += _system_texts(message, f"messages[{index}]")
    if instructions:
        made.messages.append({"role": "system", "content": _BETWEEN.join(instructions)})
    open_calls = _Turn()
    numbered = enumerate(said[before:], before)
    for role, group in groupby(numbered, lambda each: _role(each[1], f"messages[{each[0]}]")):
        turn = _Turn()
        for index, message in group:
            _read_message(turn, role, message, f"messages[{index}]", made)
        if role == "user":
            made.messages += _users(turn, open_calls)
            open_calls = _Turn()
        else:
            made.messages += _models(turn)
            open_calls = turn
    if open_calls.calls:
        raise _unanswered(open_calls, open_calls.calls)
    last = made.messages[-1] if made.messages else None
    made.continues = bool(last and last["role"] == "assistant" and last["content"])
    return made


def _role(message: _Message, place: str) -> str:
    match message.role:
        case "assistant":
            return "assistant"
        case "user" | "system":
            return "user"
        case None:
            raise required(f"{place}.role")
        case _:
            raise refused(f"{place}.role", "Input should be 'user', 'assistant' or 'system'")


def _leading_system(said: list[_Message]) -> int:
    """How many messages in the beginning have the role `system`."""
    return next((i for i, each in enumerate(said) if each.role != "system"), len(said))


def _system_texts(message: _Message, place: str) -> list[str]:
    if message.content is None:
        raise required(f"{place}.content")
    if isinstance(message.content, str):
        return [message.content]
    return [text_of(each, f"{place}.content[{i}]") for i, each in enumerate(message.content)]


def _read_message(
    turn: _Turn, role: str, message: _Message, place: str, made: Conversation
) -> None:
    turn.place = place
    if message.role == "system":
        # In the middle of a conversation. Many chat templates take such a message only in the
        # beginning, and fail otherwise.
        text = _BETWEEN.join(_system_texts(message, place))
        turn.said.append(f"<system>\n{text}\n</system>")
        return
    if message.content is None:
        raise required(f"{place}.content")
    if isinstance(message.content, str):
        turn.said.append(message.content)
        return
    for index, block in enumerate(message.content):
        _read_block(turn, role, block, f"{place}.content[{index}]", made)


def _read_block(turn: _Turn, role: str, block: Block, place: str, made: Conversation) -> None:
    kind = block.type
    if kind == "tool_result":
        _read_result(turn, role, block, place, made)
    elif kind == "tool_use" and role == "assistant":
        _read_call(turn, block, place)
    elif kind in _THOUGHTS:
        if block.thinking:
            turn.thoughts.append(block.thinking)
    elif kind == "server_tool_use" or (kind and kind.endswith("_tool_result")):
        # Of a tool that ran at Anthropic, whose results no other server can read.
        made.left_out[f"block {kind[:40]}"] = None
    elif role == "user":
        turn.said.append(said_of(block, place))
    else:
        turn.said.append(text_of(block, place))


def _read_call(turn: _Turn, block: Block, place: str) -> None:
    if not block.id:
        raise required(f"{place}.id")
    if block.name is None:
        raise required(f"{place}.name")
    if block.id in turn.calls:
        raise refused(f"{place}.id", "`tool_use` ids must be unique")
    given = block.input
    if not is_null(given) and first_byte(given) != b"{":
        raise refused(f"{place}.input", "Input should be an object", ErrorCode.INVALID_TYPE)
    arguments = "{}" if is_null(given) else bytes(given).decode()
    turn.calls[block.id] = {
        "id": to_vast(block.id),
        "type": "function",
        "function": {"name": block.name, "arguments": arguments},
    }


def _read_result(turn: _Turn, role: str, block: Block, place: str, made: Conversation) -> None:
    id_ = block.tool_use_id
    if not id_:
        raise required(f"{place}.tool_use_id")
    if role != "user":
        raise refused(place, "`tool_result` blocks can only be in `user` messages")
    if id_ in turn.results:
        raise refused(
            place,
            "each tool_use must have a single result. Found multiple `tool_result` blocks with id:"
            f" {shown(id_)}",
        )
    blocks = blocks_of(block.content, f"{place}.content")
    made.count(each for each, _ in blocks)
    said = [said_of(each, at) for each, at in blocks]
    images = [each for each in said if isinstance(each, Media)]
    texts = [each for each in said if isinstance(each, str)]
    if images:
        # Many chat templates take only a text in the result of a tool.
        texts.append(_SEE_BELOW)
        turn.seen += [f"Result of {to_vast(id_)}:", *images]
    text = _BETWEEN.join(texts)
    # A chat completion has no field for it.
    if block.is_error and not text.lower().startswith("error"):
        text = f"Error: {text}"
    turn.results[id_] = text


def _users(turn: _Turn, asked: _Turn) -> Iterator[ChatMessage]:
    """Yields the results of tools, which must come directly behind the calls, then the rest."""
    for id_ in turn.results:
        if id_ not in asked.calls:
            raise refused(
                f"{turn.place}.content",
                f"unexpected `tool_use_id` found in `tool_result` blocks: {shown(id_)}. Each"
                " `tool_result` block must have a corresponding `tool_use` block in the previous"
                " message.",
            )
    if missing := asked.calls.keys() - turn.results.keys():
        raise _unanswered(asked, {id_: None for id_ in asked.calls if id_ in missing})
    for id_, text in turn.results.items():
        yield {"role": "tool", "tool_call_id": to_vast(id_), "content": text}
    said = turn.seen + turn.said
    if said or not turn.results:
        yield {"role": "user", "content": _content_of(said)}


def _content_of(said: list[Said]) -> str | list[object]:
    """The content of a message: one text, or several parts if there are images."""
    if not any(isinstance(each, Media) for each in said):
        return _BETWEEN.join(each for each in said if isinstance(each, str))
    parts: list[object] = []
    for is_text, group in groupby(said, lambda each: isinstance(each, str)):
        if is_text:
            text = _BETWEEN.join(each for each in group if isinstance(each, str))
            parts.append({"type": "text", "text": text})
        else:
            parts += group
    return parts


def _models(turn: _Turn) -> Iterator[ChatMessage]:
    if not (turn.said or turn.calls or turn.thoughts):
        return
    text = _content_of(turn.said)
    message: ChatMessage = {"role": "assistant", "content": text or (None if turn.calls else "")}
    if turn.thoughts:
        thoughts = _BETWEEN.join(turn.thoughts)
        # The name depends on vLLM's version (FACTS V19).
        message |= {"reasoning": thoughts, "reasoning_content": thoughts}
    if turn.calls:
        message["tool_calls"] = list(turn.calls.values())
    yield message


def _unanswered(turn: _Turn, ids: Mapping[str, object]) -> Exception:
    named = ", ".join(shown(id_) for id_ in list(ids)[:5])
    return refused(
        turn.place,
        "`tool_use` ids were found without `tool_result` blocks immediately after:"
        f" {named}. Each `tool_use` block must have a corresponding `tool_result` block in the next"
        " message.",
    )
