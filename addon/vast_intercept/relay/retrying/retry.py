"""Which failures are worth another attempt, and when it is due: pure, without a clock."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ...openai_api.errors import ApiError

#: 499 is what a worker answers to a caller that it takes for gone (FACTS V6): a drop in disguise.
RETRIED_STATUSES = frozenset({408, 429, 499, 500, 502, 503, 504})

#: Of these, what says that there is too much to do, not that something is wrong.
BUSY_STATUSES = frozenset({408, 429})

#: What a worker says that takes its caller for gone.
GAVE_UP_STATUS = 499

#: More attempts than that do not tell anything new.
MAX_ATTEMPTS = 16
#: A call that so many workers were lost to is not sent to another one: it may itself be why.
MAX_LOST = 2

_FIRST_BACKOFF = 0.5  # seconds
_LONGEST_BACKOFF = 5.0

_RETRIES_PER_SECOND = 10
_SAVED_RETRIES = 100


class AttemptFailed(Exception):  # noqa: N818  (the call may well succeed)
    """An attempt that brought no byte of an answer, and that may be repeated.

    `error` is what the app gets if it is not. `retry_after` is for how many seconds the far side
    asks to be left alone. `at_once` is true where a kept connection may just have been closed when
    it was used again (RFC 9112, section 9.3.1): nothing is wrong with a new one. `busy` is true
    where the far side is well, and only has too much to do. `lost` is true where it had the whole
    call, and was gone before it answered: the call itself may be why. `local` is true where it was
    not reached for want of something on this machine.
    """

    def __init__(
        self,
        error: ApiError,
        *,
        retry_after: float | None = None,
        at_once: bool = False,
        busy: bool = False,
        lost: bool = False,
        local: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after
        self.at_once = at_once
        self.busy = busy
        self.lost = lost
        self.local = local


class EndpointFailed(Exception):  # noqa: N818  (the call may well succeed)
    """Nothing more can be tried at this endpoint. `error` is for the app, if there is no other."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(str(error))
        self.error = error


def backoff(failures: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait after so many failures: twice as many each time, with full jitter.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return draw() * min(_FIRST_BACKOFF * 2.0 ** min(failures - 1, 10), _LONGEST_BACKOFF)


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Seconds from `Retry-After` (RFC 9110, section 10.2.3), or None if it is neither of its forms.

    >>> parse_retry_after("120", datetime.now(UTC))
    120.0
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max((date - now).total_seconds(), 0.0)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None  # the email package raises all of these


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
