"""Reasoning that an app carries: packed, handed back, and told from what others made."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.bridges.responses.reasoning import decode, encode


@given(st.text())
def test_what_was_packed_comes_back(text: str) -> None:
    content = encode(text)
    assert decode(content) == text.encode(errors="replace").decode()
    assert content.isascii()


@given(st.text() | st.text("abcXYZ019-_=+/ ").map("vi1_".__add__))
def test_any_text_may_come_back(text: str) -> None:
    assert decode(text) is None or text.startswith("vi1_")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "gAAAAABmU3QK",
        "vi1_",
        "vi1_a",
        "vi1_ä",
        "vi1_!!!!",
        "vi1_" + base64.b64encode(b"\xff\xfe").decode(),
        " " + encode("hm"),
    ],
)
def test_what_was_not_packed_here_is_no_reasoning(content: str) -> None:
    assert not decode(content)
