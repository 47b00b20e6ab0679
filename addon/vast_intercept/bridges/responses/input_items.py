"""Items of a Responses request: what they hold, and how they are kept."""

from collections.abc import Iterator

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_request
from ...openai_api.media_parts import MAX_MEDIA
from ...openai_api.members import NULL, any_object
from ...openai_api.reading import (
    decode,
    first_byte,
    invalid_type,
    invalid_value,
    is_null,
    missing,
    split_objects,
)
from ..media import Media
from .media import MEDIA_PARTS, MediaFields, media_of

#: Items of one call, those of earlier turns included.
MAX_ITEMS = 5_000

#: Content parts of all items together.
MAX_PARTS = 5_000

MESSAGE, REFERENCE, ADDITIONAL_TOOLS = "message", "item_reference", "additional_tools"
REASONING = "reasoning"
CALLS = frozenset({"function_call", "custom_tool_call"})
OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})

#: Items about what OpenAI ran itself, or that only its own models understand.
IGNORED = frozenset(
    {
        "apply_patch_call",
        "apply_patch_call_output",
        "code_interpreter_call",
        "computer_call",
        "computer_call_output",
        "configuration_update",
        "file_search_call",
        "image_generation_call",
        "local_shell_call",
        "local_shell_call_output",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "shell_call",
        "shell_call_output",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    }
)

# They stand for a conversation that only OpenAI can read.
_COMPACTED = frozenset({"compaction", "compaction_summary", "compaction_trigger"})

_ROLES = ("user", "assistant", "system", "developer")
_TEXTS = frozenset({"input_text", "output_text"})
_NO_TEXTS = frozenset({*MEDIA_PARTS, "input_file", "computer_screenshot"})
_PART_TYPES = ("input_text", "output_text", "refusal")
_ITEM_TYPES = (MESSAGE, *sorted(CALLS), *sorted(OUTPUTS), REASONING, REFERENCE)

# What ids begin with, as OpenAI's do.
_PREFIXES = {
    MESSAGE: "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    REASONING: "rs",
}


class Item(msgspec.Struct, gc=False):
    """An item, as far as it is read. Texts stay as they came."""

    type: str | None = None
    id: str | msgspec.UnsetType | None = msgspec.UNSET
    role: str | None = None
    content: msgspec.Raw = NULL
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: msgspec.Raw = NULL
    input: msgspec.Raw = NULL
    output: msgspec.Raw = NULL
    summary: msgspec.Raw = NULL
    encrypted_content: str | None = None
    status: str | None = None
    tools: msgspec.Raw = NULL


class _Part(MediaFields, gc=False):
    text: msgspec.Raw = NULL
    refusal: msgspec.Raw = NULL


class TextPart(msgspec.Struct, tag_field="type", tag="text", gc=False):
    """A text, as a content part of a chat message."""

    text: msgspec.Raw


class RefusalPart(msgspec.Struct, tag_field="type", tag="refusal", gc=False):
    """What a model said instead of an answer, as a content part of a chat message."""

    refusal: msgspec.Raw


type Part = TextPart | RefusalPart | Media

type Content = msgspec.Raw | list[Part]
"""The content of a chat message: one text, or several parts."""


class _StoredText(msgspec.Struct, gc=False):
    type: str
    text: msgspec.Raw


class _StoredMessage(msgspec.Struct, gc=False):
    id: str
    role: str
    content: list[_StoredText]
    type: str = MESSAGE
    status: str = "completed"


_item = msgspec.json.Decoder(Item)
_parts = msgspec.json.Decoder(list[_Part])


class Found:
    """An item with the place in the input where it stands, or None if it is of an earlier turn."""

    __slots__ = ("item", "kind", "place", "raw")

    def __init__(self, raw: msgspec.Raw, place: str) -> None:
        """Raises ApiError (400) for an item that is of no known type, or not readable."""
        self.raw = raw
        self.place = place
        self.item = decode(_item, raw, place)
        self.kind = _kind(self.item, place)


def _kind(item: Item, place: str) -> str:
    kind = item.type
    if kind is None:
        if item.role is not None:
            return MESSAGE
        # https://platform.openai.com/docs/api-reference/responses/create: `type` is optional
        if isinstance(item.id, str) and is_null(item.content):
            return REFERENCE
        raise missing(f"{place}.type")
    if kind in _COMPACTED:
        raise bad_request(
            f"The item {place} is of type {kind!r}: it stands for an earlier conversation that only"
            " OpenAI can read. Send the conversation itself.",
            ErrorCode.UNSUPPORTED_CONTENT,
            place,
        )
    if kind not in _KNOWN:
        raise invalid_value(f"{place}.type", kind, _ITEM_TYPES)
    return kind


