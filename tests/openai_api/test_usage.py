"""How many tokens an answer says that it took."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api.usage import (
    Usage,
    model_of,
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


@given(st.binary())
def test_never_fails(data: bytes) -> None:
    usage_of(data)
    model_of(data)
