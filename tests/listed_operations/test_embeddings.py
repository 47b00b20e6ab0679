"""Embeddings: what is read of a call, and what the app gets of an answer."""

import base64
import contextlib
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.listed_operations import long_members, vectors
from vast_intercept.listed_operations.embeddings import EmbeddingsCall, read_embeddings
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.usage import Usage

from ..openai_api.test_outline import in_steps
from .reading_calls import BOTH_WAYS, LONGEST_STEP, answer, read, refusal, sent


def call(inputs: int = 1, wanted: str | None = None) -> EmbeddingsCall:
    body = {"input": ["x"] * inputs} | ({"encoding_format": wanted} if wanted else {})
    return read(read_embeddings, body, outlined=False)


def packed(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def embeddings(*vectors: Any) -> dict[str, Any]:
    entries = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return {"object": "list", "data": entries, "model": "bge-m3", "usage": usage}


# The request.


@pytest.mark.parametrize("outlined", BOTH_WAYS)
def test_everything_but_the_model_is_sent_as_it_came(outlined: bool) -> None:
    body = (
        b'\n{ "input" : ["h\\u00e9 \\/", "\xc3\xa9"],"model": "text-embedding-3-small" ,'
        b'"encoding_format":"base64", "dimensions": 5.12e2, "x": [1, 2, 3, 4], "user":null} '
    )
    made = read(read_embeddings, body, outlined=outlined)
    assert sent(made) == body.replace(b'"text-embedding-3-small"', b'""')
    assert made.model == "text-embedding-3-small"
    assert made.for_server() is None


COUNTED = {
    "a text": ("é\n", 1, 2),
    "an empty text, which is for the model to judge": ("", 1, 0),
    "texts": (["ab", "", "c"], 3, 3),
    "tokens": ([1, 2, 3], 1, 12),
    "lists of tokens": ([[1, 2], [], [3]], 3, 12),
}


@pytest.mark.parametrize("outlined", BOTH_WAYS)
@pytest.mark.parametrize(("texts", "count", "characters"), COUNTED.values(), ids=COUNTED.keys())
def test_texts_and_characters_are_counted(
    texts: Any, count: int, characters: int, outlined: bool
) -> None:
    amounts = read(read_embeddings, {"input": texts}, outlined=outlined).amounts
    assert (amounts.texts, amounts.characters) == (count, characters)


REFUSED = {
    "nothing": ({}, ("missing_required_parameter", "input")),
    "null": ({"input": None}, ("missing_required_parameter", "input")),
    "a number": ({"input": 3}, ("invalid_type", "input")),
    "an object, which the worker would take for the call": (
        {"input": {"input": "x"}},
        ("invalid_type", "input"),
    ),
    "no text": ({"input": []}, ("invalid_value", "input")),
    "a null among texts": ({"input": ["x", None]}, ("invalid_type", "input[1]")),
    "a text among tokens": ({"input": [1, "x"]}, ("invalid_type", "input[1]")),
    "tokens among texts": ({"input": ["x", [1]]}, ("invalid_type", "input[1]")),
    "a fraction": ({"input": [[1], [2, 0.5]]}, ("invalid_type", "input[1][1]")),
    "a flag": ({"input": [True]}, ("invalid_type", "input[0]")),
    "too deep": ({"input": [[[1]]]}, ("invalid_type", "input[0][0]")),
    "another encoding": (
        {"input": "x", "encoding_format": "hex"},
        ("invalid_value", "encoding_format"),
    ),
    "an encoding that is no text": (
        {"input": "x", "encoding_format": 1},
        ("invalid_type", "encoding_format"),
    ),
    "a model that is no text": ({"input": "x", "model": 1}, ("invalid_type", "model")),
    "no object": ([], ("invalid_json", None)),
}


@pytest.mark.parametrize(("body", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_embedded_is_refused(body: Any, error: tuple[str, str | None]) -> None:
    assert refusal(read_embeddings, body) == error


# The answer.


@pytest.mark.parametrize("wanted", [None, "float", "base64"])
@pytest.mark.parametrize("given_as", ["float", "base64"])
def test_the_answer_has_the_vectors_as_the_app_asked_for(wanted: str | None, given_as: str) -> None:
    vectors = [[0.5, -1.25, 3.0], [1e-3, 0.0, 7e8]]
    rounded = [list(struct.unpack("<3f", struct.pack("<3f", *each))) for each in vectors]
    as_texts = [packed(each) for each in vectors]
    came = embeddings(*(rounded if given_as == "float" else as_texts))
    made = answer(call(2, wanted), came)
    due = embeddings(*(as_texts if wanted == "base64" else rounded))
    assert json.loads(made.body) == due
    assert (made.model, made.usage) == ("bge-m3", Usage(7, 0))
    assert made.content_type == "application/json"


def test_everything_but_the_vectors_is_as_it_came() -> None:
    body = (
        b' {"x":"\\"embedding\\": [1]", "embedding" : null_, "data": [ {"embedding"\n:\t[ 1 , 2e0 ]'
        b',"index":0.0e1} ], "usage" :null}\n'
    ).replace(b"null_", b"[5]")
    made = bytes(answer(call(1, "base64"), body).body)
    due = body.replace(b"[ 1 , 2e0 ]", b'"%b"' % packed([1, 2]).encode())
    assert made == due.replace(b"[5]", b'"%b"' % packed([5]).encode())


def test_an_answer_that_is_right_is_not_copied() -> None:
    body = json.dumps(embeddings([1.0])).encode()
    assert answer(call(1, "float"), body).body is body


def test_base64_with_escaped_slashes_is_read() -> None:
    numbers = [struct.unpack("<f", b"\xff\xff\x7f\x3f")[0]] * 3
    body = json.dumps(embeddings(packed(numbers))).replace("/", "\\/").encode()
    assert b"\\/" in body
    assert json.loads(answer(call(1, "float"), body).body) == embeddings(numbers)
    assert answer(call(1, "base64"), body).body == body


NO_ANSWERS = {
    "no data": {"object": "list"},
    "data that is no list": {"data": 3},
    "data without vectors": {"data": [{}]},
    "fewer vectors than inputs": embeddings(),
    "more vectors than inputs": embeddings([1.0], [2.0]),
    "null": embeddings(None),
    "a vector without numbers": embeddings([]),
    "texts": embeddings(["x"]),
    "lists": embeddings([[1.0]]),
    "no base64": embeddings("no base64!"),
    "an empty text": embeddings(""),
    "base64 that is cut": embeddings(packed([1.0])[:-3]),
    "base64 without its padding": embeddings(packed([1.0]).rstrip("=")),
    "base64 of half a number": embeddings(base64.b64encode(b"abcdef").decode()),
    "a vector that is not a number": embeddings(3),
    "cut": b'{"data":[{"embedding":[1.0,',
    "cut in base64": b'{"data":[{"embedding":"AAAA',
    "cut behind the name": b'{"data":[{"embedding":',
    "numbers that are none": b'{"data":[{"embedding":[1.0,+2]}]}',
    "a comma too many": b'{"data":[{"embedding":[1.0,]}]}',
    "NaN, which Python writes": b'{"data":[{"embedding":[NaN]}]}',
    "no UTF-8": b'{"data":[{"x":"\xff","embedding":[1]}]}',
    "no JSON": b"<html>",
    "an open text": b'{"data":[{"x":"',
    "nothing": b"",
}


@pytest.mark.parametrize("wanted", ["float", "base64"])
@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_an_answer_without_the_vectors_is_a_502(body: Any, wanted: str) -> None:
    with pytest.raises(ApiError) as caught:
        answer(call(1, wanted), body)
    assert (caught.value.status, caught.value.code) == (502, "bad_upstream_answer")


@pytest.mark.parametrize(("number", "why"), [("1e39", "32-bit"), ("-1e999", "out of range")])
def test_a_number_that_is_no_32_bit_float_is_a_502(number: str, why: str) -> None:
    with pytest.raises(ApiError, match=why):
        answer(call(1, "base64"), b'{"data":[{"embedding":[%b]}]}' % number.encode())


def test_base64_of_no_number_is_a_502_where_numbers_are_due() -> None:
    infinite = base64.b64encode(struct.pack("<f", float("inf"))).decode()
    with pytest.raises(ApiError, match="32-bit"):
        answer(call(1, "float"), embeddings(infinite))


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    st.lists(st.lists(FLOATS, min_size=1, max_size=40), min_size=1, max_size=5),
    st.integers(16, 300),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.booleans(),
)
def test_no_step_is_seen_in_the_result(
    vectors: list[list[float]], step: int, indent: int | None, given_text: bool, wants_text: bool
) -> None:
    as_texts = [packed(each) for each in vectors]
    came = json.dumps(embeddings(*(as_texts if given_text else vectors)), indent=indent).encode()
    # A step takes whole names and short texts.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_members, "STEP", step + 64)
        made = answer(call(len(vectors), "base64" if wants_text else "float"), came)
    assert json.loads(made.body) == embeddings(*(as_texts if wants_text else vectors))


@given(st.binary(max_size=200), st.integers(0, 400), st.sampled_from(["float", "base64"]))
def test_what_comes_never_makes_it_fail(junk: bytes, place: int, wanted: str) -> None:
    body = json.dumps(embeddings([1.0, 2.0], packed([3.0]))).encode()
    with contextlib.suppress(ApiError):
        answer(call(2, wanted), body[:place] + junk + body[place + len(junk) :])


NUMBER = b"-0.012345678901234567,"
MIB = 1024 * 1024


@pytest.mark.parametrize("wanted", ["float", "base64"])
@pytest.mark.parametrize(
    "vectors",
    {
        "many": ([b"[" + NUMBER * 1535 + b"1]"] * 1500),
        "one": [b"[" + NUMBER * 2_000_000 + b"1]"],
        "short": [b"[1,2]"] * 20_000,
        "digits": [b"[" + b"1," * 2 * MIB + b"1]"],
        "texts": [b'"' + b"AACAPwAAgD8AAIA/" * 512 + b'"'] * 4_000,
    }.values(),
    ids=["many", "one", "short", "digits", "texts"],
)
def test_a_large_answer_is_read_in_short_steps(vectors: list[bytes], wanted: str) -> None:
    entries = b",".join(b'{"object":"embedding","embedding":%b}' % each for each in vectors)
    body = bytearray(b'{"data":[%b],"usage":{"prompt_tokens":3}}' % entries)
    asked = call(len(vectors), wanted)
    made, longest = in_steps(asked.answer(body))
    assert made.usage == Usage(3, 0)
    assert longest < LONGEST_STEP


@pytest.mark.parametrize(
    ("wanted", "vector"),
    [
        ("base64", b"[" + b"1," * 20_000 + b"1]"),
        ("float", b'"' + b"aaaa" * 10_000 + b'"'),
    ],
)
def test_an_answer_does_not_grow_without_limit(
    wanted: str, vector: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"data":[{"embedding":%b}]}' % vector
    assert answer(call(1, wanted), body).body
    monkeypatch.setattr(vectors, "_LARGEST", len(body) + 1_000)
    with pytest.raises(ApiError, match="once its embeddings are converted") as caught:
        answer(call(1, wanted), body)
    assert (caught.value.status, caught.value.code) == (502, "answer_too_large")
