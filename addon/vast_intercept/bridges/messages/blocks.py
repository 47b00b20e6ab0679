"""The content blocks of Messages requests, and the texts in them."""

import msgspec

from ...openai_api.members import NULL
from ...openai_api.reading import decode, is_null
from .refusals import not_served, required


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
    #: Of `search_result`; an object in blocks that are refused.
    title: msgspec.Raw = NULL
    source: msgspec.Raw = NULL
    #: Of `tool_reference`.
    tool_name: str | None = None


type Content = str | list[Block] | None

_content: msgspec.json.Decoder[Content] = msgspec.json.Decoder(Content.__value__)
_text: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)


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
    """The texts of a content that is a text or a list of blocks, as in a tool's result."""
    if is_null(content):
        return []
    read = decode(_content, content, place)
    if read is None or isinstance(read, str):
        return [read or ""]
    return [text_of(block, f"{place}[{index}]") for index, block in enumerate(read)]
