"""Rerank and score: what is read of a call, and what the app gets of an answer."""

import json
from typing import Any

import pytest

from vast_intercept.listed_operations.pairs import RerankCall, ScoreCall, read_rerank, read_score
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.usage import Usage

from ..openai_api.test_outline import in_steps
from .reading_calls import BOTH_WAYS, LONGEST_STEP, answer, read, refusal, sent


@pytest.mark.parametrize("outlined", BOTH_WAYS)
@pytest.mark.parametrize(
    ("reader", "members"),
    [
        (read_rerank, b'"query":"q", "documents": ["\\u00e9", {"text":"d"}] , "top_n":1'),
        (read_score, b'"text_1":"q", "text_2" : ["a","b"]'),
    ],
)
def test_everything_but_the_model_is_sent_as_it_came(
    reader: Any, members: bytes, outlined: bool
) -> None:
    body = b'{ "model" : "bge-reranker", %b, "x":[1,2,3,4]}\n' % members
    call = read(reader, body, outlined=outlined)
    assert sent(call) == body.replace(b'"bge-reranker"', b'""')
    assert (call.model, call.left_out) == ("bge-reranker", ())


@pytest.mark.parametrize("outlined", BOTH_WAYS)
def test_a_member_that_the_worker_would_take_for_the_call_is_left_out(outlined: bool) -> None:
    body = {"query": "q", "input": {"query": "another"}, "documents": ["d"]}
    call = read(read_rerank, body, outlined=outlined)
    assert json.loads(sent(call)) == {"query": "q", "documents": ["d"]}
    assert call.left_out == ("input",)
    scored = read(read_score, {"data_1": "q", "data_2": "d", "input": 1}, outlined=outlined)
    assert json.loads(sent(scored)) == {"data_1": "q", "data_2": "d"}


COUNTED = {
    "documents": (read_rerank, {"query": "ab", "documents": ["c", "de"]}, 2, 5),
    "one document": (read_rerank, {"query": "ab", "documents": "c"}, 1, 3),
    "objects, whose texts only the model knows": (
        read_rerank,
        {"query": "ab", "documents": [{"text": "c"}]},
        1,
        2,
    ),
    "one with many": (read_score, {"queries": "ab", "documents": ["c"] * 3}, 3, 5),
    "one by one": (read_score, {"text_1": ["ab", "c"], "text_2": ["d", "e"]}, 2, 5),
}


@pytest.mark.parametrize("outlined", BOTH_WAYS)
@pytest.mark.parametrize(
    ("reader", "body", "pairs", "characters"), COUNTED.values(), ids=COUNTED.keys()
)
def test_pairs_and_characters_are_counted(
    reader: Any, body: Any, pairs: int, characters: int, outlined: bool
) -> None:
    amounts = read(reader, body, outlined=outlined).amounts
    assert (amounts.texts, amounts.characters) == (pairs, characters)


MISSING, TYPE, VALUE = "missing_required_parameter", "invalid_type", "invalid_value"
REFUSED = {
    "no query": (read_rerank, {"documents": ["d"]}, (MISSING, "query")),
    "no documents": (read_rerank, {"query": "q"}, (MISSING, "documents")),
    "documents that are null": (
        read_rerank,
        {"query": "q", "documents": None},
        (MISSING, "documents"),
    ),
    "an empty list": (read_rerank, {"query": "q", "documents": []}, (VALUE, "documents")),
    "queries": (read_rerank, {"query": ["q"], "documents": ["d"]}, (TYPE, "query")),
    "a document that is a number": (
        read_rerank,
        {"query": "q", "documents": ["d", 1]},
        (TYPE, "documents[1]"),
    ),
    "nothing to score": (read_score, {}, (MISSING, "queries")),
    "no text_2": (read_score, {"text_1": "q"}, (MISSING, "text_2")),
    "no text_1": (read_score, {"text_2": "q"}, (MISSING, "text_1")),
    "no data_2": (read_score, {"data_1": "q"}, (MISSING, "data_2")),
    "no items": (read_score, {"queries": "q", "text_2": "d"}, (MISSING, "documents")),
    "a number": (read_score, {"text_1": 1, "text_2": "d"}, (TYPE, "text_1")),
    "an empty list of texts": (read_score, {"text_1": "q", "text_2": []}, (VALUE, "text_2")),
}


