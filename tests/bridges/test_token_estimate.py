"""The estimate of tokens: what grows it, and that nothing breaks it."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.bridges.token_estimate import estimate_tokens


def chat(*texts: str, **more: object) -> bytes:
    messages = [{"role": "user", "content": text} for text in texts]
    return msgspec.json.encode({"model": "", "messages": messages, **more})


def test_an_estimate_is_near_what_tokenizers_say_of_english() -> None:
    # 12 tokens by OpenAI's o200k_base, and what a chat template adds.
    assert 10 <= estimate_tokens(chat("The quick brown fox jumps over the lazy dog.")) <= 22


def test_what_the_model_does_not_see_is_not_counted() -> None:
    assert estimate_tokens(chat("a", metadata="x" * 1000)) == estimate_tokens(chat("a"))


@given(st.lists(st.text(min_size=1), min_size=1), st.text())
def test_more_text_and_more_tools_are_never_fewer_tokens(texts: list[str], tool: str) -> None:
    few, more = estimate_tokens(chat(*texts[:-1])), estimate_tokens(chat(*texts))
    assert 0 < few < more
    assert estimate_tokens(chat(*texts, tools=[tool])) > more


@given(st.binary() | st.builds(msgspec.json.encode, st.dictionaries(st.text(), st.integers())))
def test_anything_has_an_estimate(body: bytes) -> None:
    assert estimate_tokens(body) >= 0
