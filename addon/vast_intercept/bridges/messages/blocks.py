"""The content blocks of Messages requests, and the texts and images in them."""

import msgspec

from ...openai_api.members import NULL, UnreadObject
from ...openai_api.reading import decode, first_byte, is_null
from ..media import Media
from .images import image_of
from .refusals import not_served, required, too_many

#: Messages and blocks together: to convert more would hold up other calls.
MAX_BLOCKS = 10_000

_READ_AT_ONCE = 16 * 1024  # bytes of a content whose blocks are not counted before they are read


class Block(msgspec.Struct, gc=False):
    """A content block of any type, with those fields that are used."""

    type: str | None = None
    text: str | None = None
    #: Of `tool_use`.
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NULL
    #: Of `tool_result`.
    tool_use_id: str | None = None
    is_error: bool | None = None
    #: Of `tool_result` and `search_result`.
    content: msgspec.Raw = NULL
    thinking: str | None = None
    #: Of `search_result`, a text; of `image`, an object.
    title: msgspec.Raw = NULL
    source: msgspec.Raw = NULL
    #: Of `tool_reference`.
    tool_name: str | None = None


type Content = str | list[Block] | None

type Said = str | Media
"""What the model gets of a block: a text, or an image."""

_unread = msgspec.json.Decoder(list[UnreadObject])
_content: msgspec.json.Decoder[Content] = msgspec.json.Decoder(Content.__value__)
_text: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)


def check_amount(blocks: int) -> None:
    """Raises ApiError (400) for more messages and blocks than one call may have."""
    if blocks > MAX_BLOCKS:
        raise too_many(f"{MAX_BLOCKS:,} messages and content blocks")


def text_of(block: Block, place: str) -> str:
    """The text that a block holds for the model. Raises ApiError (400) for one without any."""
    match block.type:
        case "text":
            if block.text is None:
                raise required(f"{place}.text")
            return block.text
        case "search_result":
            title = decode(_text, block.title, f"{place}.title")
            source = decode(_text, block.source, f"{place}.source")
            found = texts_of(block.content, f"{place}.content")
            return "\n".join(filter(None, (title, source, *found)))
        case "tool_reference":
            return f"Tool: {block.tool_name}"
        case None:
            raise required(f"{place}.type")
        case kind:
            raise not_served(place, kind)


def texts_of(content: msgspec.Raw, place: str) -> list[str]:
    """The texts of a content that is a text or a list of blocks. Raises ApiError (400)."""
    return [text_of(block, at) for block, at in blocks_of(content, place)]


def said_of(block: Block, place: str) -> Said:
    """The text or the image of a block. Raises ApiError (400) for one without either."""
    return image_of(block.source, place) if block.type == "image" else text_of(block, place)


def blocks_of(content: msgspec.Raw, place: str) -> list[tuple[Block, str]]:
    """The blocks of a content that is a text or a list of them, and where they stand.

    Raises ApiError (400), and for more than `MAX_BLOCKS`.
    """
    if is_null(content):
        return []
    if len(content) > _READ_AT_ONCE and first_byte(content) == b"[":
        check_amount(len(decode(_unread, content, place)))
    read = decode(_content, content, place)
    if isinstance(read, list):
        return [(block, f"{place}[{index}]") for index, block in enumerate(read)]
    return [(Block(type="text", text=read or ""), place)]
