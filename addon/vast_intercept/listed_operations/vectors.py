"""Vectors of an answer: checked, and converted between numbers and base64.

OpenAI's base64 is that of the vector's 32-bit floats, little-endian, one after the other; SDKs
decode it so (FACTS V25). The numbers of an answer are those floats, written in decimal.
"""

import base64
import math
import sys
from array import array
from typing import Protocol

import msgspec

from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import bad_gateway
from ..openai_api.members import DECODE_ERRORS
from ..openai_api.outline import Buffer
from .listed_call import Steps
from .long_members import bad_answer, take_base64, take_numbers

_FLOAT_BYTES = 4
# So many bytes are four characters of base64, without padding.
_WHOLE_IN_BASE64 = 3

# Bytes of a converted answer. Numbers take up to four times as many as base64.
_LARGEST = 128 * 1024 * 1024

_NO_FLOATS = "it has an embedding that is not one of 32-bit floats"

_numbers = msgspec.json.Decoder(list[float])


class Vectors:
    """The vectors of one answer, as they were asked for."""

    def __init__(self, body: Buffer, *, as_base64: bool) -> None:
        self._body = body
        self._as_base64 = as_base64
        self._made = bytearray()
        self._copied_to = 0

    def take(self, position: int) -> Steps[tuple[int, bytes]]:
        """Takes the vector that begins at this position of the answer.

        Returns its end, and a number for the skeleton. Raises ApiError (502) for what is no vector.
        """
        sink: _Sink
        first = self._body[position : position + 1]
        if first == b"[":
            converted = self._as_base64
            sink = _Base64Writer(self._before(position)) if converted else _NumbersChecker()
            end = yield from take_numbers(self._body, position, sink.add)
        elif first == b'"':
            converted = not self._as_base64
            sink = _NumbersWriter(self._before(position)) if converted else _Base64Checker()
            end = yield from take_base64(self._body, position, sink.add)
        else:
            raise bad_answer("it has an embedding that is neither a list of numbers nor base64")
        sink.end()
        if converted:
            self._copied_to = end
        return end, b"0"

    def result(self) -> Buffer:
        """The answer with every vector as it was asked for."""
        return self._before(len(self._body)) if self._copied_to else self._body

    def _before(self, position: int) -> bytearray:
        """What is made so far, with everything up to a position of the answer."""
        self._made += memoryview(self._body)[self._copied_to : position]
        return self._made


class _Sink(Protocol):
    """Takes one vector in pieces, in the form in which it comes. Raises ApiError (502)."""

    def add(self, piece: bytes) -> None: ...

    def end(self) -> None: ...


class _NumbersChecker:
    def add(self, piece: bytes) -> None:
        _read_numbers(piece)

    def end(self) -> None:
        """Each piece had a number, so that there is nothing left to check."""


class _Base64Checker:
    def __init__(self) -> None:
        self._characters = 0

    def add(self, piece: bytes) -> None:
        self._characters += len(piece.rstrip(b"="))

    def end(self) -> None:
        if self._characters * 3 // 4 % _FLOAT_BYTES:
            raise bad_answer(_NO_FLOATS)


class _Base64Writer:
    def __init__(self, made: bytearray) -> None:
        made += b'"'
        self._made = made
        self._rest = b""

    def add(self, piece: bytes) -> None:
        try:
            floats = array("f", _read_numbers(piece))
        except OverflowError:
            raise bad_answer(_NO_FLOATS) from None
        if not all(map(math.isfinite, floats)):
            raise bad_answer(_NO_FLOATS)
        found = self._rest + _little_endian(floats).tobytes()
        whole = len(found) // _WHOLE_IN_BASE64 * _WHOLE_IN_BASE64
        self._made += base64.b64encode(found[:whole])
        _check_size(self._made)
        self._rest = found[whole:]

    def end(self) -> None:
        self._made += base64.b64encode(self._rest) + b'"'


class _NumbersWriter:
    def __init__(self, made: bytearray) -> None:
        made += b"["
        self._made = made
        self._rest = b""
        self._separator = b""

    def add(self, piece: bytes) -> None:
        found = self._rest + base64.b64decode(piece)
        whole = len(found) // _FLOAT_BYTES * _FLOAT_BYTES
        self._rest = found[whole:]
        if not whole:
            return
        floats = array("f")
        floats.frombytes(found[:whole])
        numbers = _little_endian(floats).tolist()
        if not all(map(math.isfinite, numbers)):
            raise bad_answer(_NO_FLOATS)
        self._made += self._separator + msgspec.json.encode(numbers)[1:-1]
        _check_size(self._made)
        self._separator = b","

    def end(self) -> None:
        if self._rest:
            raise bad_answer(_NO_FLOATS)
        self._made += b"]"


def _check_size(made: bytearray) -> None:
    """Raises ApiError (502) for an answer that grows too much while it is converted."""
    if len(made) > _LARGEST:
        raise bad_gateway(
            f"The answer is larger than {_LARGEST:,} bytes once its embeddings are converted. Send"
            " fewer inputs in one call.",
            ErrorCode.ANSWER_TOO_LARGE,
            retry=False,
        )


def _read_numbers(piece: bytes) -> list[float]:
    try:
        numbers = _numbers.decode(piece)
    except DECODE_ERRORS as error:
        raise bad_answer(f"it has an embedding that is not a list of numbers ({error})") from None
    if not numbers:
        raise bad_answer("it has an embedding without a number")
    return numbers


def _little_endian(floats: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        floats.byteswap()
    return floats
