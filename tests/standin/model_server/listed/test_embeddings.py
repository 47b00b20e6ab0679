"""Embeddings: equal for equal texts, near for texts that share words, in every form."""

import base64
import json
import math
from array import array
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.standin.model_server.listed.embeddings import DIMENSIONS, vector

from ...conftest import CONFIG, Vast

PATH = "/v1/embeddings"
LIBRARY = [
    "The river floods the valley in spring.",
    "A sourdough bread needs flour, water and salt.",
    "Trains to the coast leave every hour.",
    "The library lends books for four weeks.",
]
TEXTS = st.text(st.characters(codec="utf-8"))


def near(one: "array[float]", other: "array[float]") -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def asked(able: Vast, **fields: Any) -> Any:
    response, data = await able.post(fields, PATH)
    assert response.status == 200, data
    return json.loads(data)


async def refused(able: Vast, **fields: Any) -> Any:
    response, data = await able.post(fields, PATH)
    assert response.status == 400, data
    return json.loads(data)["error"]


@given(TEXTS, st.integers(1, DIMENSIONS))
def test_a_vector_has_the_wanted_size_and_the_length_one(text: str, dimensions: int) -> None:
    values = vector(text, dimensions)
    assert len(values) == dimensions
    assert math.isclose(math.hypot(*values), 1, abs_tol=1e-5)
    assert vector(text, dimensions) == values


@given(TEXTS, TEXTS)
def test_different_texts_have_different_vectors(one: str, other: str) -> None:
    assert (vector(one, DIMENSIONS) == vector(other, DIMENSIONS)) == (one == other)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("When does the river flood the valley?", 0),
        ("How much flour and salt does bread need?", 1),
        ("Which trains go to the coast?", 2),
        ("For how many weeks does the library lend books?", 3),
    ],
)
def test_a_search_finds_the_text_that_shares_words(question: str, found: int) -> None:
    asked = vector(question, DIMENSIONS)
    nearness = [near(asked, vector(text, DIMENSIONS)) for text in LIBRARY]
    assert nearness.index(max(nearness)) == found


async def test_a_search_finds_tokens_that_are_shared(able: Vast) -> None:
    answer = await asked(able, input=[[5, 6, 7], [1, 2, 3, 4], [6, 7, 8, 9]])
    question, *found = (array("f", each["embedding"]) for each in answer["data"])
    nearness = [near(question, each) for each in found]
    assert nearness[1] > nearness[0] + 0.3


async def test_the_answer_has_vllms_shape(able: Vast) -> None:
    answer = await asked(able, model="stand-in", input="hello there")
    (item,) = answer.pop("data")
    assert (item["index"], item["object"]) == (0, "embedding")
    assert item["embedding"] == vector("hello there", DIMENSIONS).tolist()
    assert answer.pop("id").startswith("embd-")
    assert answer.pop("created")
    assert answer == {
        "object": "list",
        "model": "stand-in",
        "usage": {
            "prompt_tokens": 2,
            "total_tokens": 2,
            "completion_tokens": 0,
            "prompt_tokens_details": None,
        },
    }


async def test_both_encodings_hold_the_same_numbers(able: Vast) -> None:
    floats = (await asked(able, input=LIBRARY))["data"]
    encoded = (await asked(able, input=LIBRARY, encoding_format="base64"))["data"]
    for one, other in zip(floats, encoded, strict=True):
        assert array("f", base64.b64decode(other["embedding"])).tolist() == one["embedding"]
    assert [each["index"] for each in encoded] == [0, 1, 2, 3]


async def test_the_openai_package_reads_it(able: Vast) -> None:
    async with openai.AsyncOpenAI(base_url=f"{able.url}/v1", api_key="any") as client:
        answer = await client.embeddings.create(model="", input=LIBRARY, dimensions=32)
    assert [item.embedding for item in answer.data] == [
        vector(text, 32).tolist() for text in LIBRARY
    ]


async def test_tokens_are_embedded_like_texts(able: Vast) -> None:
    one = await asked(able, input=[17, 4])
    many = await asked(able, input=[[17, 4], [4]])
    assert many["data"][0] == one["data"][0]
    assert many["data"][1]["embedding"] != one["data"][0]["embedding"]
    assert (one["usage"]["total_tokens"], many["usage"]["total_tokens"]) == (2, 3)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "body.input"),
        ({"input": []}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": ["a", None]}, "input"),
        ({"input": 7}, "body.input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": DIMENSIONS + 1}, "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, "body.encoding_format"),
        ({"input": "a " * CONFIG.context}, "input_tokens"),
    ],
)
async def test_what_is_refused(able: Vast, fields: dict[str, Any], param: str) -> None:
    assert (await refused(able, **fields))["param"] == param


async def test_another_model_is_unknown(able: Vast) -> None:
    response, data = await able.post({"model": "other", "input": "a"}, PATH)
    assert (response.status, json.loads(data)["error"]["param"]) == (404, "model")


async def test_instructions_are_followed(able: Vast) -> None:
    told = {"status": 503, "body": "later"}
    response, data = await able.post({"input": "a", "standin": told}, PATH)
    assert (response.status, data) == (503, b"later")
    error = await refused(able, input="a", standin={"fault": "stall"})
    assert error["param"] == "standin.fault"
