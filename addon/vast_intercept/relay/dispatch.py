"""Brings a call to an answer: endpoint after endpoint, attempt after attempt, within a deadline."""

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import aiohttp

from ..config_file import PROVIDER
from ..openai_api.errors import ApiError, bad_gateway, misconfigured
from .answer import Explain, read_error
from .call import Call, Prompt
from .circuit_breaker import CircuitBreaker, CircuitOpen, State
from .http_client import HttpClient, failure, listen_on, retry_after_of
from .openai_interface import OpenAIInterface
from .provider_interface import ProviderInterface
from .retry import (
    BUSY_STATUSES,
    MAX_ATTEMPTS,
    RETRIED_STATUSES,
    AttemptFailed,
    EndpointFailed,
    RetryBudget,
    backoff,
)
from .serverless_interface import ServerlessInterface

logger = logging.getLogger(__name__)

# Paths may name endpoints, so that an app could make up any number of them.
_MAX_ENDPOINTS = 256


class Interface(Protocol):
    """A way to an endpoint."""

    @staticmethod
    def explain(status: int, body: bytes, call: Call) -> ApiError:
        """What an answer that is no success means to an app."""
        ...

    async def send(
        self, call: Call, endpoint: str, prompt: Prompt, waiting: Callable[[str], None]
    ) -> aiohttp.ClientResponse:
        """The head of an answer, whatever its status. Raises AttemptFailed or ApiError."""
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer that has begun: of a stream, the first bytes are there, too."""

    upstream: aiohttp.ClientResponse
    first: bytes = b""


@dataclass(slots=True)
class _Endpoint:
    """What is known of an endpoint from the calls before."""

    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    budget: RetryBudget = field(default_factory=RetryBudget)
    #: What was wrong with it last.
    trouble: str = ""
    #: How many calls wait for a worker, and since when there is none.
    waiting: int = 0
    waiting_since: float = 0.0


class Dispatcher:
    """Knows the interfaces, and how the endpoints do."""

    def __init__(self, folder: Path) -> None:
        self._client = HttpClient()
        self._serverless = ServerlessInterface(self._client, folder)
        self._interfaces: dict[str, Interface] = {
            "openai": OpenAIInterface(self._client),
            "serverless": self._serverless,
            PROVIDER: ProviderInterface(self._client),
        }
        self._endpoints: OrderedDict[tuple[str, str], _Endpoint] = OrderedDict()

    async def close(self) -> None:
        """Closes the connections."""
        await self._serverless.close()
        await self._client.close()

    async def begin(
        self, call: Call, endpoint: str | None, prompt: Prompt, deadline: float
    ) -> Begun:
        """The beginning of a success, from the first destination that has one.

        `endpoint` is the one that the call's path names, if any; `deadline` is in the event loop's
        time. Raises ApiError with what the app is to be told.
        """
        model = call.outcome.model
        destinations = (endpoint,) if endpoint else call.config.destinations_for(model)
        if not destinations:
            raise misconfigured(
                f"No Vast endpoint is set for the model {model!r}: set VAST_ENDPOINT, or"
                " vast.endpoint or a route in the configuration, to the name of your endpoint.",
                "vast_endpoint_missing",
            )
        failed: EndpointFailed | None = None
        for name in destinations:
            kind = call.config.interface
            if name == PROVIDER and failed:
                if call.provider is None:
                    continue  # a replay: the app's key is masked
                kind, name = PROVIDER, call.provider.name  # noqa: PLW2901
            try:
                return await self._attempts(call, kind, name, prompt, deadline)
            except EndpointFailed as error:
                failed = error
        assert failed
        raise failed.error

    async def _attempts(
        self, call: Call, kind: str, name: str, prompt: Prompt, deadline: float
    ) -> Begun:
        """Raises EndpointFailed when this endpoint is not worth another attempt."""
        outcome = call.outcome
        outcome.endpoint = name
        state = self._state_of(kind, name)
        failures = 0
        last: AttemptFailed | None = None
        while True:
            try:
                probe = state.breaker.admit()
            except CircuitOpen as closed:
                raise EndpointFailed(
                    last.error if last else _left_alone(name, closed.retry_after, state.trouble)
                ) from None
            outcome.attempts += 1
            try:
                begun = await self._attempt(call, self._interfaces[kind], name, prompt, state)
            except AttemptFailed as failed:
                if failed.busy:
                    state.breaker.left(probe=probe)
                else:
                    _note_failure(state, name, failed, probe=probe)
                last = failed
            except ApiError as error:
                # An error of the app's own making is an answer, too.
                if error.status < 500:
                    _note_success(state, name)
                else:
                    state.breaker.left(probe=probe)
                raise
            except BaseException:
                state.breaker.left(probe=probe)
                raise
            else:
                _note_success(state, name)
                return begun
            failures += 1
            outcome.failure = last.error
            state.trouble = last.error.message
            await _pause(last, failures, state.budget, deadline)

    async def _attempt(
        self, call: Call, interface: Interface, name: str, prompt: Prompt, state: _Endpoint
    ) -> Begun:
        clock = asyncio.get_running_loop().time
        since: float | None = None

        def waiting(status: str) -> None:
            nonlocal since
            status = call.redact(status)
            if since is None:
                since = clock()
                _note_waiting(state, name, since, status)
            _note_success(state, name)  # who says "wait" is not down
            call.outcome.waiting = status
            call.changed()

        try:
            upstream = await interface.send(call, name, prompt, waiting)
        finally:
            if since is not None:
                call.outcome.waited += clock() - since
                call.outcome.waiting = None
                _note_waited(state, name, clock())
                call.changed()
        try:
            return await _begun(upstream, call, interface.explain, stream=prompt.request.stream)
        except BaseException:
            upstream.close()  # does nothing to a connection that was given back
            raise

    def _state_of(self, kind: str, name: str) -> _Endpoint:
        key = kind, name
        state = self._endpoints.get(key)
        if state is None:
            state = self._endpoints[key] = _Endpoint()
            if len(self._endpoints) > _MAX_ENDPOINTS:
                self._endpoints.popitem(last=False)
        self._endpoints.move_to_end(key)
        return state


async def _begun(
    upstream: aiohttp.ClientResponse, call: Call, explain: Explain, *, stream: bool
) -> Begun:
    """Raises AttemptFailed or ApiError unless a success has begun."""
    if not 200 <= upstream.status < 300:
        error = await read_error(upstream, call, explain)
        if upstream.status in RETRIED_STATUSES:
            raise AttemptFailed(
                error,
                retry_after=retry_after_of(upstream),
                busy=upstream.status in BUSY_STATUSES,
            )
        raise error
    first = b""
    if stream:
        # Nothing of the answer is there before its first byte, whatever the head says.
        try:
            first = await upstream.content.readany()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise failure(error, upstream.url.host or "") from None
        if not first:
            raise AttemptFailed(
                bad_gateway(
                    f"{upstream.url.host!r} ended the stream before it began.", "vast_disconnected"
                )
            )
    listen_on(upstream, call.config.timeout.between_bytes)
    return Begun(upstream, first)


async def _pause(
    failed: AttemptFailed, failures: int, budget: RetryBudget, deadline: float
) -> None:
    """Waits until the next attempt is due. Raises EndpointFailed if there is none to be made."""
    now = asyncio.get_running_loop().time()
    wait = 0.0 if failed.at_once and failures == 1 else backoff(failures)
    due = now + max(wait, failed.retry_after or 0.0)
    if failures >= MAX_ATTEMPTS or due >= deadline:
        raise EndpointFailed(failed.error)
    turn = budget.take(now, deadline)
    if turn is None:
        raise EndpointFailed(failed.error)
    await asyncio.sleep(max(due, turn) - now)


def _left_alone(name: str, retry_after: float, trouble: str) -> ApiError:
    seconds = math.ceil(retry_after)
    error = bad_gateway(
        f"{name!r} has failed again and again, and is left alone for another {seconds} s. The last"
        f" trouble was: {trouble}",
        "vast_endpoint_down",
        503,
    )
    error.headers["retry-after"] = str(seconds)
    return error


def _note_success(state: _Endpoint, name: str) -> None:
    if state.breaker.state is not State.CLOSED:
        logger.info("%r answers again.", name)
    state.breaker.succeeded()


def _note_failure(state: _Endpoint, name: str, failed: AttemptFailed, *, probe: bool) -> None:
    was_open = state.breaker.state is State.OPEN
    state.breaker.failed(probe=probe)
    if state.breaker.state is State.OPEN and not was_open:
        logger.warning(
            "%r has failed again and again, and is left alone for a while: %s",
            name,
            failed.error.message,
        )


def _note_waiting(state: _Endpoint, name: str, now: float, status: str) -> None:
    state.waiting += 1
    if state.waiting == 1:
        state.waiting_since = now
        logger.info(
            "Endpoint %r has no ready worker%s: calls wait for one.",
            name,
            f" ({status})" if status else "",
        )


def _note_waited(state: _Endpoint, name: str, now: float) -> None:
    state.waiting -= 1
    if not state.waiting:
        logger.info(
            "No call waits for a worker of endpoint %r any more, after %.0f s.",
            name,
            now - state.waiting_since,
        )
