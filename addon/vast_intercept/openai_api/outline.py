"""The outline of a large JSON text: the same JSON with long strings shortened, made in steps.

Python's JSON decoders read a text in one call, which blocks the event loop. Their time depends on
how many values there are, not on how long the strings are, and it is long strings that make real
bodies large. So an outline of a large body is made first, in steps, and decoded in its place.
"""

import codecs
import re
from bisect import bisect_right
from collections.abc import Generator
from dataclasses import dataclass, field

from .limits import FEW_VALUES, MAX_STRUCTURE, READ_AT_ONCE, READ_IF_SIMPLE, STEP

type Buffer = bytes | bytearray

# Characters that remain of a longer string: enough for a name, and to see how a prompt begins.
_LEFT = 200

# RFC 8259, section 7; both halves of a surrogate pair, or none.
_PLAIN = rb'[^"\\\x00-\x1f]'
_ESCAPE = (
    rb'\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}'
    rb"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)
_LONGEST_ESCAPE = 12
_CHARACTER = rb'[^"\\\x00-\x1f\x80-\xff]|[\xc2-\xf4][\x80-\xbf]{1,3}+|' + _ESCAPE

# Section 2 and, of section 6, whole numbers.
_BLANK = rb"[ \t\n\r]*+"
_NUMBER = _BLANK + rb"-?(?:0|[1-9][0-9]{0,30}+)" + _BLANK + rb","

# A short string. The regular expression engine needs few steps for it.
_SHORT = rb'"' + _PLAIN + rb"{0,256}+(?:" + _ESCAPE + _PLAIN + rb'{0,32}+){0,8}+"'

# What is copied: everything up to a long string or a long list of numbers.
_AS_IT_IS = re.compile(
    rb'(?:[^",\[]++|[,\[](?!' + _NUMBER + _NUMBER + _NUMBER + rb")|" + _SHORT + rb")*+"
)
_CONTENT = re.compile(rb"(?:" + _PLAIN + rb"++|" + _ESCAPE + rb")*+")
_BEGINNING = re.compile(rb"(?:" + _CHARACTER + rb"){0," + str(_LEFT).encode() + rb"}+")
_NUMBERS = re.compile(rb"(?:" + _NUMBER + rb")++")
# Two numbers, so that JSON that is invalid with many numbers stays invalid.
_SOME_NUMBERS = b"0,0,"

_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NO_MARKS = bytes(set(range(256)) - set(b"[]{},"))
_QUOTE, _OPEN, _CLOSE, _COMMA = ord('"'), frozenset(b"[{"), frozenset(b"]}"), ord(",")
_DEEPEST_COUNTED = 4
_COST_OF_SKIP = 64


class NotJsonError(ValueError):
    """The text is not JSON. The message says why, and at which byte."""


class TooMuchStructureError(ValueError):
    """The text holds too many values, even without its long strings."""


@dataclass(slots=True)
class Outline:
    """Decodes to the same values, but with shortened strings and lists of fewer numbers."""

    text: bytearray = field(default_factory=bytearray)
    #: How many values there are at each depth; the outermost value has depth 0.
    values: list[int] = field(default_factory=lambda: [1, *[0] * _DEEPEST_COUNTED])
    #: Positions after each omission: in the outline, and in the whole text.
    _here: list[int] = field(default_factory=lambda: [0])
    _there: list[int] = field(default_factory=lambda: [0])

    @property
    def size(self) -> int:
        """Its size in bytes, plus a cost for each omission, since those take time as well."""
        return len(self.text) + _COST_OF_SKIP * len(self._here)

    def position(self, position: int) -> int:
        """The position in the whole text of the byte at `position` of the outline."""
        index = bisect_right(self._here, position) - 1
        return self._there[index] + position - self._here[index]

    def skip_to(self, continued: int) -> None:
        """Notes the position in the whole text at which the outline continues."""
        self._here.append(len(self.text))
        self._there.append(continued)


def needs_outline(body: Buffer) -> bool:
    """Whether decoding the body in one call might block the event loop."""
    if len(body) <= READ_AT_ONCE:
        return False
    if len(body) > READ_IF_SIMPLE:
        return True
    return body.count(b",") + body.count(b"{") + body.count(b"[") > FEW_VALUES


def outline(body: Buffer) -> Generator[None, None, Outline]:
    """Makes the outline in steps of a few milliseconds each.

    Raises TooMuchStructureError, and NotJsonError for some texts that are not JSON. The outline of
    any other text that is not JSON is not JSON either: what is omitted was checked.
    """
    yield from _check_utf8(body)
    made = Outline()
    depth = 0
    position = worked = 0
    while position < len(body):
        begun = position
        end = min(position + STEP, len(body))
        match = _AS_IT_IS.match(body, position, end)
        assert match
        run = match[0]
        made.text += run
        depth = _count(run, depth, made.values)
        position = match.end()
        if position < end:
            if body[position] == _QUOTE:
                position = yield from _leave_out_text(body, position, made)
            else:
                depth = _count(body[position : position + 1], depth, made.values)
                made.text += body[position : position + 1] + _SOME_NUMBERS
                numbers = _NUMBERS.match(body, position + 1, end)
                assert numbers
                position = numbers.end()
                made.skip_to(position)
        elif position == begun:
            # A string that begins where the last step ended.
            position = yield from _leave_out_text(body, position, made)
        if made.size > MAX_STRUCTURE:
            raise TooMuchStructureError
        worked += position - begun + 4 * _COST_OF_SKIP  # each round of the loop has a cost
        if worked >= STEP:
            worked = 0
            yield
    return made


def _leave_out_text(body: Buffer, start: int, made: Outline) -> Generator[None, None, int]:
    """Puts the beginning of a string into the outline. Returns its end in the body."""
    position = start + 1
    while True:
        end = min(position + STEP, len(body))
        match = _CONTENT.match(body, position, end)
        assert match
        stopped = match.end()
        if stopped < len(body) and body[stopped] == _QUOTE:
            break
        if end - stopped >= _LONGEST_ESCAPE or end == len(body):
            raise NotJsonError(f"a text is not valid (byte {stopped})")
        position = stopped
        yield
    beginning = _BEGINNING.match(body, start + 1, stopped)
    assert beginning
    made.text += b'"' + beginning[0]
    made.skip_to(stopped)
    made.text += b'"'
    return stopped + 1


def _count(run: Buffer, depth: int, values: list[int]) -> int:
    """Counts values at each depth by commas and opening brackets. Returns the final depth."""
    for mark in _TEXT.sub(b"", run).translate(None, _NO_MARKS):
        if mark in _OPEN:
            depth += 1
        elif mark in _CLOSE:
            depth -= 1
            continue
        if 0 < depth <= _DEEPEST_COUNTED:
            values[depth] += 1
    return depth


def _check_utf8(body: Buffer) -> Generator[None]:
    if body.isascii():
        return
    position = 0
    while position < len(body):
        piece = memoryview(body)[position : position + STEP]
        try:
            _, used = codecs.utf_8_decode(piece, "strict", position + STEP >= len(body))
        except UnicodeDecodeError as error:
            raise NotJsonError(f"it is not valid UTF-8 (byte {position + error.start})") from None
        position += used
        yield
