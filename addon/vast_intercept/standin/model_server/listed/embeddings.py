"""`POST embeddings`: vectors of texts, with those near each other that share words.

Looked up in vLLM's public code, not recorded: the shape of the answer with its `usage`, base64 as
the little-endian bytes of 32-bit floats, and the refusal of too many `dimensions`.
"""

import base64
import math
import re
from array import array
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from ...mischief.exchange import ModelAnswer
from ...mischief.instructions import Instructions
from .. import refusals
from ..model_requests import AnyRequest, read_request
from ..tokens import count_tokens
from ..vllm_answers import CREATED, Label, Object

DIMENSIONS = 384

_WORD = re.compile(r"\w+|[^\w\s]")
# Each word adds to so many places of a vector, and the text as a whole to as many, but less.
_PLACES = 8
_OF_THE_WHOLE = 0.1


class EmbeddingRequest(AnyRequest, frozen=True, kw_only=True):
    """The fields of a request that change its answer."""

    input: str | list[Any]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None

    @property
    def texts(self) -> list[str]:
        """The texts to embed. A token is a word: its number. Raises Refusal."""
        match self.input:
            case str(text):
                return [text]
            case [] | [[], *_]:
                raise refusals.bad_request("The input must not be empty.", "input")
            case [int(), *_] as tokens:
                return [_words_of(tokens)]
            case list(inputs):
                return [
                    _words_of(each) if isinstance(each, list) else _text(each) for each in inputs
                ]

    def check(self, label: Label) -> None:
        """Raises Refusal if the model does not serve the request."""
        self.check_model(label.model)
        if self.dimensions is not None and not 1 <= self.dimensions <= DIMENSIONS:
            message = f"dimensions must be at least 1 and at most {DIMENSIONS}."
            raise refusals.bad_parameter(message, "dimensions", self.dimensions)
        if any(count_tokens(text) > label.context for text in self.texts):
            raise refusals.prompt_too_long(label.context)


def embed(body: bytes, label: Label) -> tuple[ModelAnswer, Instructions]:
    """Answers a request, and returns what it asks of the stand-in besides. Raises Refusal."""
    request = read_request(EmbeddingRequest, body)
    request.check(label)
    texts = request.texts
    vectors = [vector(text, request.dimensions or DIMENSIONS) for text in texts]
    data: list[Object] = [
        {
            "index": index,
            "object": "embedding",
            "embedding": _base64(each) if request.encoding_format == "base64" else each.tolist(),
        }
        for index, each in enumerate(vectors)
    ]
    answer: Object = {
        "id": f"embd-{label.id}",
        "object": "list",
        "created": CREATED,
        "model": label.model,
        "data": data,
        "usage": usage(texts),
    }
    return ModelAnswer([msgspec.json.encode(answer)]), request.told


def vector(text: str, dimensions: int) -> "array[float]":
    """The embedding of a text: a vector of length 1, in 32-bit floats.

    It is a sum over the text's words, each counted once, so that texts that share words are near
    each other, and over the text as a whole, so that different texts differ.
    """
    values = [0.0] * dimensions
    for word in set(words(text)):
        _add(values, word, 1)
    _add(values, f"the whole: {text}", _OF_THE_WHOLE)
    length = math.hypot(*values)
    if not length:  # with few dimensions the words may cancel each other
        values[0] = length = 1
    return array("f", (value / length for value in values))


def words(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return _WORD.findall(text.lower())


def usage(texts: list[str]) -> Object:
    """The `usage` of an answer that generates nothing."""
    tokens = sum(map(count_tokens, texts))
    return {
        "prompt_tokens": tokens,
        "total_tokens": tokens,
        "completion_tokens": 0,
        "prompt_tokens_details": None,
    }


def _add(values: list[float], word: str, weight: float) -> None:
    digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4 * _PLACES).digest()
    for place in array("I", digest):
        values[(place >> 1) % len(values)] += weight if place & 1 else -weight


def _base64(values: "array[float]") -> str:
    return base64.b64encode(values.tobytes()).decode()


def _text(value: object) -> str:
    if not isinstance(value, str):
        message = "The input must be a text, a list of texts, or tokens."
        raise refusals.bad_request(message, "input")
    return value


def _words_of(tokens: list[Any]) -> str:
    return " ".join(map(str, tokens))
