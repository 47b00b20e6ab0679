"""The beginning of a prompt, from whatever an app sends."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api.prompt import beginning_of_prompt


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


CASES: dict[str, tuple[Any, str]] = {
    "one message": ({"messages": [user("hello")]}, "hello"),
    "what the user said last": (
        {
            "messages": [
                {"role": "system", "content": "be kind"},
                user("first"),
                {"role": "assistant", "content": "yes?"},
                user("second"),
                {"role": "tool", "content": "42"},
            ]
        },
        "second",
    ),
    "parts": (
        {"messages": [user([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}])]},
        "one two",
    ),
    "parts of other kinds": (
        {"messages": [user([{"type": "image_url", "image_url": {"url": "x"}}])]},
        "",
    ),
    "texts around an image": (
        {
            "messages": [
                user(
                    [
                        {"type": "text", "text": "a"},
                        {"type": "image_url", "image_url": {"url": "x"}},
                        {"type": "text", "text": "b"},
                    ]
                )
            ]
        },
        "a b",
    ),
    "no parts": ({"messages": [user([])]}, ""),
    "a message without content": ({"messages": [user("said"), user(None)]}, "said"),
    "nobody's": ({"messages": [{"content": "x"}]}, ""),
    "only a system's": ({"messages": [{"role": "system", "content": "x"}]}, ""),
    "no messages": ({"messages": []}, ""),
    "a text to complete": ({"prompt": "Once upon"}, "Once upon"),
    "several texts": ({"prompt": ["Once", "upon"]}, "Once"),
    "no texts": ({"prompt": []}, ""),
    "tokens": ({"prompt": [1, 2, 3]}, ""),
    "tokens of several": ({"prompt": [[1, 2], [3]]}, ""),
    "null": ({"prompt": None}, ""),
    "long": ({"prompt": "x" * 201}, "x" * 200),
    "long, in other letters": ({"messages": [user("ß🎉" * 200)]}, "ß🎉" * 100),
    "more than that": ({"messages": [user("hi")], "model": "m", "n": 3, "tools": [{}]}, "hi"),
    "another type": ({"messages": "hi"}, ""),
    "a number": (3, ""),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES.keys())
def test_beginning(body: Any, expected: str) -> None:
    assert beginning_of_prompt(json.dumps(body, ensure_ascii=False).encode()) == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"prompt": "\\ud800"}', b'{"messages":' + b"[" * 100_000],
    ids=["empty", "cut", "not utf-8", "half a surrogate", "deep"],
)
def test_what_is_no_prompt_has_no_beginning(body: bytes) -> None:
    assert beginning_of_prompt(body) == ""


@given(st.binary())
def test_never_fails(body: bytes) -> None:
    assert len(beginning_of_prompt(body)) <= 200


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_is_its_own_beginning(text: str) -> None:
    for body in ({"prompt": text}, {"messages": [user(text)]}):
        assert beginning_of_prompt(json.dumps(body).encode()) == text[:200]
