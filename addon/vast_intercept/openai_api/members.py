"""The members of a JSON object, where they stand in its text."""

import re
from collections.abc import Iterator, Mapping

import msgspec

from .outline import Buffer

# JSON's white space, RFC 8259 section 2, and a member's name with its colon, section 4.
_WHITE_SPACE = re.compile(rb"[ \t\n\r]*")
_NAME = re.compile(rb'[ \t\n\r]*("(?:[^"\\]|\\.)*")[ \t\n\r]*:[ \t\n\r]*')


class RepeatedNameError(Exception):
    """The object has a name twice, so that the values' lengths do not lead through it."""


def split_members(
    text: Buffer, members: Mapping[str, msgspec.Raw]
) -> Iterator[tuple[str, int, int, int]]:
    """Name, and start, place of the value, and end of each member of a JSON object.

    White space is part of a member. `members` is the same object, decoded. A value's length leads
    from its start to its end, so that the text of the prompts is jumped over, not scanned.
    """
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
