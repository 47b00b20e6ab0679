"""How many tokens an answer says that it took."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api.usage import Usage, usage_at_end, usage_of

USAGE = '{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (USAGE, Usage(3, 4)),
        ('{"choices": []}', None),
        ('{"usage": null}', None),
        ('{"usage": {"prompt_tokens": "3"}}', None),
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


@given(st.binary())
def test_never_fails(data: bytes) -> None:
    usage_of(data)
    usage_at_end(data)


def test_total() -> None:
    assert Usage(3, 4).total == 7
