"""How an endpoint does, from the calls before: whether it fails, and whether calls wait for it."""

import logging
import math
import time
from collections.abc import Callable, Hashable

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway
from ..call import EndpointId
from ..failures import AttemptFailed
from .circuit_breaker import CircuitBreaker, CircuitOpen, State
from .retry import RetryBudget

logger = logging.getLogger(__name__)


class EndpointHealth:
    """Of one endpoint, or provider. Who was admitted tells: `succeeded`, `failed` or `left`."""

    def __init__(self, id: EndpointId, clock: Callable[[], float] = time.monotonic) -> None:  # noqa: A002
        self.id = id
        self._clock = clock
        self._breaker = CircuitBreaker(clock)
        self._trouble: ApiError | None = None
        self._waiting = 0
        self._waiting_since = 0.0
        self.budget = RetryBudget()

    @property
    def state(self) -> State:
        """Whether it is called, left alone, or being tried again."""
        return self._breaker.state

    @property
    def trouble(self) -> str:
        """The code of what went wrong last, if anything did."""
        return self._trouble.code if self._trouble else ""

    @property
    def waiting(self) -> int:
        """How many calls wait for a worker of it."""
        return self._waiting

    def admit(self) -> bool:
        """Whether the call is a probe. Raises CircuitOpen if the endpoint is to be left alone."""
        return self._breaker.admit()

    def succeeded(self) -> None:
        """It answers."""
        if self._breaker.state is not State.CLOSED:
            logger.info("%r answers again.", self.id.name)
        self._breaker.succeeded()

    def recovered(self, call: Hashable) -> None:
        """A call that had failed before was answered after all."""
        self._breaker.recovered(call)

    def failed(self, failed: AttemptFailed, call: Hashable, *, probe: bool) -> None:
        """An attempt of the call failed. Who has too much to do is not taken for broken.

        Nor is who was not reached for want of something on this machine.
        """
        if failed.local:
            self._breaker.left(probe=probe)
            return
        self._trouble = failed.error
        if failed.busy:
            self._breaker.left(probe=probe)
            return
        was_open = self._breaker.state is State.OPEN
        self._breaker.failed(call, probe=probe, suspect=failed.lost)
        if self._breaker.state is State.OPEN and not was_open:
            logger.warning(
                "%r has failed again and again, and is left alone for a while: %s",
                self.id.name,
                self._trouble.message,
            )

    def left(self, *, probe: bool) -> None:
        """The call ended, which says nothing about the endpoint."""
        self._breaker.left(probe=probe)

    def left_alone(self, circuit: CircuitOpen) -> ApiError:
        """What an app is told whose call was not admitted."""
        seconds = math.ceil(circuit.retry_after)
        trouble = self._trouble.message if self._trouble else ""
        return bad_gateway(
            f"{self.id.name!r} has failed again and again, and is left alone for another"
            f" {seconds} s. The last trouble was: {trouble}",
            ErrorCode.VAST_ENDPOINT_DOWN,
            503,
            retry_after=seconds,
        )

    def begins_waiting(self, status: str) -> None:
        """A call has found no ready worker. `status` is the router's word for it."""
        self._waiting += 1
        if self._waiting == 1:
            self._waiting_since = self._clock()
            logger.info(
                "Endpoint %r has no ready worker%s: calls wait for one.",
                self.id.name,
                f" ({status})" if status else "",
            )

    def ends_waiting(self) -> None:
        """It has found one, or given up."""
        self._waiting -= 1
        if not self._waiting:
            logger.info(
                "No call waits for a worker of endpoint %r any more, after %.0f s.",
                self.id.name,
                self._clock() - self._waiting_since,
            )
