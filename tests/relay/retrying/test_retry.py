"""Back-off, Retry-After and the retry budget."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vast_intercept.relay.retrying.retry import RetryBudget, backoff, parse_retry_after

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 0.5), (2, 1), (3, 2), (4, 4), (5, 5), (6, 5), (10_000, 5)]
)
def test_the_back_off_doubles_up_to_a_limit_and_is_jittered(failures: int, longest: float) -> None:
    assert backoff(failures, lambda: 1.0) == longest
    assert backoff(failures, lambda: 0.5) == longest / 2
    assert backoff(failures, lambda: 0.0) == 0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 7 ", 7),
        ("86400", 86_400),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30),
        ("Monday, 23-Nov-26 12:00:30 GMT", 30),  # RFC 850, which RFC 9110 still wants understood
        ("Mon Nov 23 12:00:30 2026", 30),  # asctime
        ("Tue, 24 Nov 2026 12:00:00 GMT", 86_400),
        ("Sun, 22 Nov 2026 12:00:00 GMT", 0),  # past
        ("soon", None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("١٢", None),
        ("9" * 400, 999_999_999_999),
        ("Mon, 99 Nov 2026 99:00:30 GMT", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        ("Mon, 01 Jan 0001 00:00:00 +2300", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


PARTS_OF_DATES = (
    *("Mon", "Mon,", "Jan", "1-Jan-24", "01", "31", "99", "0001", "2024", "9999"),
    *("00:00:00", "23:59:60", "1.2.3", "24:", "GMT", "EST", "Z", "+0000", "-2359", "+9999"),
    *("+" + 20 * "9", "-1", "+", "-", ":", ",", ".", "(", ")"),
)
DATES = st.lists(st.sampled_from(PARTS_OF_DATES) | st.integers().map(str), max_size=9).map(" ".join)


@given(st.text() | DATES)
@settings(max_examples=1_000)
@example("1" * 5_000 + " Jan 2024 00:00:00 GMT")
def test_retry_after_may_be_anything(value: str) -> None:
    parsed = parse_retry_after(value, NOW)
    assert parsed is None or parsed >= 0


def test_the_budget_saves_up_retries_and_then_paces_them() -> None:
    budget = RetryBudget(per_second=10, saved=3)
    dues = [budget.take(100.0, 200.0) for _ in range(6)]
    assert dues == pytest.approx([100, 100, 100, 100.1, 100.2, 100.3])


def test_the_budget_fills_up_again_but_not_beyond_its_size() -> None:
    budget = RetryBudget(per_second=10, saved=3)
    for _ in range(5):
        budget.take(100.0, 200.0)
    assert [budget.take(1_000.0, 2_000.0) for _ in range(4)] == pytest.approx(
        [1_000, 1_000, 1_000, 1_000.1]
    )


def test_a_retry_that_would_be_too_late_takes_nothing_from_the_budget() -> None:
    budget = RetryBudget(per_second=1, saved=1)
    assert budget.take(0.0, 10.0) == 0
    assert [budget.take(0.0, 0.5) for _ in range(100)] == [None] * 100
    assert budget.take(0.0, 10.0) == pytest.approx(1)


@given(st.lists(st.floats(0, 10), max_size=200))
def test_in_no_second_are_there_more_retries_than_the_budget_has(pauses: list[float]) -> None:
    budget = RetryBudget(per_second=10, saved=20)
    now = 0.0
    dues = []
    for pause in pauses:
        now += pause
        due = budget.take(now, float("inf"))
        assert due is not None
        assert due >= now
        dues.append(due)
    for first, due in enumerate(dues):
        within = sum(1 for each in dues[first:] if each < due + 1)
        assert within <= 20 + 10 + 1
