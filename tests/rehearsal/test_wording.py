"""Numbers as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.rehearsal.wording import duration, in_dollars, percent


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "not known"), (0, "$0.00"), (0.0000012, "$0.0000012"), (0.0423, "$0.0423"),
     (0.5, "$0.50"), (0.9949, "$0.995"), (1, "$1.00"), (12345.678, "$12,345.68")],
)  # fmt: skip
def test_dollars_in_words(value: float | None, expected: str) -> None:
    assert in_dollars(value) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0, "0 %"), (1, "100 %"), (0.99999, "99.9 %"), (0.00001, "0.1 %"), (0.5, "50 %"),
     (0.0512, "5.1 %"), (0.993, "99.3 %")],
)  # fmt: skip
def test_shares_in_words(share: float, expected: str) -> None:
    assert percent(share) == expected


@given(st.floats(0, 1e12, allow_nan=False))
def test_amounts_are_shown_close_to_what_they_are(amount: float) -> None:
    shown = in_dollars(amount)
    if shown.startswith("less"):
        assert amount < 1e-10
    else:
        assert math.isclose(
            float(shown[1:].replace(",", "")), amount, rel_tol=0.006, abs_tol=0.0006
        )


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 1 s"), (86_400, "24 h 0 min 0 s")],
)
def test_durations_in_words(value: float, expected: str) -> None:
    assert duration(value) == expected
