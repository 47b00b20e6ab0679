"""Members of an answer that are very long, such as vectors and images: taken out in steps.

Answers of many megabytes have few values but for these. What remains without them, the skeleton, is
small enough to be decoded in one call, which would block the event loop otherwise.
"""

import re
from collections.abc import Callable

from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, bad_gateway
from ..openai_api.limits import MAX_STRUCTURE, STEP
from ..openai_api.outline import Buffer
from .listed_call import Steps

type Take = Callable[[int], Steps[tuple[int, bytes]]]
"""Takes a value that begins at a position. Returns its end, and what the skeleton has instead."""

# White space: RFC 8259, section 2.
_BLANK = rb"[ \t\n\r]*+"
_LONGEST_NAME = 1024  # bytes, with white space and colon
# A value that is short takes about as long as so many bytes of a long one.
_WORK_OF_VALUE = 1024

# What may be in a list of numbers, and in base64 (RFC 4648, section 4). JSON may escape a slash.
_NUMBERS = re.compile(rb"[-+0-9.eE, \t\n\r]*+")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]++|\\/)*+")
_BASE64_END = re.compile(rb'={0,2}"')


class LongMember:
    """The members of one name, wherever they stand in a JSON text."""

    def __init__(self, name: str) -> None:
        rest = re.escape(name.encode()) + b'"' + _BLANK + b":"
        # Text is passed only if what follows it is there as well: it might be the name.
        text = rb'"(?!%b)(?:[^"\\]++|\\.)*+"(?=%b[^ \t\n\r])' % (rest, _BLANK)
        self._others = re.compile(rb'(?:[^"]++|%b)*+' % text, re.DOTALL)
        self._name = re.compile(rb'"%b%b' % (rest, _BLANK))

    def take_out(self, body: Buffer, take: Take) -> Steps[bytearray]:
        """Goes through an answer, and returns its skeleton.

        Raises ApiError (502) for what is not JSON, as far as it is seen here, and for an answer
        whose skeleton is large.
        """
        skeleton = bytearray()
        position = worked = 0
        while position < len(body):
            begun = position
            others = self._others.match(body, position, min(position + STEP, len(body)))
            assert others
            skeleton += others[0]
            position = others.end()
            if name := self._name.match(body, position, position + _LONGEST_NAME):
                skeleton += name[0]
                position, instead = yield from take(name.end())
                skeleton += instead
                worked += _WORK_OF_VALUE
            if len(skeleton) > MAX_STRUCTURE or position == begun:
                raise bad_answer("it has too much in it, or is no JSON")
            worked += position - begun
            if worked >= STEP:
                worked = 0
                yield
        if not skeleton.isascii():
            try:
                skeleton.decode()
            except UnicodeDecodeError:
                raise bad_answer("it is not valid UTF-8") from None
        return skeleton


def take_numbers(body: Buffer, start: int, sink: Callable[[bytes], None]) -> Steps[int]:
    """Gives a list of numbers to `sink` in pieces, each of which is a JSON array.

    `start` is where the list begins. Returns where it ends. Raises ApiError (502) for other lists.
    """
    position = start + 1
    while True:
        end = min(position + STEP, len(body))
        match = _NUMBERS.match(body, position, end)
        assert match
        stopped = match.end()
        if stopped < end:
            if body[stopped] != ord("]"):
                raise bad_answer("it has a list that is not one of numbers")
            sink(b"[%b]" % bytes(body[position:stopped]))
            return stopped + 1
        comma = body.rfind(b",", position, stopped)
        if comma < 0:
            raise bad_answer("it has a list of numbers without an end")
        sink(b"[%b]" % bytes(body[position:comma]))
        position = comma + 1
        yield


def take_base64(body: Buffer, start: int, sink: Callable[[bytes], None]) -> Steps[int]:
    """Checks a text in base64, and gives it to `sink` in pieces that can be decoded on their own.

    `start` is where the text begins, with its quote. Returns where it ends. Raises ApiError (502)
    for a text that is not base64.
    """
    position = start + 1
    characters = 0
    rest = b""
    while True:
        match = _BASE64.match(body, position, min(position + STEP, len(body)))
        assert match
        stopped = match.end()
        closed = _BASE64_END.match(body, stopped)
        if stopped == position and not closed:
            raise bad_answer("it has a text that is not base64")
        piece = match[0].replace(b"\\/", b"/") if b"\\" in match[0] else match[0]
        characters += len(piece)
        padding = closed[0][:-1] if closed else b""
        if closed and (not characters or (characters + len(padding)) % 4):
            raise bad_answer("it has base64 that is cut, or empty")
        rest += piece + padding
        whole = len(rest) // 4 * 4
        sink(rest[:whole])
        rest = rest[whole:]
        if closed:
            return closed.end()
        position = stopped
        yield


def bad_answer(why: str) -> ApiError:
    """The error for an answer that is not what the call asked for. `why` follows a colon."""
    return bad_gateway(f"The answer cannot be used: {why}.", ErrorCode.BAD_UPSTREAM_ANSWER)
