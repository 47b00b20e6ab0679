"""Back-off and the retry budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.relay.retrying.retry import RetryBudget, backoff


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 0.5), (2, 1), (3, 2), (4, 4), (5, 5), (6, 5), (10_000, 5)]
)
def test_the_back_off_doubles_up_to_a_limit_and_is_jittered(failures: int, longest: float) -> None:
    assert backoff(failures, lambda: 1.0) == longest
    assert backoff(failures, lambda: 0.5) == longest / 2
    assert backoff(failures, lambda: 0.0) == 0


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
