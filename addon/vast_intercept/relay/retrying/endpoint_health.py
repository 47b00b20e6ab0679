"""How an endpoint does, from the calls before: whether it fails, and whether calls wait for it."""

import logging
import math
import time
from collections.abc import Callable, Hashable

from ...config import EndpointId
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway
from ..failures import AttemptFailed
from .circuit_breaker import CircuitBreaker, CircuitOpen, CircuitState
from .retry import RetryBudget

logger = logging.getLogger(__name__)


class EndpointHealth:
    """How one endpoint, or provider, does. Whoever `breaker` has admitted tells how it went."""

    def __init__(self, endpoint: EndpointId, clock: Callable[[], float] = time.monotonic) -> None:
        self.id = endpoint
        self.breaker = CircuitBreaker(clock)
        self.budget = RetryBudget()
        #: How many calls wait for a worker of it.
        self.waiting = 0
        self._waiting_since = 0.0
        self._clock = clock
        self._trouble: ApiError | None = None

    @property
    def state(self) -> CircuitState:
        """Whether the endpoint is called, left alone, or being tried again."""
        return self.breaker.state

    @property
    def trouble(self) -> str:
        """The code of what went wrong last, if anything did."""
        return self._trouble.code if self._trouble else ""

    def succeeded(self) -> None:
        """Notes that the endpoint answered a call."""
        if self.state is not CircuitState.CLOSED:
            logger.info("%r answers again.", self.id.name)
        self.breaker.succeeded()

    def failed(self, failed: AttemptFailed, call: Hashable, *, probe: bool) -> None:
        """Counts a failed attempt of the call, unless it says nothing about the endpoint.

        An endpoint that is only busy is not taken for broken. Nor is one that could not be reached
        because this machine lacks something, such as file descriptors.
        """
        if not failed.local:
            self._trouble = failed.error
        if failed.local or failed.busy:
            self.breaker.left(probe=probe)
            return
        was_open = self.state is CircuitState.OPEN
        self.breaker.failed(call, probe=probe, suspect=failed.lost)
        if self.state is CircuitState.OPEN and not was_open:
            logger.warning(
                "%r has failed again and again, and is left alone for a while: %s",
                self.id.name,
                failed.error.message,
            )

    def left_alone(self, circuit: CircuitOpen) -> ApiError:
        """What an app is told whose call was not admitted."""
        seconds = math.ceil(circuit.retry_after)
        message = (
            f"{self.id.name!r} has failed again and again, and is left alone for another"
            f" {seconds} s. The last trouble was: {self._trouble.message if self._trouble else ''}"
        )
        return bad_gateway(message, ErrorCode.VAST_ENDPOINT_DOWN, 503, retry_after=seconds)

    def begins_waiting(self, status: str) -> None:
        """Notes a call that found no ready worker. `status` is the router's word for why."""
        self.waiting += 1
        if self.waiting == 1:
            self._waiting_since = self._clock()
            logger.info(
                "Endpoint %r has no ready worker%s: calls wait for one.",
                self.id.name,
                f" ({status})" if status else "",
            )

    def ends_waiting(self) -> None:
        """Notes that a waiting call has found a worker, or has given up."""
        self.waiting -= 1
        if not self.waiting:
            logger.info(
                "No call waits for a worker of endpoint %r any more, after %.0f s.",
                self.id.name,
                self._clock() - self._waiting_since,
            )
