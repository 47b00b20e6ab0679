"""The members of a JSON object: their values, undecoded, and where they stand in its text."""

import re
from collections.abc import Iterator, Mapping

import msgspec

from .outline import Buffer

NULL = msgspec.Raw(b"null")

#: What msgspec raises for a text that is not JSON, or not of the type that was asked for.
DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

any_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class UnreadObject(msgspec.Struct, gc=False):
    """Any JSON object. Decoding it checks its members and keeps none of them."""


# JSON's white space, RFC 8259 section 2, and a member's name with its colon, section 4.
_WHITE_SPACE = re.compile(rb"[ \t\n\r]*")
_NAME = re.compile(rb'[ \t\n\r]*("(?:[^"\\]|\\.)*")[ \t\n\r]*:[ \t\n\r]*')


class RepeatedNameError(Exception):
    """The object has the same name twice, so its members cannot be found by their lengths."""


def members_of(text: bytes | bytearray | msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    """The members of a JSON object by name, or None if the text is no JSON object."""
    try:
        return any_object.decode(text)
    except DECODE_ERRORS:
        return None


def split_members(
    text: Buffer, members: Mapping[str, msgspec.Raw]
) -> Iterator[tuple[str, int, int, int]]:
    """Yields name, start, start of the value, and end of each member of a JSON object, in bytes.

    White space around a member belongs to it. `members` is the same object, decoded: the length of
    each value tells where it ends, so that long prompts are skipped, not scanned. Raises
    RepeatedNameError if a name comes twice.
    """
    if not members:
        return
    position = text.index(b"{") + 1
    end = text.rindex(b"}")
    while position < end:
        match = _NAME.match(text, position)
        if match is None:
            raise RepeatedNameError
        name = msgspec.json.decode(match[1], type=str)
        value = members[name]
        value_end = match.end() + len(value)
        separator = _WHITE_SPACE.match(text, value_end)
        after = separator.end() if separator else value_end
        if text[match.end() : value_end] != bytes(value) or text[after] not in b",}":
            raise RepeatedNameError
        yield name, position, match.end(), after
        position = after + 1
