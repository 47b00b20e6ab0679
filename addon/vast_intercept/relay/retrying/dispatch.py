"""Brings a call to an answer: endpoint after endpoint, attempt after attempt, within a deadline."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import aiohttp

from ...config import PROVIDER
from ...openai_api.errors import ApiError, bad_gateway, misconfigured
from ..call import Call, Generate, Prompt, Waiting
from ..http_client import HttpClient
from ..upstream_proxy import UpstreamProxy
from ..upstreams.openai import OpenAIInterface
from ..upstreams.provider import ProviderInterface
from ..upstreams.serverless.upstream import ServerlessInterface
from .beginning import Begun, begun
from .circuit_breaker import CircuitOpen
from .endpoint_health import EndpointHealth
from .retry import (
    MAX_ATTEMPTS,
    MAX_LOST,
    AttemptFailed,
    EndpointFailed,
    RetryBudget,
    backoff,
)

# Paths may name endpoints, so that an app could make up any number of them.
_MAX_ENDPOINTS = 256
# What another endpoint would say, too, and the provider should not be paid for.
_THE_SAME_EVERYWHERE = frozenset({"vast_key_missing", "vast_key_refused"})
_LONGEST_NAME = 200  # characters of what an app has made up
# A call is known again by so many bytes of each end of its body.
_KNOWN_BY = 16 * 1024


class Interface(Protocol):
    """A way to an endpoint."""

    @staticmethod
    def explain(status: int, body: bytes, call: Call) -> ApiError:
        """What an answer that is no success means to an app."""
        ...

    async def send(
        self, call: Call, endpoint: str, prompt: Prompt, waiting: Waiting
    ) -> aiohttp.ClientResponse:
        """The head of an answer, whatever its status. Raises AttemptFailed or ApiError."""
        ...


class Dispatcher:
    """Knows the interfaces, and how the endpoints do."""

    def __init__(self, folder: Path, proxy: UpstreamProxy) -> None:
        self._client = HttpClient(proxy)
        self._serverless = ServerlessInterface(self._client, folder)
        self._interfaces: dict[str, Interface] = {
            "openai": OpenAIInterface(self._client),
            "serverless": self._serverless,
            PROVIDER: ProviderInterface(self._client),
        }
        self._healths: OrderedDict[tuple[str, str], EndpointHealth] = OrderedDict()

    async def close(self) -> None:
        """Closes the connections."""
        await self._serverless.close()
        await self._client.close()

    def finish(self, upstream: aiohttp.ClientResponse) -> None:
        """Has the rest of an answer read that is complete, so that its connection is kept."""
        self._client.finish(upstream)

    def endpoints(self) -> list[tuple[str, EndpointHealth]]:
        """Those that were called, each with the interface that was used."""
        return [(kind, health) for (kind, _), health in self._healths.items()]

    async def begin(
        self, call: Call, endpoint: str | None, prompt: Prompt, deadline: float
    ) -> Begun:
        """The beginning of a success, from the first destination that has one.

        `endpoint` is the one that the call's path names, if any; `deadline` is in the event loop's
        time. Raises ApiError with what the app is to be told.
        """
        places = self._places(call, endpoint)
        for (kind, name), (_, fallback) in pairwise(places):
            try:
                return await self._in_half_the_time(call, kind, name, prompt, deadline)
            except EndpointFailed:
                call.outcome.fell_back_to.append(fallback)
        try:
            return await self._attempts(call, *places[-1], prompt, deadline)
        except EndpointFailed as failed:
            raise failed.error from None

    def _places(self, call: Call, endpoint: str | None) -> list[tuple[str, str]]:
        """Interfaces and names of where the call may go, at least one. Raises ApiError."""
        if call.provider and isinstance(call.work, Generate) and call.work.at_provider:
            return [(PROVIDER, call.provider.name)]
        model = call.outcome.model
        destinations = (endpoint,) if endpoint else call.config.destinations_for(model)
        if not destinations:
            raise misconfigured(
                f"No Vast endpoint is set for the model {repr(model)[:_LONGEST_NAME]}: set"
                " VAST_ENDPOINT, or vast.endpoint or a route in the configuration, to the name of"
                " your endpoint.",
                "vast_endpoint_missing",
            )
        first, *fallbacks = destinations
        places = [(call.config.interface, first)]
        for name in fallbacks:
            if name != PROVIDER:
                places.append((call.config.interface, name))
            elif call.provider:  # a replay has none: the app's key is masked
                places.append((PROVIDER, call.provider.name))
        return places

    async def _in_half_the_time(
        self, call: Call, kind: str, name: str, prompt: Prompt, deadline: float
    ) -> Begun:
        """As `_attempts`, but leaves the other half to the next destination."""
        now = asyncio.get_running_loop().time()
        half = (deadline - now) / 2
        try:
            async with asyncio.timeout_at(now + half):
                return await self._attempts(call, kind, name, prompt, now + half)
        except TimeoutError:
            silent = bad_gateway(
                f"{name!r} did not answer within {half:.3g} s, half of the time that was left.",
                "vast_timeout",
                504,
            )
            health = self._health_of(kind, name)
            health.failed(AttemptFailed(silent), call.request_id, probe=False)
            raise EndpointFailed(call.outcome.failure or silent) from None

    async def _attempts(
        self, call: Call, kind: str, name: str, prompt: Prompt, deadline: float
    ) -> Begun:
        """Raises EndpointFailed when this endpoint is not worth another attempt."""
        outcome = call.outcome
        outcome.endpoint = name
        health = self._health_of(kind, name)
        last: AttemptFailed | None = None
        failed_as: set[Hashable] = set()
        failures = lost = 0
        while True:
            try:
                probe = health.admit()
            except CircuitOpen as circuit:
                raise EndpointFailed(last.error if last else health.left_alone(circuit)) from None
            outcome.attempts += 1
            outcome.timing.sent = time.perf_counter()
            try:
                beginning = await self._attempt(call, self._interfaces[kind], name, prompt, health)
            except AttemptFailed as failed:
                known_as = _known_as(call, prompt, failed)
                failed_as.add(known_as)
                health.failed(failed, known_as, probe=probe)
                last = failed
                call.anew = failed.at_once
            except ApiError as error:
                if error.status < 500:
                    health.succeeded()  # it has told the app of a mistake
                    raise
                health.left(probe=probe)
                if error.code in _THE_SAME_EVERYWHERE:
                    raise
                outcome.failure = error
                raise EndpointFailed(error) from None
            except BaseException:
                health.left(probe=probe)
                raise
            else:
                health.succeeded()
                for known_as in failed_as:
                    health.recovered(known_as)
                return beginning
            failures += 1
            lost += last.lost
            outcome.failure = last.error
            if lost >= MAX_LOST:
                raise EndpointFailed(_lost_to_it(last.error))
            await _pause(last, failures, health.budget, deadline)
            outcome.retried.append(name)

    async def _attempt(
        self, call: Call, interface: Interface, name: str, prompt: Prompt, health: EndpointHealth
    ) -> Begun:
        outcome = call.outcome
        clock = asyncio.get_running_loop().time
        since: float | None = None

        def waiting(status: str | None) -> None:
            nonlocal since
            if status is not None:
                health.succeeded()  # who says "wait" is not down
                if since is None:
                    since = clock()
                    health.begins_waiting(status)
            elif since is not None:
                outcome.waits[name] = outcome.waits.get(name, 0.0) + clock() - since
                outcome.timing.sent = time.perf_counter()
                since = None
                health.ends_waiting()
            else:
                return
            outcome.waiting = status
            call.changed()

        try:
            upstream = await interface.send(call, name, prompt, waiting)
        finally:
            waiting(None)
        try:
            return await begun(upstream, call, interface.explain, stream=prompt.request.stream)
        except BaseException:
            upstream.close()  # does nothing to a connection that was given back
            raise

    def _health_of(self, kind: str, name: str) -> EndpointHealth:
        key = kind, name
        health = self._healths.get(key)
        if health is None:
            health = self._healths[key] = EndpointHealth(name)
            if len(self._healths) > _MAX_ENDPOINTS:
                self._healths.popitem(last=False)
        self._healths.move_to_end(key)
        return health


def _known_as(call: Call, prompt: Prompt, failed: AttemptFailed) -> Hashable:
    """What tells the call from others that fail.

    Where the call itself may be why, it is the same call when an app makes it again.
    """
    if not failed.lost:
        return call.request_id
    body = prompt.request.body
    return hash((len(body), body[:_KNOWN_BY], body[-_KNOWN_BY:]))


def _lost_to_it(error: ApiError) -> ApiError:
    return replace(
        error,
        message=f"{error.message} Two workers were lost once they had the whole call: the call"
        " itself may be the reason, and no other worker is tried.",
    )


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
