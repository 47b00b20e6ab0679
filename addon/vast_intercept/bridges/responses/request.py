"""Reads a Responses request, and makes the chat completion that takes its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import bad_request
from ...openai_api.limits import MAX_BRIDGED
from ...openai_api.media_parts import MediaName
from ...openai_api.outline import Buffer
from ...openai_api.reading import first_byte, is_null, missing, shown
from ..bridge import BuiltinTools
from ..media import encode_chat
from .asked import Asked
from .conversation import Conversation
from .fields import Fields, chat_fields, echoed_fields, left_out_fields, read_fields, summary_of
from .input_items import (
    ADDITIONAL_TOOLS,
    REFERENCE,
    Found,
    check_amount,
    read_items,
    references,
    stored,
)
from .tool_choice import choose
from .tools import Tools

_NOTHING: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Converted:
    """The chat completion for a request, and what its answer must know.

    `left_out` names what the app asked for and the model does not get, such as "tool web_search".
    """

    chat: bytes
    #: The images and audio of the chat completion, in order, as the request has them.
    media: tuple[MediaName, ...]
    left_out: tuple[str, ...]
    asked: Asked


@dataclass(frozen=True, slots=True)
class Request:
    """A Responses request that was read. What it continues, or refers to, is still to be found."""

    model: str | None
    store: bool
    #: The id of the response that this one continues: `previous_response_id`.
    previous: str | None
    #: The ids of stored items that stand in the input in their place: `item_reference`.
    references: tuple[str, ...]
    _fields: Fields
    _input: list[Found]
    _builtin_tools: BuiltinTools

    def convert(
        self,
        response_id: str,
        history: Sequence[bytes] = (),
        referenced: Mapping[str, bytes] = _NOTHING,
    ) -> Converted:
        """Makes the chat completion.

        `history` are the earlier turns in order: JSON arrays of items, first the input of a turn,
        then the output of its response. `referenced` has those items, by id, that were found of
        `references`. Input items without an id get one that is made of `response_id`. Raises
        ApiError (400, 404; 413 for a conversation of more than `MAX_BRIDGED` bytes).
        """
        fields = self._fields
        self._check_size(history, referenced)
        earlier = _read_history(history)
        given = [_resolved(found, referenced) for found in self._input]
        check_amount(len(earlier) + len(given))
        _check_ids(earlier, given)

        tools = Tools(reject_builtin=self._builtin_tools is BuiltinTools.REJECT)
        echoed_tools = tools.add(fields.tools, "tools")
        for found in (*earlier, *given):
            if found.kind == ADDITIONAL_TOOLS:
                tools.add(found.item.tools, f"{found.place}.tools")
        chosen = choose(tools, fields.tool_choice)

        empty = is_null(fields.instructions) or len(fields.instructions) == len(b'""')
        instructions = None if empty else fields.instructions
        conversation = Conversation(tools, instructions)
        for found in (*earlier, *given):
            conversation.add(found)
        messages = conversation.messages()
        if not messages:
            raise missing("input")

        chat: dict[str, object] = {"model": self.model} if self.model is not None else {}
        chat |= {"messages": messages, **chat_fields(fields)}
        if chosen.functions:  # vLLM refuses an empty list, and a choice without tools (FACTS R9)
            chat["tools"] = [
                {"type": "function", "function": function} for function in chosen.functions.values()
            ]
            if chosen.choice is not None:
                chat["tool_choice"] = chosen.choice
            if fields.parallel_tool_calls is not None:
                chat["parallel_tool_calls"] = fields.parallel_tool_calls
        ignored = (f"item {kind}" for kind in conversation.ignored)
        return Converted(
            *encode_chat(chat),
            (*left_out_fields(fields), *tools.left_out(), *ignored),
            Asked(
                store=self.store,
                previous=self.previous,
                items=_kept(given, response_id) if self.store else b"[]",
                echoed=echoed_fields(fields, echoed_tools),
                tools=tools.origins,
                include=frozenset(fields.include or ()),
                summary=bool(summary_of(fields)),
            ),
        )

    def _check_size(self, history: Sequence[bytes], referenced: Mapping[str, bytes]) -> None:
        """Raises ApiError (413) for more than is converted in one go."""
        size = sum(len(found.raw) for found in self._input)
        size += sum(map(len, history)) + sum(map(len, referenced.values()))
        if size > MAX_BRIDGED:
            raise bad_request(
                f"The conversation is larger than {MAX_BRIDGED:,} bytes, with what is stored of it."
                " Begin a new one.",
                ErrorCode.REQUEST_TOO_LARGE,
                "previous_response_id" if history else "input",
                status=413,
            )


def read(body: Buffer, *, builtin_tools: BuiltinTools = BuiltinTools.LEAVE_OUT) -> Request:
    """Reads the body of a Responses request. Raises ApiError (400) for what cannot be served.

    A body that `needs_outline` must have been outlined first: this bounds how much it holds.
    """
    fields = read_fields(body)
    given = _read_input(fields)
    referenced = tuple(references(given))
    return Request(
        model=fields.model,
        store=fields.store is not False,
        previous=fields.previous_response_id or None,
        references=referenced,
        _fields=fields,
        _input=given,
        _builtin_tools=builtin_tools,
    )


def _read_input(fields: Fields) -> list[Found]:
    first = first_byte(fields.input)
    if first == b'"':
        message = b'{"type":"message","role":"user","content":%b}' % bytes(fields.input)
        found = [Found(msgspec.Raw(message), "input")] if len(fields.input) > 2 else []
    elif is_null(fields.input):
        found = []
    else:
        found = read_items(fields.input, "input")
    if not found and not fields.previous_response_id:
        raise bad_request(
            "One of 'input' or 'previous_response_id' must be provided, and must not be empty.",
            ErrorCode.MISSING_REQUIRED_PARAMETER,
            "input",
        )
    return found


def _read_history(history: Sequence[bytes]) -> list[Found]:
    found: list[Found] = []
    for turn in history:
        found += read_items(msgspec.Raw(turn), "previous_response_id")
        check_amount(len(found))
    return found


def _resolved(found: Found, referenced: Mapping[str, bytes]) -> Found:
    if found.kind != REFERENCE:
        return found
    identifier = found.item.id
    item = referenced.get(identifier) if isinstance(identifier, str) else None
    if item is None:
        named = shown(str(identifier))
        raise bad_request(
            f"Item with id '{named}' not found.", ErrorCode.NOT_FOUND, "input", status=404
        )
    return Found(msgspec.Raw(item), found.place)


def _check_ids(earlier: list[Found], given: list[Found]) -> None:
    """Raises ApiError (400) for an item of the input that is already there."""
    seen = {found.item.id for found in earlier}
    for found in given:
        identifier = found.item.id
        if not isinstance(identifier, str):
            continue
        if identifier in seen:
            raise bad_request(
                f"Duplicate item found with id {shown(identifier)}. Remove duplicate items from"
                " your input and try again.",
                ErrorCode.INVALID_VALUE,
                "input",
            )
        seen.add(identifier)


def _kept(items: list[Found], response_id: str) -> bytes:
    """The input of this turn, as it is stored.

    Ids of output items have a 0 where these have a 1.
    """
    own = response_id.removeprefix("resp_")
    return msgspec.json.encode(
        [stored(found, f"{own}1{index:04x}") for index, found in enumerate(items)]
    )
