"""The last quarter of an hour in intervals, with a clock that a test turns."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.telemetry.history import INTERVAL, INTERVALS, Charts, History, percentile
from vast_intercept.telemetry.report import CallReport, Ending

SPAN = INTERVAL * INTERVALS


class Clock:
    now = 50_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def history(clock: Clock) -> History:
    return History(clock)


def report(
    outcome: Ending = Ending.OK,
    *,
    ttft: float | None = None,
    tokens: int | None = None,
    generating: float | None = None,
) -> CallReport:
    return CallReport(
        request_id="r",
        time=0.0,
        outcome=outcome,
        time_to_first_token=ttft,
        tokens=tokens,
        generating=generating,
    )


def all_tokens(charts: Charts) -> float:
    return sum(charts.tokens_per_second) * INTERVAL


def test_nothing_yet(history: History) -> None:
    charts = history.charts()
    assert charts.seconds == INTERVAL
    assert charts.calls == charts.errors == [0] * INTERVALS
    assert charts.ttft_p50 == charts.ttft_p95 == [None] * INTERVALS
    assert charts.tokens_per_second == [0.0] * INTERVALS


def test_calls_are_counted_where_they_end(history: History, clock: Clock) -> None:
    history.add(report())
    history.add(report(Ending.FAILED))
    clock.now += INTERVAL
    history.add(report(Ending.BROKEN_OFF))
    history.add(report(Ending.REFUSED))
    history.add(report(Ending.CANCELLED))
    charts = history.charts()
    assert charts.calls[-2:] == [2, 3]
    assert charts.errors[-2:] == [1, 1]
    assert sum(charts.calls) == 5


def test_the_last_interval_goes_on_until_its_end(history: History, clock: Clock) -> None:
    history.add(report())
    clock.now += INTERVAL - 0.001
    history.add(report())
    assert history.charts().calls[-1] == 2
    clock.now += 0.001
    assert history.charts().calls[-2:] == [2, 0]


@pytest.mark.parametrize("intervals", [1, 2, INTERVALS - 1])
def test_a_gap_has_intervals_of_its_own(history: History, clock: Clock, intervals: int) -> None:
    history.add(report(ttft=1.0))
    clock.now += intervals * INTERVAL
    history.add(report())
    charts = history.charts()
    assert charts.calls[-1 - intervals] == charts.calls[-1] == 1
    assert sum(charts.calls) == 2
    assert charts.ttft_p50[-1 - intervals] == 1.0


@pytest.mark.parametrize("seconds", [SPAN, 10 * SPAN, 1e9], ids=["just", "more", "decades"])
def test_what_is_too_old_is_forgotten(history: History, clock: Clock, seconds: float) -> None:
    history.add(report(ttft=1.0, tokens=10))
    clock.now += seconds
    charts = history.charts()
    assert charts.calls == [0] * INTERVALS
    assert charts.ttft_p95 == [None] * INTERVALS
    assert all_tokens(charts) == 0
    history.add(report())
    assert history.charts().calls[-1] == 1


def test_tokens_of_a_whole_answer_come_at_its_end(history: History) -> None:
    history.add(report(tokens=25))
    assert history.charts().tokens_per_second[-1] == 2.5


def test_tokens_of_a_stream_are_spread_over_its_time(history: History, clock: Clock) -> None:
    history.add(report())
    clock.now += 2.5 * INTERVAL
    history.add(report(tokens=100, generating=2.5 * INTERVAL))
    assert history.charts().tokens_per_second[-3:] == [4.0, 4.0, 2.0]


def test_tokens_of_the_very_first_call_are_spread_as_well(history: History, clock: Clock) -> None:
    clock.now += 0.5 * INTERVAL
    history.add(report(tokens=100, generating=2.5 * INTERVAL))
    assert history.charts().tokens_per_second[-3:] == [4.0, 4.0, 2.0]


def test_what_came_before_the_first_interval_is_not_counted(history: History, clock: Clock) -> None:
    history.add(report())
    clock.now += SPAN - INTERVAL
    history.add(report(tokens=2 * SPAN, generating=2.0 * SPAN))
    assert all_tokens(history.charts()) == pytest.approx(SPAN - INTERVAL, abs=INTERVAL)


def test_times_to_the_first_token(history: History, clock: Clock) -> None:
    for hundredths in range(1, 101):
        history.add(report(ttft=hundredths / 100))
    clock.now += INTERVAL
    history.add(report())
    charts = history.charts()
    assert charts.ttft_p50[-2:] == [0.5, None]
    assert charts.ttft_p95[-2:] == [0.95, None]


def test_of_very_many_times_a_fair_share_is_kept(history: History) -> None:
    """First 10,000 fast ones, then 10,000 slow ones: the sample must not be all fast."""
    for ttft in (1.0, 2.0):
        for _ in range(10_000):
            history.add(report(ttft=ttft))
    (interval,) = [each for each in history._intervals if each.calls]
    assert len(interval.first_tokens) <= 1_000
    assert 0.4 < interval.first_tokens.count(1.0) / len(interval.first_tokens) < 0.6


pauses = st.floats(0, 3 * INTERVAL) | st.floats(0, 2 * SPAN)


@given(
    start=st.floats(0, 1e6),
    calls=st.lists(st.tuples(pauses, st.integers(0, 10_000), st.floats(0, SPAN / 2)), max_size=30),
)
def test_tokens_sum_up(start: float, calls: list[tuple[float, int, float]]) -> None:
    """Whatever is within the quarter of an hour is counted once, and nothing else is."""
    clock = Clock()
    clock.now = start
    history = History(clock)
    lasted = []
    for pause, tokens, generating in calls:
        clock.now += pause
        history.add(report(tokens=tokens, generating=generating))
        lasted.append((clock.now, tokens, generating))
    charts = history.charts()
    oldest = (int(clock.now // INTERVAL) - INTERVALS + 1) * INTERVAL
    expected = 0.0
    for end, tokens, generating in lasted:
        if generating > 0:
            expected += tokens * max(min((end - oldest) / generating, 1.0), 0.0)
        elif end >= oldest:
            expected += tokens
    assert all_tokens(charts) == pytest.approx(expected, abs=0.005 * SPAN + 1e-6 * expected)
    assert sum(charts.calls) == sum(end >= oldest for end, _, _ in lasted)


@given(st.lists(st.tuples(pauses, st.floats(0, 100)), max_size=50))
def test_charts_are_always_of_one_length(calls: list[tuple[float, float]]) -> None:
    clock = Clock()
    history = History(clock)
    for pause, ttft in calls:
        clock.now += pause
        history.add(report(ttft=ttft))
        charts = history.charts()
        for numbers in (
            *(charts.calls, charts.errors, charts.ttft_p50, charts.ttft_p95),
            charts.tokens_per_second,
        ):
            assert len(numbers) == INTERVALS
        assert charts.calls[-1] >= 1
        assert charts.ttft_p50[-1] is not None


# --- percentile ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([3.0], 50, 3.0),
        ([3.0], 0, 3.0),
        ([3.0], 100, 3.0),
        ([2.0, 1.0], 50, 1.0),
        ([2.0, 1.0], 51, 2.0),
        ([4.0, 1.0, 3.0, 2.0], 75, 3.0),
        ([1.0] * 19 + [9.0], 95, 1.0),
        ([1.0] * 18 + [9.0] * 2, 95, 9.0),
    ],
    ids=str,
)
def test_percentile(values: list[float], percent: float, expected: float | None) -> None:
    assert percentile(values, percent) == expected


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.floats(0, 100))
def test_so_many_percent_are_not_above_it(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    not_above = sum(value <= found for value in values)
    assert not_above >= math.floor(len(values) * percent / 100)
    below = sum(value < found for value in values)
    assert below <= math.ceil(len(values) * percent / 100)
