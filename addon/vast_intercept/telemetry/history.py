"""Counts the calls of the last quarter of an hour, for the dashboard's charts."""

import math
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from .report import CallReport

#: The length of an interval, in seconds, and how many there are: a quarter of an hour.
INTERVAL = 10
INTERVALS = 90

# Of an interval's times to the first token, at most so many are kept, chosen at random.
_SAMPLES = 500


class Charts(msgspec.Struct, frozen=True):
    """A number for each interval of `seconds`, the oldest first. The last one is not over."""

    seconds: int
    calls: list[int]
    errors: list[int]
    ttft_p50: list[float | None]
    ttft_p95: list[float | None]
    tokens_per_second: list[float]


@dataclass(slots=True)
class _Interval:
    number: int
    calls: int = 0
    errors: int = 0
    tokens: float = 0.0
    first_tokens: list[float] = field(default_factory=list)
    streams: int = 0


class History:
    """Counts reports in intervals. `clock` gives seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._intervals: deque[_Interval] = deque(maxlen=INTERVALS)

    def add(self, report: CallReport) -> None:
        """Counts a call that has ended."""
        now = self._clock()
        interval = self._advance(now)
        interval.calls += 1
        interval.errors += report.is_error
        first_token = report.time_to_first_token
        if first_token is not None:
            interval.streams += 1
            if len(interval.first_tokens) < _SAMPLES:
                interval.first_tokens.append(first_token)
            elif (place := random.randrange(interval.streams)) < _SAMPLES:  # noqa: S311
                interval.first_tokens[place] = first_token
        if report.tokens:
            self._spread(report.tokens, now, report.generating or 0.0)

    def charts(self) -> Charts:
        """The charts up to now."""
        self._advance(self._clock())
        intervals = self._intervals
        return Charts(
            seconds=INTERVAL,
            calls=[interval.calls for interval in intervals],
            errors=[interval.errors for interval in intervals],
            ttft_p50=[percentile(interval.first_tokens, 50) for interval in intervals],
            ttft_p95=[percentile(interval.first_tokens, 95) for interval in intervals],
            tokens_per_second=[round(interval.tokens / INTERVAL, 2) for interval in intervals],
        )

    def _advance(self, now: float) -> _Interval:
        """Begins the intervals that are due by now, and returns the present one."""
        number = int(now // INTERVAL)
        first = number - INTERVALS + 1  # also of a new history: its first call began before it
        if self._intervals:
            first = max(first, self._intervals[-1].number + 1)
        for new in range(first, number + 1):
            self._intervals.append(_Interval(new))
        return self._intervals[-1]

    def _spread(self, tokens: int, end: float, generating: float) -> None:
        """Spreads tokens evenly over the intervals in which they came."""
        start = end - generating
        generating = end - start  # as exact as floating point has the other two
        for interval in reversed(self._intervals):
            begins = interval.number * INTERVAL
            overlap = min(end, begins + INTERVAL) - max(start, begins)
            if generating <= 0 or overlap >= generating:
                interval.tokens += tokens
                return
            if overlap > 0:
                interval.tokens += tokens * overlap / generating
            if begins <= start:
                return


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The p-th percentile of the values (nearest rank). None if there are no values."""
    if not values:
        return None
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]
