"""Embeddings: texts, or tokens, become vectors.

https://platform.openai.com/docs/api-reference/embeddings/create. SDKs ask for base64 unless the app
asks for numbers, and decode it themselves (FACTS C43). A model server that only knows numbers gives
these instead, so the answer is converted to what was asked for.
"""

from dataclasses import dataclass

import msgspec

from ..openai_api.amounts import Amounts
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import bad_request
from ..openai_api.members import DECODE_ERRORS, NULL
from ..openai_api.outline import Buffer, Outline
from ..openai_api.reading import decode, invalid_type
from ..openai_api.usage import read_usage
from .costs import CHARACTERS_OF_TOKEN, embeddings_cost
from .json_body import JsonBody, read_json_body
from .json_call import JsonCall
from .listed_call import JSON, ListedAnswer, Steps
from .long_members import LongMember, bad_answer
from .vectors import Vectors

_FORMATS = ("float", "base64")

# How much of a long list of tokens is looked at, in bytes, to estimate how many tokens it has.
_SAMPLE = 4096

_KINDS = "must be all texts, all tokens (whole numbers), or all lists of tokens"

_input = msgspec.json.Decoder(str | list[str | int | list[int]])
_EMBEDDING = LongMember("embedding")


class _Entry(msgspec.Struct, gc=False):
    #: What the skeleton has in place of a vector.
    embedding: int


class _Answer(msgspec.Struct):
    data: list[_Entry]
    model: str | None = None
    usage: msgspec.Raw = NULL


_answer = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsCall(JsonCall):
    """A `ListedCall` whose answer has a vector for each text, as base64 or as numbers."""

    as_base64: bool

    def answer(self, body: Buffer) -> Steps[ListedAnswer]:
        """Makes the app's answer. Raises ApiError (502) for an answer without the vectors."""
        vectors = Vectors(body, as_base64=self.as_base64)
        skeleton = yield from _EMBEDDING.take_out(body, vectors.take)
        try:
            found = _answer.decode(skeleton)
        except DECODE_ERRORS as error:
            raise bad_answer(f"it is not one of embeddings ({error})") from None
        if len(found.data) != self.amounts.texts:
            raise bad_answer(
                f"it has {len(found.data):,} embeddings for {self.amounts.texts:,} inputs"
            )
        usage = read_usage(found.usage)
        return ListedAnswer(vectors.result(), JSON, usage=usage, model=found.model)


def read_embeddings(body: Buffer, made: Outline | None = None) -> EmbeddingsCall:
    """Reads the body of a call for embeddings. Raises ApiError (400) for what cannot be served.

    `made` is the outline of a large body. The number of characters is then an estimate.
    """
    read = read_json_body(body, made)
    texts, characters = _amounts(read)
    return EmbeddingsCall(
        model=read.text("model"),
        pieces=read.pieces(),
        cost=embeddings_cost(characters),
        amounts=Amounts(texts=texts, characters=characters),
        as_base64=read.choice("encoding_format", _FORMATS) == "base64",
    )


def _amounts(read: JsonBody) -> tuple[int, int]:
    """How many texts there are to embed, and how many characters they have."""
    found = decode(_input, read.required("input"), "input")
    if isinstance(found, str):
        return 1, read.characters("input", len(found))
    if not found:
        raise bad_request(
            "Invalid 'input': empty array. Expected at least one text, or one token.",
            ErrorCode.INVALID_VALUE,
            "input",
        )
    kind = type(found[0])
    for index, each in enumerate(found):
        if type(each) is not kind:
            raise invalid_type(f"input[{index}]", f"the entries of 'input' {_KINDS}")
    if kind is str:
        characters = sum(len(each) for each in found if isinstance(each, str))
        return len(found), read.characters("input", characters)
    lists = [each for each in found if isinstance(each, list)]
    tokens = sum(map(len, lists)) if lists else len(found)
    if omitted := read.omitted("input"):
        sample = bytes(read.whole("input")[:_SAMPLE])
        tokens += omitted * sample.count(b",") // len(sample)
    return len(lists) or 1, tokens * CHARACTERS_OF_TOKEN
