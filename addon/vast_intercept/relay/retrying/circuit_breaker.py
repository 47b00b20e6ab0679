"""A circuit breaker: leaves an endpoint alone that keeps failing, and tries it now and then.

https://martinfowler.com/bliki/CircuitBreaker.html
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum

# It opens once so many different calls have failed, if their failures span at least so many
# seconds: calls that come together and fail together say less than some that fail one by one.
_FAILING_CALLS = 3
_FAILING_FOR = 10.0
# Only what happened within so many seconds counts; and no more failing calls are remembered.
_WINDOW = 30.0
_MAX_REMEMBERED = 1_000

# How long it stays open, in seconds: at first, and at most. A probe that fails doubles it.
_OPEN_FOR = 10.0
_LONGEST_OPEN = 60.0


class CircuitState(StrEnum):
    """closed lets everything through, open nothing, half-open one call at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(eq=False)
class CircuitOpen(Exception):  # noqa: N818  (the call was not even tried)
    """Not now. `retry_after` is in how many seconds it may be tried again."""

    retry_after: float


@dataclass(slots=True)
class _Failing:
    """A call that fails: since when, when last, and whether the call itself may be why."""

    since: float
    last: float
    suspect: bool


class CircuitBreaker:
    """Counts calls, not attempts. Who was admitted reports `succeeded`, `failed`, or `left`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: By the call's name; the one that failed last comes last.
        self._failing: OrderedDict[Hashable, _Failing] = OrderedDict()
        self._successes = _RecentCount()
        self._open_for = 0.0  # 0 while it is closed
        self._probe_at = 0.0
        self._probing = False

    @property
    def state(self) -> CircuitState:
        """Whether the next call is let through, refused, or a probe."""
        if not self._open_for:
            return CircuitState.CLOSED
        return CircuitState.HALF_OPEN if self._clock() >= self._probe_at else CircuitState.OPEN

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
        """Counts a call that was answered, and closes the circuit."""
        self._successes.add(self._clock())
        if self._open_for:
            self._failing.clear()
            self._open_for = 0.0
            self._probing = False

    def recovered(self, call: Hashable) -> None:
        """Forgets the failures of a call that was answered after all."""
        self._failing.pop(call, None)

    def failed(self, call: Hashable, *, probe: bool, suspect: bool = False) -> None:
        """Counts a failed attempt of a call, and opens the circuit if too many calls fail.

        `call` tells one call from another, however often it is tried. `suspect` says that the call
        itself may be why.
        """
        now = self._clock()
        if probe:
            self._probing = False
            # What the call itself may have brought about does not make the pause longer.
            self._open(now, self._open_for if suspect else min(self._open_for * 2, _LONGEST_OPEN))
            return
        failing = self._failing.setdefault(call, _Failing(now, now, suspect))
        failing.last, failing.suspect = now, failing.suspect and suspect
        self._failing.move_to_end(call)
        self._forget(now)
        if not self._open_for and self._fails(now):
            self._open(now, _OPEN_FOR)

    def left(self, *, probe: bool) -> None:
        """The call ended without a word on how the endpoint is: the next one may be the probe."""
        if probe:
            self._probing = False

    def _forget(self, now: float) -> None:
        oldest = next(iter(self._failing.values()))
        while oldest.last < now - _WINDOW or len(self._failing) > _MAX_REMEMBERED:
            self._failing.popitem(last=False)
            oldest = next(iter(self._failing.values()))

    def _fails(self, now: float) -> bool:
        """Whether it is the endpoint that fails.

        A suspect call tells nothing about the endpoint as long as any other call is answered.
        """
        calls = self._failing.values()
        if len(calls) < _FAILING_CALLS or now - min(call.since for call in calls) < _FAILING_FOR:
            return False
        successes = self._successes.since(now)
        return not successes or sum(not call.suspect for call in calls) > successes

    def _open(self, now: float, seconds: float) -> None:
        self._open_for, self._probe_at = seconds, now + seconds


class _RecentCount:
    """How often something happened in the last `_WINDOW` to twice that, in constant space."""

    def __init__(self) -> None:
        self._began = float("-inf")
        self._before = self._now = 0

    def add(self, now: float) -> None:
        self._turn(now)
        self._now += 1

    def since(self, now: float) -> int:
        self._turn(now)
        return self._before + self._now

    def _turn(self, now: float) -> None:
        if now - self._began >= _WINDOW:
            self._before = self._now if now - self._began < 2 * _WINDOW else 0
            self._now, self._began = 0, now
