"""What came for a call of an operation beyond chat completions, in words. Pure.

The readers raise Problem for an answer that is none.
"""

import base64
from dataclasses import dataclass
from typing import Annotated

import msgspec

from ..openai_api.media import media_of
from .calling import LOOK
from .findings import Problem, one_line

_FLOAT_BYTES = 4  # "base64" is an array of 32-bit floats
_AUDIO = ("audio/", "application/octet-stream")


@dataclass(frozen=True, slots=True)
class Received:
    """An answer: its body, its media type, and the seconds until its first byte."""

    body: bytes
    content_type: str
    first: float


class _Embedding(msgspec.Struct):
    embedding: str | list[float]


class _Embeddings(msgspec.Struct):
    data: Annotated[list[_Embedding], msgspec.Meta(min_length=1)]


class _Ranked(msgspec.Struct):
    index: int
    relevance_score: float


class _Ranking(msgspec.Struct):
    results: Annotated[list[_Ranked], msgspec.Meta(min_length=1)]


class _Score(msgspec.Struct):
    score: float


class _Scores(msgspec.Struct):
    data: Annotated[list[_Score], msgspec.Meta(min_length=1)]


class _Transcript(msgspec.Struct):
    text: str


class _Image(msgspec.Struct):
    b64_json: str | None = None
    url: str | None = None


class _Images(msgspec.Struct):
    data: Annotated[list[_Image], msgspec.Meta(min_length=1)]


def read_embeddings(received: Received) -> str:
    """Such as `2 texts, 384 numbers each`."""
    found = _decoded(received, _Embeddings).data
    counts = {_numbers(each.embedding) for each in found}
    if len(counts) > 1 or 0 in counts:
        raise Problem(
            f"the embeddings have {sorted(counts)} numbers, instead of as many each", LOOK
        )
    texts = "1 text" if len(found) == 1 else f"{len(found)} texts"
    return f"{texts}, {counts.pop():,} numbers each"


def read_ranking(received: Received) -> str:
    """Such as `2 documents, number 1 is the nearest (0.98)`."""
    found = _decoded(received, _Ranking).results
    best = max(found, key=lambda each: each.relevance_score)
    nearest = f"number {best.index + 1} is the nearest ({best.relevance_score:.2f})"
    return f"{len(found)} documents, {nearest}"


def read_score(received: Received) -> str:
    """Such as `a score of 0.98`."""
    return f"a score of {_decoded(received, _Scores).data[0].score:.2f}"


def read_speech(received: Received) -> str:
    """Such as `12,044 bytes of audio/mpeg, the first after 80 ms`."""
    kind = one_line(received.content_type)
    if not received.body or not kind.startswith(_AUDIO):
        raise Problem(f"the answer is no audio, but {kind or 'untyped'}", LOOK)
    return f"{len(received.body):,} bytes of {kind}, the first after {received.first * 1000:.0f} ms"


def read_transcript(received: Received) -> str:
    """Such as `a second of audio, heard as 'you'`."""
    text = one_line(_decoded(received, _Transcript).text, 60)
    return f"a second of audio, heard as {text!r}"


def read_image(received: Received) -> str:
    """Such as `one image, 256 x 256 pixels, 1,234 bytes of PNG`."""
    first = _decoded(received, _Images).data[0]
    coded = first.b64_json or (first.url or "").partition(";base64,")[2]
    if not coded:
        raise Problem("the answer has neither an image nor a data URL", LOOK)
    file = _from_base64(coded)
    found = media_of(file)
    if found is None or found.kind != "image":
        raise Problem("what came as an image has none of the usual formats", LOOK)
    size = f"{found.width} x {found.height} pixels, " if found.width else ""
    return f"one image, {size}{len(file):,} bytes of {found.format}"


def _decoded[T](received: Received, form: type[T]) -> T:
    try:
        return msgspec.json.decode(received.body, type=form)
    except ValueError as error:
        raise Problem(f"the answer is not what was asked for: {error}", LOOK) from None


def _numbers(embedding: str | list[float]) -> int:
    if isinstance(embedding, list):
        return len(embedding)
    return len(_from_base64(embedding)) // _FLOAT_BYTES


def _from_base64(coded: str) -> bytes:
    try:
        return base64.b64decode(coded, validate=True)
    except ValueError:  # also if a character is not ASCII
        raise Problem("the answer has base64 that is none", LOOK) from None
