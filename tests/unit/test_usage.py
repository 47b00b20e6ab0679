"""How many tokens an answer says that it took."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api.usage import (
    Usage,
    model_at_start,
    model_of,
    usage_at_end,
    usage_of,
)

USAGE = '{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (USAGE, Usage(3, 4)),
        ('{"choices": []}', None),
        ('{"usage": null}', None),
        ('{"usage": {"prompt_tokens": "3"}}', None),
        ('{"usage": {"prompt_tokens": -5, "completion_tokens": 4}}', None),
        ('{"usage": {"prompt_tokens": 3, "completion_tokens": 1000000001}}', None),
        (f'{{"usage": {{"prompt_tokens": 3, "completion_tokens": 1{"0" * 400}}}}}', None),
        ("[]", None),
        ("", None),
    ],
)
def test_of_a_whole_answer(body: str, expected: Usage | None) -> None:
    assert usage_of(body.encode()) == expected


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (f"x\n\ndata: {USAGE}\n\ndata: [DONE]\n\n", Usage(3, 4)),
        (f"x\r\n\r\ndata: {USAGE}\r\n\r\ndata: [DONE]\r\n\r\n", Usage(3, 4)),
        ('x\n\ndata: {"choices":[]}\n\ndata: [DONE]\n\n', None),
        (f"{USAGE}\n\ndata: [DONE]\n\n", None),  # the rest of an event: it may be anything
        ("", None),
    ],
)
def test_at_the_end_of_a_stream(tail: str, expected: Usage | None) -> None:
    assert usage_at_end(tail.encode()) == expected


# vLLM sends `continuous_usage_stats` in each chunk if it is asked to.
RUNNING = '{"usage":{"prompt_tokens":3,"completion_tokens":1}}'


@pytest.mark.parametrize(
    "tail",
    [
        f"x\n\ndata: {RUNNING}\n\ndata: {USAGE}\n\ndata: [DONE]\n\n",
        f'x\n\ndata: {USAGE}\n\ndata: {{"usage":null}}\n\ndata: [DONE]\n\n',
        f"x\rdata:{USAGE}\r\rdata:[DONE]\r\r",
        f"x\n\ndata: {USAGE}",
    ],
    ids=["the last one", "not null", "other line ends", "no end"],
)
def test_of_several_the_last_counts(tail: str) -> None:
    assert usage_at_end(tail.encode()) == Usage(3, 4)


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (b'{"model": "Qwen/Qwen3-8B", "choices": []}', "Qwen/Qwen3-8B"),
        (b'{"model": ""}', ""),
        (b'{"model": null}', None),
        (b'{"model": 3}', None),
        (b"{}", None),
        (b"[]", None),
        (b"", None),
        (b'{"model": "\\ud800"}', None),
        (b'{"model": "\xff"}', None),
        (b'{"model": ' + b"[" * 100_000, None),
    ],
    ids=["model", "empty", "null", "number", "none", "list", "no", "surrogate", "latin", "deep"],
)
def test_model(body: bytes, model: str | None) -> None:
    assert model_of(body) == model
    assert model_at_start(b"data: " + body + b"\n\ndata: [DONE]\n\n") == model


@pytest.mark.parametrize(
    ("head", "model"),
    [
        (b'data: {"model": "m"}\n\ndata: {"model": "n"}\n\n', "m"),
        (b'data:{"model":"m"}\r\n\r\n', "m"),
        (b'data: {"model": "m"}', "m"),
        (b'data: {"mod', None),
        (b': a comment\n\ndata: {"model": "m"}\n\n', None),
        (b'{"model": "m"}', None),
        (b"data: [DONE]\n\n", None),
        (b"", None),
    ],
    ids=["first", "crlf", "no end", "cut", "comment", "no event", "done", "nothing"],
)
def test_model_of_a_stream(head: bytes, model: str | None) -> None:
    assert model_at_start(head) == model


@given(st.binary())
def test_never_fails(data: bytes) -> None:
    usage_of(data)
    usage_at_end(data)
    model_of(data)
    model_at_start(b"data:" + data)
    usage_at_end(b'data:"usage"\n' + data)
