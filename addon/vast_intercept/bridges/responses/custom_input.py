"""The text for a custom tool, out of the arguments of the function that stands for it.

A custom tool takes a text. For the chat completion it is a function with one parameter, so the
model writes `{"input": "..."}`. The text is taken out while the JSON still comes, in pieces that
may end anywhere, such as within an escape.
"""

import re

import msgspec

from ...openai_api.members import DECODE_ERRORS, any_object

#: The parameter of the function.
PARAMETER = "input"

_BEGINNING = re.compile(r'[ \t\n\r]*\{[ \t\n\r]*"' + PARAMETER + r'"[ \t\n\r]*:[ \t\n\r]*"')
# What may still become such a beginning.
_BEGUN = re.compile(r'[ \t\n\r]*(?:\{[ \t\n\r]*(?:"[a-z]{0,5}(?:"[ \t\n\r]*(?::[ \t\n\r]*)?)?)?)?')
_PLAIN = re.compile(r'[^"\\]+')
# RFC 8259, section 7. A low surrogate belongs to the high one before it.
_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([^u]))"
)
# What may still become an escape, or another one.
_PART_OF_ESCAPE = re.compile(
    r"\\(?:u(?:[0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?)?)?"
)
_MEANING = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}

# Characters of a beginning. It is searched anew with each piece, and models may write many blanks.
_LONGEST_BEGINNING = 1_000


class CustomInput:
    """Takes the arguments of one call piece by piece, and returns the pieces of the tool's text.

    What the pieces add up to does not depend on where the arguments were cut. A model that did not
    keep to the form is understood as far as possible: `end` then has all of the text.
    """

    def __init__(self) -> None:
        self._rest = ""
        self._other: list[str] = []
        self._state = self._at_start

    def feed(self, arguments: str) -> str:
        """The text that these arguments add."""
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
            if plain := _PLAIN.match(rest, position):
                said.append(plain[0])
                position = plain.end()
            elif rest[position] == '"':
                self._state = self._behind
                position = len(rest)
            elif _PART_OF_ESCAPE.fullmatch(rest, position):
                break
            elif escape := _ESCAPE.match(rest, position):
                said.append(_meaning(escape))
                position = escape.end()
            else:  # `\u` and no number: the model meant a backslash
                said.append("\\")
                position += 1
        self._rest = rest[position:]
        return "".join(said)


def _meaning(escape: re.Match[str]) -> str:
    high, low, number, mark = escape.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    if number:
        code = int(number, 16)
        return "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)  # half a pair is no character
    # Models forget to double backslashes, in regular expressions for example.
    return _MEANING.get(mark, "\\" + mark)


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
