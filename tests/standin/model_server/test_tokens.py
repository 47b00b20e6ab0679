"""The stand-in's tokens."""

from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.standin.model_server.tokens import cut, split


@given(st.text())
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(split(text)) == text
    assert all(split(text))


@given(st.text(), st.integers(0, 50))
def test_cut_tokens_join_to_the_beginning_of_the_text(text: str, length: int) -> None:
    assert "".join(cut(split(text), length)) == text[:length]


def test_tokens_are_small() -> None:
    assert split("You said: extraordinary 日本語!") == [
        *("You", " said", ":", " extrao", "rdinar", "y", " 日本語", "!")
    ]
