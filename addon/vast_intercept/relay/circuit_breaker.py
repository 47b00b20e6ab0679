"""A circuit breaker: leaves an endpoint alone that keeps failing, and tries it now and then.

https://martinfowler.com/bliki/CircuitBreaker.html
"""

import time
from collections.abc import Callable
from enum import StrEnum

# It opens after so many failures in a row, if the row is as long as this, in seconds: calls that
# come together and fail together say less than some that fail one after the other.
_FAILURES = 10
_FAILING_FOR = 10.0

# How long it stays open, in seconds: at first, and at most. A probe that fails doubles it.
_OPEN_FOR = 10.0
_LONGEST_OPEN = 60.0


class State(StrEnum):
    """closed lets everything through, open nothing, half-open one call at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitOpen(Exception):  # noqa: N818  (the call was not even tried)
    """Not now. `retry_after` is in how many seconds it may be tried again."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class CircuitBreaker:
    """Who was admitted reports what became of it: `succeeded`, `failed`, or `left` for neither."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._failing_since = 0.0
        self._open_for = 0.0  # 0 while it is closed
        self._probe_at = 0.0
        self._probing = False

    @property
    def state(self) -> State:
        """What it does with the next call."""
        if not self._open_for:
            return State.CLOSED
        return State.HALF_OPEN if self._clock() >= self._probe_at else State.OPEN

    def admit(self) -> bool:
        """Whether the call is a probe. Raises CircuitOpen if it is not let through."""
        if not self._open_for:
            return False
        wait = self._probe_at - self._clock()
        if wait > 0 or self._probing:
            raise CircuitOpen(max(wait, 1.0))
        self._probing = True
        return True

    def succeeded(self) -> None:
        """It answers: all is well."""
        self._failures = 0
        self._open_for = 0.0
        self._probing = False

    def failed(self, *, probe: bool) -> None:
        """It failed once more."""
        now = self._clock()
        if probe:
            self._probing = False
            self._open(now, min(self._open_for * 2, _LONGEST_OPEN))
            return
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        if (
            not self._open_for
            and self._failures >= _FAILURES
            and now - self._failing_since >= _FAILING_FOR
        ):
            self._open(now, _OPEN_FOR)

    def left(self, *, probe: bool) -> None:
        """The call ended without a word on how the endpoint is: the next one may be the probe."""
        if probe:
            self._probing = False

    def _open(self, now: float, seconds: float) -> None:
        self._open_for = seconds
        self._probe_at = now + seconds
