"""Keys and patterns of one's own, taken out of values."""

import signal
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.rehearsal import redaction as module
from vast_intercept.rehearsal.redaction import (
    PatternError,
    Redaction,
    TextTooLongError,
)
from vast_intercept.secret import Secret, Secrets

KEY = "sk-proj-0123456789abcdefghij"


def test_what_a_pattern_matches_is_replaced_in_every_text() -> None:
    redaction = Redaction([r"\b\d{3}-\d{4}\b", "(?i)zoe"])
    value = {"call 555-1234": ["Zoe: 555-1234!", 5551234, None, {"a": "zoe"}]}
    assert redaction.applied(value) == {
        "call [REDACTED]": ["[REDACTED]: [REDACTED]!", 5551234, None, {"a": "[REDACTED]"}]
    }


def test_keys_are_masked_without_a_pattern() -> None:
    keys = Secrets()
    keys.add(Secret("a-key-without-a-shape"))
    said = f"{KEY}, a-key-without-a-shape"
    assert Redaction(keys=keys).applied([said]) == ["***ghij, ***hape"]


def test_images_and_audio_stay_as_they_are() -> None:
    value = [
        {"url": "data:image/png;base64,+eyJhbGciOiJIUzI1NiIsInR5cCI"},
        {"data": "+eyJhbGciOiJIUzI1NiIsInR5cCI", "format": "wav"},
    ]
    assert Redaction(["eyJ"]).applied(value) == value
    assert Redaction().applied({"data": KEY}) == {"data": "***ghij"}


def test_a_match_of_nothing_replaces_nothing() -> None:
    assert Redaction([r"\b", r"x+"]).applied("ab xx") == "ab [REDACTED]"


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "is not a regular expression: missing"),
        ("a{2,1}", "is not a regular expression"),
        ("(?P<a>x)(?P<a>y)", "is not a regular expression"),
        ("x" * 1_001, "more than 1,000 characters"),
        ("a*", "matches nothing at all"),
        ("", "matches nothing at all"),
        ("(" * 500 + ")" * 500, "is not a regular expression"),
    ],
)
def test_a_pattern_that_cannot_be_used_says_why(pattern: str, problem: str) -> None:
    with pytest.raises(PatternError, match=problem):
        Redaction([pattern])


@pytest.mark.parametrize("pattern", ["(a+)+$", "(?:a|aa)+$", "(a|a)*b"])
def test_a_pattern_that_takes_very_long_is_stopped(
    monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.setattr(module, "TIME_LIMIT", 0.1)
    before = signal.getsignal(signal.SIGALRM)
    started = time.monotonic()
    with pytest.raises(PatternError, match="on one call"):
        Redaction([pattern]).applied(["a" * 100 + "!"])
    assert time.monotonic() - started < 5
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_very_long_texts_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TEXT", 10)
    with pytest.raises(TextTooLongError):
        Redaction(["x"]).applied(["a" * 11])
    assert Redaction().applied(["a" * 11]) == ["a" * 11]


_JSON = st.recursive(
    st.none() | st.booleans() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(_JSON)
def test_a_value_without_keys_and_matches_stays_as_it_is(value: object) -> None:
    assert Redaction([KEY]).applied(value) == value
