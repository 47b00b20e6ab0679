"""How often a call is tried, and when the next attempt is due: pure, without a clock."""

import random
from collections.abc import Callable

#: More attempts than that do not tell anything new.
MAX_ATTEMPTS = 16
#: A call that so many workers were lost to is not sent to another one: it may itself be why.
MAX_LOST = 2

_FIRST_BACKOFF = 0.5  # seconds
_LONGEST_BACKOFF = 5.0

_RETRIES_PER_SECOND = 10
_SAVED_RETRIES = 100


def backoff(failures: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait after so many failures: twice as many each time, with full jitter.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return draw() * min(_FIRST_BACKOFF * 2.0 ** min(failures - 1, 10), _LONGEST_BACKOFF)


class RetryBudget:
    """Lets so many retries per second through, and some more that were not used before.

    An outage is so not answered with a storm: what is beyond the budget waits for its turn.
    """

    def __init__(
        self, per_second: float = _RETRIES_PER_SECOND, saved: int = _SAVED_RETRIES
    ) -> None:
        self._interval = 1 / per_second
        self._lead = (saved - 1) * self._interval
        self._next = float("-inf")

    def take(self, now: float, latest: float) -> float | None:
        """When the next retry is due, in the clock of `now`; None if that is after `latest`."""
        due = max(self._next, now - self._lead)
        if max(due, now) > latest:
            return None
        self._next = due + self._interval
        return max(due, now)
