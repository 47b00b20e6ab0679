"""Rerank and score: by the words that two texts share."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.standin.model_server.listed.scoring import relevance

from ...conftest import Vast

RERANK, SCORE = "/v1/rerank", "/v1/score"
DOCUMENTS = ["Bread needs flour.", "The river floods the valley.", "A river."]
TEXTS = st.text(st.characters(codec="utf-8"))


async def asked(able: Vast, path: str, **fields: Any) -> Any:
    response, data = await able.post(fields, path)
    assert response.status == 200, data
    return json.loads(data)


@given(TEXTS, TEXTS)
def test_relevance_is_between_none_and_all(one: str, other: str) -> None:
    assert 0 <= relevance(one, other) == relevance(other, one) <= 1


async def test_documents_are_sorted_by_relevance(able: Vast) -> None:
    answer = await asked(able, RERANK, query="a river", documents=DOCUMENTS)
    assert list(answer) == ["id", "model", "usage", "results"]
    assert list(answer["usage"]) == ["prompt_tokens", "total_tokens"]
    results = answer["results"]
    assert [each["index"] for each in results] == [2, 1, 0]
    assert results[0]["document"] == {"text": "A river.", "multi_modal": None}
    scores = [each["relevance_score"] for each in results]
    assert scores == sorted(scores, reverse=True)


async def test_the_best_are_enough(able: Vast) -> None:
    answer = await asked(able, RERANK, query="a river", documents=DOCUMENTS, top_n=1)
    assert [each["index"] for each in answer["results"]] == [2]


async def test_a_document_may_have_parts(able: Vast) -> None:
    parts = [{"type": "text", "text": "river"}, {"type": "image_url", "image_url": {"url": "x"}}]
    documents = [{"content": parts}, {"content": None}]
    answer = await asked(able, RERANK, query="river", documents=documents)
    result, without = answer["results"]
    assert without["relevance_score"] == 0
    assert result["document"] == {"text": None, "multi_modal": parts}
    assert result["relevance_score"] == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("text_1", "text_2"), ("data_1", "data_2"), ("queries", "documents"), ("queries", "items")],
)
async def test_one_text_is_scored_with_many(able: Vast, one: str, other: str) -> None:
    answer = await asked(able, SCORE, **{one: "a river", other: DOCUMENTS})
    assert list(answer) == ["id", "object", "created", "model", "data", "usage"]
    expected = [relevance("a river", document) for document in DOCUMENTS]
    assert [each["score"] for each in answer["data"]] == expected
    assert answer["data"][1] == {"index": 1, "object": "score", "score": expected[1]}


async def test_two_lists_are_scored_in_step(able: Vast) -> None:
    answer = await asked(able, SCORE, text_1=DOCUMENTS, text_2=DOCUMENTS)
    assert [each["score"] for each in answer["data"]] == [1, 1, 1]


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        (RERANK, {"query": "x"}, "Field required"),
        (RERANK, {"query": 1, "documents": []}, "Expected"),
        (SCORE, {"text_1": ["a", "b"], "text_2": ["a", "b", "c"]}, "Input lengths must be"),
        (SCORE, {"text_1": "a"}, "At least one text"),
        (SCORE, {"text_1": [], "text_2": "a"}, "At least one text"),
    ],
)
async def test_what_is_refused(able: Vast, path: str, fields: dict[str, Any], message: str) -> None:
    response, data = await able.post(fields, path)
    assert response.status == 400
    assert message in json.loads(data)["error"]["message"]