_KNOWN = frozenset({MESSAGE, REFERENCE, ADDITIONAL_TOOLS, REASONING}) | CALLS | OUTPUTS | IGNORED


def read_items(items: msgspec.Raw, place: str) -> list[Found]:
    """Reads a list of items. Raises ApiError (400), and for more than `MAX_ITEMS`."""
    raws = split_objects(items, place)
    check_amount(len(raws))
    return [Found(raw, f"{place}[{index}]") for index, raw in enumerate(raws)]


def check_amount(items: int) -> None:
    """Raises ApiError (400) for more items than one call may have."""
    if items > MAX_ITEMS:
        raise _too_many(f"{MAX_ITEMS:,} items, those of earlier turns included")


def _too_many(what: str) -> ApiError:
    return bad_request(f"The input has more than {what}.", ErrorCode.REQUEST_TOO_COMPLEX, "input")


class Texts:
    """Reads texts, and counts the content parts that it has seen."""

    def __init__(self) -> None:
        self._parts = 0
        self._media = 0

    def content(self, value: msgspec.Raw, place: str, *, with_media: bool) -> Content:
        """The content of a message, or the output of a call, as that of a chat message.

        Raises ApiError (400) for what is not text; `with_media` allows images and audio.
        """
        first = first_byte(value)
        if first == b'"':
            return value
        if first == b"n":
            raise missing(place)
        if first != b"[":
            raise invalid_type(place, "expected a text or an array of content parts")
        parts = decode(_parts, value, place)
        self._parts += len(parts)
        if self._parts > MAX_PARTS:
            raise _too_many(f"{MAX_PARTS:,} content parts")
        made: list[Part] = []
        for index, part in enumerate(parts):
            at = f"{place}[{index}]"
            media = media_of(part, at) if with_media else None
            self._media += media is not None
            if self._media > MAX_MEDIA:
                raise _too_many(f"{MAX_MEDIA:,} image and audio parts")
            made.append(media or _chat_part(part, at))
        if len(made) == 1 and isinstance(made[0], TextPart):
            return made[0].text
        return made or _EMPTY


_EMPTY = msgspec.Raw(b'""')


def _chat_part(part: _Part, place: str) -> TextPart | RefusalPart:
    if part.type in _TEXTS:
        return TextPart(text(part.text, f"{place}.text"))
    if part.type == "refusal":
        return RefusalPart(text(part.refusal, f"{place}.refusal"))
    if part.type is None:
        raise missing(f"{place}.type")
    if part.type in _NO_TEXTS:
        where = ""
        if part.type in MEDIA_PARTS:
            where = " here: images and audio may be in messages of the user and in outputs of calls"
        raise bad_request(
            f"The content part {place} has the type {part.type!r}, which Vast cannot serve{where}."
            " Send parts of type 'input_text', or let these calls go to another provider.",
            ErrorCode.UNSUPPORTED_CONTENT,
            place,
        )
    raise invalid_value(f"{place}.type", part.type, _PART_TYPES)


def text(value: msgspec.Raw, place: str) -> msgspec.Raw:
    """A text, unread. Raises ApiError (400) for something else."""
    if is_null(value):
        raise missing(place)
    if first_byte(value) != b'"':
        raise invalid_type(place, "expected a text")
    return value


def role_of(message: Item, place: str) -> str:
    """The role of a message. Raises ApiError (400) for one that OpenAI does not know."""
    if message.role is None:
        raise missing(f"{place}.role")
    if message.role not in _ROLES:
        raise invalid_value(f"{place}.role", message.role, _ROLES)
    return message.role


def stored(found: Found, new_id: str) -> object:
    """An item as it is kept, to be encoded.

    It has an id, and a message has a type and a list of content parts. The id that an app gave is
    kept; `new_id` is for an item without one.
    """
    item, raw = found.item, found.raw
    identifier = item.id or f"{_PREFIXES.get(found.kind, 'item')}_{new_id}"
    if found.kind == MESSAGE and first_byte(item.content) == b'"':
        kind = "output_text" if item.role == "assistant" else "input_text"
        content = [_StoredText(kind, item.content)]
        return _StoredMessage(identifier, item.role or "", content)
    added = {} if item.id else {"id": identifier}
    if item.type is None:
        added["type"] = found.kind
    if not added:
        return raw
    if item.id is msgspec.UNSET and item.type is not None:
        return msgspec.Raw(b'{"id":%b,%b' % (msgspec.json.encode(identifier), bytes(raw)[1:]))
    return {**any_object.decode(raw), **added}


def references(items: list[Found]) -> Iterator[str]:
    """The ids of items that are not in the input themselves. Raises ApiError (400)."""
    for found in items:
        if found.kind == REFERENCE:
            if not isinstance(found.item.id, str) or not found.item.id:
                raise missing(f"{found.place}.id")
            yield found.item.id
