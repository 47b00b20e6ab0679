"""The text for a custom tool, out of the arguments of the function that stands for it.

A custom tool takes a text. For the chat completion it is a function with one parameter, so the
model writes `{"input": "..."}`. The text is taken out while the JSON still comes, in pieces that
may end anywhere, such as within an escape.
"""

import re

import msgspec

from ...openai_api.members import DECODE_ERRORS, any_object
from ..chat_answers import bad_answer

#: The parameter of the function.
PARAMETER = "input"

_BEGINNING = re.compile(r'[ \t\n\r]*\{[ \t\n\r]*"' + PARAMETER + r'"[ \t\n\r]*:[ \t\n\r]*"')
# What may still become such a beginning.
_BEGUN = re.compile(r'[ \t\n\r]*(?:\{[ \t\n\r]*(?:"[a-z]{0,5}(?:"[ \t\n\r]*(?::[ \t\n\r]*)?)?)?)?')
# What is valid in a JSON text: RFC 8259, section 7, with both halves of a surrogate pair or none.
_VALID = re.compile(
    r"""(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}"""
    r"""|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})++"""
)
_HALF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
# What is not, and meant as it stands: line ends that should be escapes, and backslashes that should
# be two. Models write such, in regular expressions for example.
_AS_IT_IS = re.compile(r"""(?:[^"\\]++|\\(?=[^"\\/bfnrtu]))++""")
# What may still become an escape, or a longer one.
_PART_OF_ESCAPE = re.compile(
    r"\\(?:u(?:[0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?)?)?"
)
# Characters of a beginning. It is searched anew with each piece, and models may write many blanks.
_LONGEST_BEGINNING = 1_000

#: Places of one answer where a text is mended. Each takes a microsecond, and answers have few.
MAX_MENDED = 20_000


class Mended:
    """Counts the places of one answer where a text was no JSON, and was mended."""

    def __init__(self) -> None:
        self._places = 0

    def count(self) -> None:
        """Counts one more. Raises ApiError (502) if there are too many."""
        self._places += 1
        if self._places > MAX_MENDED:
            raise bad_answer(
                f"the input of its calls is invalid in more than {MAX_MENDED:,} places"
            )


class CustomInput:
    """Takes the arguments of one call piece by piece, and returns the pieces of the tool's text.

    What the pieces add up to does not depend on where the arguments were cut. A model that did not
    keep to the form is understood as far as possible: `end` then has all of the text.
    """

    def __init__(self, mended: Mended | None = None) -> None:
        #: Of all calls of the answer.
        self._mended = mended or Mended()
        self._rest = ""
        self._other: list[str] = []
        self._state = self._at_start

    def feed(self, arguments: str) -> str:
        """The text that these arguments add. Raises ApiError (502) if too much of it is invalid."""
        self._rest += arguments
        return self._state()

    def end(self) -> str:
        """What is still missing of the text once the arguments have ended.

        Half an escape is left out.
        """
        if self._state in {self._in_text, self._behind}:
            return ""
        self._rest = arguments = "".join(self._other) + self._rest
        return self._begin() if _BEGINNING.match(arguments) else _text_of(arguments)

    def _at_start(self) -> str:
        if _BEGINNING.match(self._rest):
            return self._begin()
        if len(self._rest) > _LONGEST_BEGINNING or not _BEGUN.fullmatch(self._rest):
            self._state = self._in_other
            return self._in_other()
        return ""

    def _begin(self) -> str:
        self._rest = _BEGINNING.sub("", self._rest, count=1)
        self._state = self._in_text
        return self._in_text()

    def _in_other(self) -> str:
        """Something else has begun, which is understood once all of it is there."""
        self._other.append(self._rest)
        self._rest = ""
        return ""

    def _behind(self) -> str:
        """The text has ended. What follows adds nothing."""
        self._rest = ""
        return ""

    def _in_text(self) -> str:
        said, rest, position = [], self._rest, 0
        while position < len(rest):
            if valid := _VALID.match(rest, position):
                said.append(msgspec.json.decode(f'"{valid[0]}"', type=str))
                position = valid.end()
            elif rest[position] == '"':
                self._state = self._behind
                position = len(rest)
            elif _PART_OF_ESCAPE.fullmatch(rest, position):
                break
            else:
                mended, position = self._mend(rest, position)
                said.append(mended)
        self._rest = rest[position:]
        return "".join(said)

    def _mend(self, rest: str, position: int) -> tuple[str, int]:
        """What was meant by what is not valid here, and where it ends. Raises ApiError (502)."""
        self._mended.count()
        if half := _HALF_A_PAIR.match(rest, position):
            return "\ufffd", half.end()
        if odd := _AS_IT_IS.match(rest, position):
            return odd[0], odd.end()
        return "\\", position + 1  # `\u` without a number


def _text_of(arguments: str) -> str:
    """The text in arguments of another form: the only text there is, or all that was written."""
    try:
        members = any_object.decode(arguments)
        value = members[PARAMETER] if PARAMETER in members else _only(members)
        return msgspec.json.decode(value, type=str)
    except (*DECODE_ERRORS, ValueError):
        pass
    try:
        return msgspec.json.decode(arguments, type=str)
    except DECODE_ERRORS:
        return arguments


def _only(members: dict[str, msgspec.Raw]) -> msgspec.Raw:
    """The value of the only member. Raises ValueError if there are more, or none."""
    (value,) = members.values()
    return value