@pytest.mark.parametrize(("reader", "body", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_compared_is_refused(reader: Any, body: Any, error: tuple[str, str]) -> None:
    assert refusal(reader, body) == error


def rerank(documents: Any) -> RerankCall:
    return read(read_rerank, {"query": "q", "documents": documents}, outlined=False)


def score(left: Any, right: Any) -> ScoreCall:
    return read(read_score, {"text_1": left, "text_2": right}, outlined=False)


def reranked(*indices: Any) -> dict[str, Any]:
    results = [{"index": index, "relevance_score": 0.5} for index in indices]
    return {"id": "x", "model": "bge", "usage": {"total_tokens": 9}, "results": results}


def scored(count: int) -> dict[str, Any]:
    data = [{"index": index, "object": "score", "score": 0.5} for index in range(count)]
    return {"model": "bge", "data": data, "usage": {"prompt_tokens": 9, "total_tokens": 9}}


ANSWERS = {
    "all documents": (rerank(["a", "b"]), reranked(1, 0)),
    "the best": (rerank(["a", "b"]), reranked(1)),
    "those of an object": (rerank({"content": []}), reranked(4, 2, 5)),
    "a score for each": (score("a", ["b", "c"]), scored(2)),
    "a score for each two": (score(["a", "b"], ["b", "c"]), scored(2)),
    "scores for an object": (score({"content": []}, "c"), scored(5)),
}


@pytest.mark.parametrize(("call", "body"), ANSWERS.values(), ids=ANSWERS.keys())
def test_the_answer_is_as_it_came(call: Any, body: Any) -> None:
    came = json.dumps(body).encode()
    made = answer(call, came)
    assert made.body is came
    assert (made.model, made.usage) == ("bge", Usage(9, 0))


NO_ANSWERS = {
    "another document": (rerank(["a", "b"]), reranked(2)),
    "one before the first": (rerank(["a", "b"]), reranked(-1)),
    "more documents": (rerank(["a", "b"]), reranked(0, 1, 0)),
    "no number": (rerank(["a"]), reranked("x")),
    "no results": (rerank(["a"]), {}),
    "no relevance": (rerank(["a"]), {"results": [{"index": 0}]}),
    "fewer scores than pairs": (score("a", ["b", "c"]), scored(1)),
    "more scores than pairs": (score(["a", "b"], ["b", "c"]), scored(4)),
    "no score": (score("a", "b"), {"data": [{"score": None}]}),
    "no JSON": (score("a", "b"), b"<html>"),
}


@pytest.mark.parametrize(("call", "body"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_an_answer_without_what_was_asked_for_is_a_502(call: Any, body: Any) -> None:
    with pytest.raises(ApiError) as caught:
        answer(call, body)
    assert (caught.value.status, caught.value.code) == (502, "bad_upstream_answer")


MIB = 1024 * 1024
LARGE = {
    "long documents": (10, b"x" * MIB, True),
    "many short ones, which are not read": (30_000, b"x" * 200, False),
}


@pytest.mark.parametrize(("count", "text", "is_read"), LARGE.values(), ids=LARGE.keys())
def test_a_large_answer_is_checked_in_short_steps(count: int, text: bytes, is_read: bool) -> None:
    result = b'{"index":0,"relevance_score":0.25,"document":{"text":"%b"}}' % text
    body = b'{"results":[%b],"usage":{"total_tokens":3}}' % b",".join([result] * count)
    made, longest = in_steps(rerank(["a"] * count).answer(body))
    assert made.body is body
    assert made.usage == (Usage(3, 0) if is_read else None)
    assert longest < LONGEST_STEP
