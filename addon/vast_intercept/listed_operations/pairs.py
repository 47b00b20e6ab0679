"""Pairs of texts: documents in the order of how well they fit a query, and scores of texts.

OpenAI has neither. `rerank` is Cohere's and Jina's, which vLLM serves in the same form; `score` is
vLLM's own. https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from ..openai_api.amounts import Amounts
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import bad_request
from ..openai_api.members import DECODE_ERRORS, NULL, UnreadObject
from ..openai_api.outline import (
    Buffer,
    NotJsonError,
    Outline,
    TooMuchStructureError,
    needs_outline,
    outline,
)
from ..openai_api.reading import decode, missing
from ..openai_api.usage import read_usage
from .costs import CHARACTERS_OF_OTHER, pairs_cost
from .json_body import JsonBody, read_json_body
from .json_call import JsonCall
from .listed_call import JSON, ListedAnswer, Steps
from .long_members import bad_answer

# What is compared with what, in each of vLLM's forms of a score.
_SCORED = (
    ("queries", ("documents", "items")),
    ("text_1", ("text_2",)),
    ("data_1", ("data_2",)),
)

_one = msgspec.json.Decoder(str | UnreadObject)
_one_or_many = msgspec.json.Decoder(str | UnreadObject | list[str | UnreadObject])


class _Result(msgspec.Struct, gc=False):
    index: Annotated[int, msgspec.Meta(ge=0)]
    relevance_score: float


class _Reranked(msgspec.Struct):
    results: list[_Result]
    model: str | None = None
    usage: msgspec.Raw = NULL


class _Score(msgspec.Struct, gc=False):
    score: float


class _Scored(msgspec.Struct):
    data: list[_Score]
    model: str | None = None
    usage: msgspec.Raw = NULL


_reranked = msgspec.json.Decoder(_Reranked)
_scored = msgspec.json.Decoder(_Scored)


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankCall(JsonCall):
    """A `ListedCall` whose answer has a number of the documents, each with its relevance."""

    #: How many documents there are; None if only the model server can tell.
    documents: int | None

    def answer(self, body: Buffer) -> Steps[ListedAnswer]:
        """Returns the answer as it came. Raises ApiError (502) if it has no such documents."""
        found = yield from _read_answer(body, _reranked)
        if found is None:
            return ListedAnswer(body, JSON)
        most = self.documents
        if most is not None and (
            len(found.results) > most or any(each.index >= most for each in found.results)
        ):
            raise bad_answer(f"it names other documents than the {most:,} of the call")
        return ListedAnswer(body, JSON, usage=read_usage(found.usage), model=found.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCall(JsonCall):
    """A `ListedCall` whose answer has a score for each pair of texts."""

    #: How many pairs there are; None if only the model server can tell.
    pairs: int | None

    def answer(self, body: Buffer) -> Steps[ListedAnswer]:
        """Returns the answer as it came. Raises ApiError (502) if it has not a score for each."""
        found = yield from _read_answer(body, _scored)
        if found is None:
            return ListedAnswer(body, JSON)
        if self.pairs is not None and len(found.data) != self.pairs:
            raise bad_answer(f"it has {len(found.data):,} scores for {self.pairs:,} pairs")
        return ListedAnswer(body, JSON, usage=read_usage(found.usage), model=found.model)


def read_rerank(body: Buffer, made: Outline | None = None) -> RerankCall:
    """Reads the body of a call that reranks. Raises ApiError (400) for what cannot be served.

    `made` is the outline of a large body. The number of characters is then an estimate.
    """
    read = read_json_body(body, made)
    decode(_one, read.required("query"), "query")
    query, documents = _read_side(read, "query"), _read_side(read, "documents")
    return RerankCall(
        model=read.text("model"),
        pieces=read.pieces(left_out=read.reserved),
        cost=pairs_cost(query.lengths, documents.lengths),
        amounts=_amounts(query, documents),
        left_out=read.reserved,
        documents=documents.count,
    )


def read_score(body: Buffer, made: Outline | None = None) -> ScoreCall:
    """Reads the body of a call for scores. Raises ApiError (400) for what cannot be served.

    `made` is the outline of a large body. The number of characters is then an estimate.
    """
    read = read_json_body(body, made)
    left, right = (_read_side(read, name) for name in _scored_members(read))
    return ScoreCall(
        model=read.text("model"),
        pieces=read.pieces(left_out=read.reserved),
        cost=pairs_cost(left.lengths, right.lengths),
        amounts=_amounts(left, right),
        left_out=read.reserved,
        pairs=None if left.count is None else right.count,
    )


def _scored_members(read: JsonBody) -> tuple[str, str]:
    """The names of the two members that are compared."""
    for left, rights in _SCORED:
        right = next((name for name in rights if read.is_there(name)), None)
        if read.is_there(left):
            if right is None:
                raise missing(rights[0])
            return left, right
        if right is not None:
            raise missing(left)
    raise missing(_SCORED[0][0])


@dataclass(frozen=True, slots=True)
class _Side:
    """What is compared on one side: how many characters each has, as the worker counts them."""

    lengths: Sequence[float]
    #: How many there are; None for an object, which may hold several.
    count: int | None
    characters: int


def _read_side(read: JsonBody, name: str) -> _Side:
    found = decode(_one_or_many, read.required(name), name)
    if found == []:
        raise bad_request(
            f"Invalid {name!r}: empty array. Expected at least one text.",
            ErrorCode.INVALID_VALUE,
            name,
        )
    entries = found if isinstance(found, list) else [found]
    counted = sum(len(each) for each in entries if isinstance(each, str))
    characters = read.characters(name, counted)
    scale = characters / counted if counted else 1.0
    lengths = [
        len(each) * scale if isinstance(each, str) else CHARACTERS_OF_OTHER for each in entries
    ]
    return _Side(lengths, None if isinstance(found, UnreadObject) else len(entries), characters)


def _amounts(left: _Side, right: _Side) -> Amounts:
    pairs = max(len(left.lengths), len(right.lengths))
    return Amounts(texts=pairs, characters=left.characters + right.characters)


def _read_answer[T](body: Buffer, decoder: msgspec.json.Decoder[T]) -> Steps[T | None]:
    """Reads an answer; None for one that has so much in it that it would take long to read.

    Raises ApiError (502) for what is not such an answer.
    """
    try:
        text = (yield from outline(body)).text if needs_outline(body) else body
        return decoder.decode(text)
    except TooMuchStructureError:
        if body[:1] != b"{" or body[-1:] != b"}":
            raise bad_answer("it is not a JSON object") from None
        return None
    except (NotJsonError, *DECODE_ERRORS) as error:
        raise bad_answer(str(error)) from None
