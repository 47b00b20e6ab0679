"""Calls of `embeddings`: the texts, and for each of them its vector in short.

https://platform.openai.com/docs/api-reference/embeddings
"""

import base64
import binascii
import struct
from collections.abc import Iterator
from typing import Any

import msgspec

from ....openai_api.members import DECODE_ERRORS
from ..layout import block, compact, paragraphs, typed
from ..parameters import head_of
from ..rendering import Circumstances, facts_text
from ..transcript import texts_of
from .entries import MOST_SHOWN, at, beginning_of, bounded, number_of, tokens_of

_DEFAULTS = {"encoding_format": "float"}
_NUMBERS = 5  # of each vector
_START = 256  # bytes of a vector in which its first numbers are looked for
# What an answer may hold so that it is read within milliseconds. Numbers are not decoded.
_MOST_BYTES = 8 * 1024 * 1024
_MOST_OBJECTS = 20_000


class Vector(msgspec.Struct):
    """One entry of an answer. Its numbers are not decoded."""

    embedding: msgspec.Raw = msgspec.Raw(b"null")
    index: Any = None


class Embeddings(msgspec.Struct):
    """An answer with embeddings."""

    data: list[Vector]
    model: Any = None
    usage: Any = None


_answer = msgspec.json.Decoder(Embeddings)


def request_text(request: dict[str, Any]) -> str:
    """The request: its parameters and its texts."""
    inputs = request.get("input")
    head = head_of(request, elsewhere={"input"}, defaults=_DEFAULTS)
    if isinstance(inputs, list) and not all(type(each) is int for each in inputs):
        shown = (block(f"input {n}", beginning_of(each)) for n, each in enumerate(inputs))
        return paragraphs([head, *bounded(shown, len(inputs))])
    return paragraphs([head, *texts_of("input", inputs)])


def answer_text(body: bytes, request: dict[str, Any], about: Circumstances) -> str | None:
    """The answer: its vectors, beside the texts of the request. None if it is something else."""
    if len(body) > _MOST_BYTES or body.count(b"{") > _MOST_OBJECTS:
        return None
    answer = read_embeddings(body)
    if answer is None:
        return None
    inputs = request.get("input")
    inputs = inputs if isinstance(inputs, list) and type(at(inputs, 0)) is not int else [inputs]
    facts = facts_text(about, typed(answer.model, str), tokens=tokens_of(answer.usage))
    return paragraphs([*bounded(_vectors(answer, inputs), len(answer.data)), facts])


def read_embeddings(body: bytes) -> Embeddings | None:
    """Reads an answer with embeddings. None if it is something else."""
    try:
        return _answer.decode(body)
    except DECODE_ERRORS:
        return None


def _vectors(answer: Embeddings, inputs: list[Any]) -> Iterator[str]:
    for position, each in enumerate(answer.data[:MOST_SHOWN]):
        stated = type(each.index) is int and number_of(each.index) is not None
        index = each.index if stated else position
        text = at(inputs, index)
        head = f"{index}: {vector_text(bytes(each.embedding))}"
        yield block(head, beginning_of(text) if text is not None else "")


def length_of_vector(vector: bytes) -> int:
    """How many numbers a vector has, by the commas or the length of its text."""
    if vector.startswith(b'"'):
        return len(vector.strip(b'"').rstrip(b"=")) * 3 // 4 // 4
    return vector.count(b",") + 1 if vector.strip(b"[ \t\r\n]") else 0


def vector_text(vector: bytes) -> str:
    """A vector as its length and first numbers, from a list of numbers or base64 in JSON."""
    if vector.startswith(b'"'):
        return _of_base64(vector)
    if not vector.startswith(b"[") or vector[1:_START].lstrip().startswith((b"[", b"{", b'"')):
        return _something_else(vector)
    count = length_of_vector(vector)
    start = vector[:_START]
    if len(vector) > _START:
        start = start[: start.rfind(b",")] + b"]"
    try:
        numbers = msgspec.json.decode(start)
    except DECODE_ERRORS:
        return _something_else(vector)
    if any(number_of(each) is None for each in numbers):
        return _something_else(vector)
    return _in_words(count, numbers[:_NUMBERS])


def _of_base64(vector: bytes) -> str:
    """Little-endian numbers of four bytes each, which OpenAI's SDKs ask for by default."""
    text = vector.strip(b'"')
    try:
        start = base64.b64decode(text[: 4 * _NUMBERS * 2], validate=True)
    except (binascii.Error, ValueError):
        return f"a text of {len(text):,} characters that is no base64"
    numbers = struct.unpack(f"<{len(start) // 4}f", start[: len(start) // 4 * 4])
    return _in_words(length_of_vector(vector), list(numbers[:_NUMBERS])) + ", in base64"


def _in_words(count: int, numbers: list[Any]) -> str:
    shown = ", ".join(f"{each:.4g}" for each in numbers)
    more = ", …" if count > len(numbers) else ""
    return f"{count:,} number{'' if count == 1 else 's'}{': ' if shown else ''}{shown}{more}"


def _something_else(value: bytes) -> str:
    return compact(value[:_START].decode(errors="replace"))
