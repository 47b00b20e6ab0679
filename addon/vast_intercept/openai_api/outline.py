"""The outline of a large JSON text: the same without what is long, made in steps.

Python's JSON decoders read a text in one go, and everything else waits. What takes them long is
not how long a text is but how many values it holds, and what makes a real one large is texts. So
of a large body an outline is made first, piece by piece, and decoded in its place.
"""

import codecs
import re
from bisect import bisect_right
from collections.abc import Generator
from dataclasses import dataclass, field

from .limits import FEW_VALUES, MAX_STRUCTURE, READ_AT_ONCE, READ_IF_SIMPLE, STEP

type Buffer = bytes | bytearray

# Of a longer text, so many characters are left: enough for a name, and for a person to see how a
# prompt begins.
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

# A short text, in few steps of the regular expression's engine.
_SHORT = rb'"' + _PLAIN + rb"{0,256}+(?:" + _ESCAPE + _PLAIN + rb'{0,32}+){0,8}+"'

# What stays as it is: up to a long text, and to a long list of numbers.
_AS_IT_IS = re.compile(
    rb'(?:[^",\[]++|[,\[](?!' + _NUMBER + _NUMBER + _NUMBER + rb")|" + _SHORT + rb")*+"
)
_CONTENT = re.compile(rb"(?:" + _PLAIN + rb"++|" + _ESCAPE + rb")*+")
_BEGINNING = re.compile(rb"(?:" + _CHARACTER + rb"){0," + str(_LEFT).encode() + rb"}+")
_NUMBERS = re.compile(rb"(?:" + _NUMBER + rb")++")
# As many as it takes to be wrong where numbers in a row are wrong.
_SOME_NUMBERS = b"0,0,"

_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NO_MARKS = bytes(set(range(256)) - set(b"[]{},"))
_QUOTE, _OPEN, _CLOSE, _COMMA = ord('"'), frozenset(b"[{"), frozenset(b"]}"), ord(",")
_DEEPEST_COUNTED = 4
_COST_OF_SKIP = 64


class NotJsonError(ValueError):
    """The text is no JSON. Says why, and where."""


class TooMuchStructureError(ValueError):
    """Too much is left without the long texts."""


@dataclass(slots=True)
class Outline:
    """Decodes to the same values, but for texts that are cut short and lists with fewer numbers."""

    text: bytearray = field(default_factory=bytearray)
    #: How many values there are at each depth; the outermost value has depth 0.
    values: list[int] = field(default_factory=lambda: [1, *[0] * _DEEPEST_COUNTED])
    #: Behind each place where something is left out: the position here, and in the whole text.
    _here: list[int] = field(default_factory=lambda: [0])
    _there: list[int] = field(default_factory=lambda: [0])

    @property
    def size(self) -> int:
        """How large it counts: what was left out took time, too."""
        return len(self.text) + _COST_OF_SKIP * len(self._here)

    def position(self, position: int) -> int:
        """Where in the whole text the byte is that is at `position` here."""
        index = bisect_right(self._here, position) - 1
        return self._there[index] + position - self._here[index]

    def skip_to(self, continued: int) -> None:
        """Notes where the body goes on behind what was left out."""
        self._here.append(len(self.text))
        self._there.append(continued)


def needs_outline(body: Buffer) -> bool:
    """Whether it might take long to decode the body in one go."""
    if len(body) <= READ_AT_ONCE:
        return False
    if len(body) > READ_IF_SIMPLE:
        return True
    return body.count(b",") + body.count(b"{") + body.count(b"[") > FEW_VALUES


def outline(body: Buffer) -> Generator[None, None, Outline]:
    """Makes the outline; each step takes a few milliseconds, whatever the body holds.

    Raises NotJsonError, which is not raised for all that is no JSON, and TooMuchStructureError.
    What is left out is JSON, and what is wrong in the body is wrong in the outline.
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
            # A text that begins where the last step ended.
            position = yield from _leave_out_text(body, position, made)
        if made.size > MAX_STRUCTURE:
            raise TooMuchStructureError
        worked += position - begun + 4 * _COST_OF_SKIP  # each round takes time, too
        if worked >= STEP:
            worked = 0
            yield
    return made


def _leave_out_text(body: Buffer, start: int, made: Outline) -> Generator[None, None, int]:
    """Puts the beginning of the text into the outline. Returns where it ends in the body."""
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
    """Counts the values, as commas and opening brackets tell. Returns the depth at the end."""
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
