"""How fast both sides are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.rehearsal.calls import Answer
from vast_intercept.rehearsal.report.speed import Distribution, Pace, Speed, pace_of


@pytest.mark.parametrize(
    ("answer", "tokens", "expected"),
    [
        (None, 7, Pace()),
        (Answer(status=500, duration=1.0), 7, Pace()),
        (Answer(status=200, duration=1.0, whole=False), 7, Pace()),
        (Answer(status=200, duration=2.0), 10, Pace(tokens_per_second=5.0, total=2.0)),
        (Answer(status=200, duration=2.0), None, Pace(total=2.0)),
        (
            Answer(status=200, duration=2.0, time_to_first_token=0.5),
            10,
            Pace(time_to_first_token=0.5, tokens_per_second=6.0, total=2.0),
        ),
        # One token, or all of them at once, say nothing about how fast tokens come.
        (
            Answer(status=200, duration=2.0, time_to_first_token=0.5),
            1,
            Pace(time_to_first_token=0.5, total=2.0),
        ),
        (
            Answer(status=200, duration=2.0, time_to_first_token=2.0),
            10,
            Pace(time_to_first_token=2.0, total=2.0),
        ),
    ],
)
def test_the_pace_of_an_answer(answer: Answer | None, tokens: int | None, expected: Pace) -> None:
    assert pace_of(answer, tokens) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_are_values_in_order(values: list[float]) -> None:
    distribution = Distribution()
    for value in values:
        distribution.add(value)
    percentiles = distribution.percentiles()
    assert len(percentiles) == 101
    assert percentiles == sorted(percentiles)
    assert set(percentiles) <= set(values)
    assert (percentiles[0], percentiles[100]) == (min(values), max(values))
    # At least half of the values are not above the median, and not below it.
    assert sum(value <= percentiles[50] for value in values) * 2 >= len(values)
    assert sum(value >= percentiles[50] for value in values) * 2 >= len(values)


def test_nothing_has_no_percentiles() -> None:
    distribution = Distribution()
    distribution.add(None)
    assert distribution.percentiles() == []


def test_pairs_count_where_both_sides_are_known() -> None:
    speed = Speed()
    speed.add(Pace(total=2.0, tokens_per_second=10.0), [Pace(total=1.0), Pace(total=3.0), Pace()])
    speed.add(Pace(), [Pace(total=1.0, tokens_per_second=9.0)])
    speed.add(Pace(tokens_per_second=10.0), [Pace(tokens_per_second=11.0)])
    total, rate = speed.total, speed.tokens_per_second
    assert (total.pairs, total.vast_better) == (2, 1)
    assert (rate.pairs, rate.vast_better) == (1, 1)
    assert list(total.provider.values) == [2.0]
    assert list(total.vast.values) == [1.0, 3.0, 1.0]


def test_waits_for_workers_are_counted() -> None:
    speed = Speed()
    for seconds in (0.0, 2.0, 1.0):
        speed.add_wait(seconds)
    assert (speed.waited, speed.longest_wait) == (2, 2.0)
