"""How an endpoint does, from the calls before: whether it fails, and whether calls wait for it."""

import logging
import math
import time

from ..openai_api.errors import ApiError, bad_gateway
from .circuit_breaker import CircuitBreaker, CircuitOpen, State
from .retry import AttemptFailed, RetryBudget

logger = logging.getLogger(__name__)


class EndpointHealth:
    """Of one endpoint, or provider. Who was admitted tells: `succeeded`, `failed` or `left`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._breaker = CircuitBreaker()
        self._trouble = ""
        self._waiting = 0
        self._waiting_since = 0.0
        self.budget = RetryBudget()

    def admit(self) -> bool:
        """Whether the call is a probe. Raises CircuitOpen if the endpoint is to be left alone."""
        return self._breaker.admit()

    def succeeded(self) -> None:
        """It answers."""
        if self._breaker.state is not State.CLOSED:
            logger.info("%r answers again.", self._name)
        self._breaker.succeeded()

    def failed(self, failed: AttemptFailed, *, probe: bool) -> None:
        """An attempt failed. Who has too much to do is not taken for broken."""
        self._trouble = failed.error.message
        if failed.busy:
            self._breaker.left(probe=probe)
            return
        was_open = self._breaker.state is State.OPEN
        self._breaker.failed(probe=probe)
        if self._breaker.state is State.OPEN and not was_open:
            logger.warning(
                "%r has failed again and again, and is left alone for a while: %s",
                self._name,
                self._trouble,
            )

    def left(self, *, probe: bool) -> None:
        """The call ended, which says nothing about the endpoint."""
        self._breaker.left(probe=probe)

    def left_alone(self, circuit: CircuitOpen) -> ApiError:
        """What an app is told whose call was not admitted."""
        seconds = math.ceil(circuit.retry_after)
        error = bad_gateway(
            f"{self._name!r} has failed again and again, and is left alone for another {seconds} s."
            f" The last trouble was: {self._trouble}",
            "vast_endpoint_down",
            503,
        )
        error.headers["retry-after"] = str(seconds)
        return error

    def begins_waiting(self, status: str) -> None:
        """A call has found no ready worker. `status` is the router's word for it."""
        self._waiting += 1
        if self._waiting == 1:
            self._waiting_since = time.monotonic()
            logger.info(
                "Endpoint %r has no ready worker%s: calls wait for one.",
                self._name,
                f" ({status})" if status else "",
            )

    def ends_waiting(self) -> None:
        """It has found one, or given up."""
        self._waiting -= 1
        if not self._waiting:
            logger.info(
                "No call waits for a worker of endpoint %r any more, after %.0f s.",
                self._name,
                time.monotonic() - self._waiting_since,
            )
