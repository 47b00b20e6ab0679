"""The cost of a call, as Vast's worker counts it."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.listed_operations.costs import images_cost
from vast_intercept.listed_operations.reading import read_json_call
from vast_intercept.openai_api.operations import Operation

from .reading_calls import BOTH_WAYS, read

EMBEDDINGS, RERANK, SCORE, IMAGES = (
    Operation.EMBEDDINGS,
    Operation.RERANK,
    Operation.SCORE,
    Operation.IMAGES_GENERATIONS,
)

# Worked out by hand from the worker's own numbers: 500 for 600 characters, for 16 pairs of 60 and
# 250 characters, and for an image of 1024 x 1024 pixels.
COSTS = {
    "a text": (EMBEDDINGS, {"input": "x" * 600}, 500.0),
    "characters, not bytes": (EMBEDDINGS, {"input": "é" * 300}, 250.0),
    "texts": (EMBEDDINGS, {"input": ["x" * 300, "y" * 150]}, 375.0),
    "tokens": (EMBEDDINGS, {"input": [100] * 75}, 250.0),
    "lists of tokens": (EMBEDDINGS, {"input": [[1] * 75, [2] * 75]}, 500.0),
    "next to nothing": (EMBEDDINGS, {"input": "x"}, 50.0),
    "a book": (EMBEDDINGS, {"input": "x" * 100_000}, 4000.0),
    "a query and documents": (RERANK, {"query": "q" * 60, "documents": ["d" * 250] * 8}, 250.0),
    "a document": (RERANK, {"query": "q" * 310, "documents": "d" * 310}, 62.5),
    "documents that are objects": (
        RERANK,
        {"query": "q" * 60, "documents": [{"text": "d"}] * 16},
        500.0,
    ),
    "a query that is an object": (RERANK, {"query": {}, "documents": ["d" * 60] * 16}, 500.0),
    "a text and others": (SCORE, {"text_1": "q" * 60, "text_2": ["d" * 250] * 16}, 500.0),
    "queries and items": (SCORE, {"queries": "q" * 60, "items": ["d" * 250] * 16}, 500.0),
    "texts one by one": (SCORE, {"data_1": ["q" * 60] * 8, "data_2": ["d" * 250] * 8}, 250.0),
    "an image": (IMAGES, {"prompt": "x"}, 500.0),
    "images": (IMAGES, {"prompt": "x", "n": 4}, 2000.0),
    "a small image": (IMAGES, {"prompt": "x", "size": "512x512"}, 125.0),
    "a wide one": (IMAGES, {"prompt": "x", "size": "2048X1024", "n": 2}, 2000.0),
    "as the model likes": (IMAGES, {"prompt": "x", "size": "auto"}, 500.0),
}


@pytest.mark.parametrize("outlined", BOTH_WAYS)
@pytest.mark.parametrize(("operation", "body", "cost"), COSTS.values(), ids=COSTS.keys())
def test_the_cost_is_what_the_worker_counts(
    operation: Operation, body: Any, cost: float, outlined: bool
) -> None:
    call = read(lambda *body: read_json_call(operation, *body), body, outlined=outlined)
    # Of a large body there is only an outline, and all of such are worth the most.
    assert call.cost == pytest.approx(cost, rel=0.1 if outlined else 1e-9)


HOSTILE = {
    "a side without an end": (("1e999x-5", 1), 50.0),
    "both": (("1e999x1e999", 1), 500.0),
    "no side": (("x", 1), 500.0),
    "a list of images": (("512x512", [1, 2]), 125.0),
    "an object": (({"x": 1}, {"x": 1}), 500.0),
    "very many": (("1024x1024", 10**400), 500.0),
    "more pixels than a number holds": (("1e300x1e300", 1), 4000.0),
    "of no image": (("1e300x1e300", 0), 50.0),
    "fewer than none": (("1024x1024", -3), 50.0),
    "no number": (("nanxnan", "nan"), 500.0),
    "a number as a text": (("1024x1024", "2"), 1000.0),
    "very long": (("1" * 10_000_000 + "x1", 1), 500.0),
    "nothing": ((None, None), 500.0),
}


@pytest.mark.parametrize(("values", "cost"), HOSTILE.values(), ids=HOSTILE.keys())
def test_no_value_makes_the_count_fail(values: tuple[Any, Any], cost: float) -> None:
    assert images_cost(*values) == cost


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("1e308x1e308"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON, JSON)
def test_the_cost_is_always_within_the_workers_bounds(size: Any, count: Any) -> None:
    assert 50.0 <= images_cost(size, count) <= 4000.0


@pytest.mark.parametrize("name", ["size", "n", "partial_images"])
def test_a_hostile_value_is_left_to_the_worker(name: str) -> None:
    body = {"prompt": "x", name: json.loads("[" * 500 + "]" * 500)}
    call = read(lambda *body: read_json_call(IMAGES, *body), body, outlined=False)
    assert math.isfinite(call.cost)


ESTIMATED = {
    "texts": (["word " * 4000] * 100, 2_000_000),
    "texts of other scripts": (["字" * 4000] * 100, 400_000),
    "tokens": ([50_000 + n for n in range(40_000)], 160_000),
    "lists of tokens": ([[10_000 + n for n in range(8000)]] * 20, 640_000),
    "one text": ("line\n" * 100_000, 500_000),
}


@pytest.mark.parametrize(("texts", "characters"), ESTIMATED.values(), ids=ESTIMATED.keys())
def test_characters_of_a_large_body_are_estimated(texts: Any, characters: int) -> None:
    body = json.dumps({"input": texts}, ensure_ascii=False).encode()
    call = read(lambda *body: read_json_call(EMBEDDINGS, *body), body, outlined=True)
    assert call.amounts.characters == pytest.approx(characters, rel=0.25)
    assert call.cost == 4000.0
