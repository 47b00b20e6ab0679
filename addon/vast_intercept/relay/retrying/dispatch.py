"""Brings a call to an answer: endpoint after endpoint, attempt after attempt, within a deadline."""

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from ...bounded import BoundedDict
from ...config import EndpointId, UpstreamKind
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway, misconfigured
from ...openai_api.rewriting import Piece
from ..failures import AttemptFailed, EndpointFailed
from ..upstreams.base import Attempt, Upstream, UpstreamRequest
from ..work import ToProvider
from .answer_start import StartedAnswer, wait_for_first_bytes
from .circuit_breaker import CircuitOpen
from .endpoint_health import EndpointHealth
from .modalities import takers
from .retry import MAX_ATTEMPTS, MAX_LOST, RetryBudget, backoff

# Paths may name endpoints, so that an app could make up any number of them.
_MAX_ENDPOINTS = 256
# What all of Vast would say, too, and the provider should not be paid for. A machine may do.
_THE_SAME_AT_VAST = frozenset({ErrorCode.VAST_KEY_MISSING, ErrorCode.VAST_KEY_REFUSED})
_LOST_TO_IT = (
    "Two attempts were lost once the whole call had been sent: the call itself may be the reason,"
    " and no other attempt is made."
)
_LONGEST_NAME = 200  # characters of what an app has made up
# A call is known again by so many bytes of each end of its body.
_KNOWN_BY = 16 * 1024


class Dispatcher:
    """Knows the upstreams, and how their endpoints do."""

    def __init__(self, upstreams: Mapping[UpstreamKind, Upstream]) -> None:
        self._upstreams = upstreams
        self._healths = BoundedDict[EndpointId, EndpointHealth](_MAX_ENDPOINTS)

    def endpoints(self) -> list[EndpointHealth]:
        """How those endpoints and providers do that were called."""
        return list(self._healths.values())

    async def start(
        self, request: UpstreamRequest, endpoint: str | None, deadline: float
    ) -> StartedAnswer:
        """A success whose first bytes are there, from the first destination that has one.

        `endpoint` is the one that the call's path names, if any; `deadline` is in the event loop's
        time. Raises ApiError with what the app is to be told.
        """
        there = destinations(request, endpoint)
        while there[1:]:
            try:
                return await self._in_half_the_time(request, there[0], deadline)
            except EndpointFailed as failed:
                there = there[1:]
                if failed.error.code in _THE_SAME_AT_VAST:
                    there = [each for each in there if each.kind is UpstreamKind.MACHINE]
                if not there:
                    raise failed.error from None
        try:
            return await self._attempts(request, there[0], deadline)
        except EndpointFailed as failed:
            raise failed.error from None

    async def _in_half_the_time(
        self, request: UpstreamRequest, destination: EndpointId, deadline: float
    ) -> StartedAnswer:
        """Tries a destination for half of the time that is left. The next gets the other half."""
        now = asyncio.get_running_loop().time()
        half = (deadline - now) / 2
        try:
            async with asyncio.timeout_at(now + half):
                return await self._attempts(request, destination, now + half)
        except TimeoutError:
            silent = bad_gateway(
                f"{destination.name!r} did not answer within {half:.3g} s, half of the time that"
                " was left.",
                ErrorCode.VAST_TIMEOUT,
                504,
            )
            health = self._health_of(destination)
            health.failed(AttemptFailed(silent), request.call.request_id, probe=False)
            raise EndpointFailed(request.progress.failure or silent) from None

    async def _attempts(
        self, request: UpstreamRequest, destination: EndpointId, deadline: float
    ) -> StartedAnswer:
        """Raises EndpointFailed when this endpoint is not worth another attempt."""
        progress = request.progress
        progress.turn_to(destination)
        health = self._health_of(destination)
        last: AttemptFailed | None = None
        failed_as: set[Hashable] = set()
        failures = lost = 0
        while True:
            try:
                probe = health.breaker.admit()
            except CircuitOpen as circuit:
                raise EndpointFailed(last.error if last else health.left_alone(circuit)) from None
            progress.begin_attempt()
            try:
                started = await self._attempt(
                    request, health, new_connection=last is not None and last.at_once
                )
            except AttemptFailed as failed:
                known_as = _known_as(request, failed)
                failed_as.add(known_as)
                health.failed(failed, known_as, probe=probe)
                last = failed
            except ApiError as error:
                if error.status < 500:
                    health.succeeded()  # it has told the app of a mistake
                    raise
                health.breaker.left(probe=probe)
                progress.fail_attempt(error)
                raise EndpointFailed(error) from None
            except BaseException:
                health.breaker.left(probe=probe)
                raise
            else:
                health.succeeded()
                for known_as in failed_as:
                    health.breaker.recovered(known_as)
                return started
            failures += 1
            lost += last.lost
            progress.fail_attempt(last.error)
            if lost >= MAX_LOST:
                said = f"{last.error.message} {_LOST_TO_IT}"
                raise EndpointFailed(replace(last.error, message=said))
            await _pause(last, failures, health.budget, deadline)
            progress.retry()

    async def _attempt(
        self, request: UpstreamRequest, health: EndpointHealth, *, new_connection: bool
    ) -> StartedAnswer:
        progress = request.progress

        def waiting(status: str | None) -> None:
            if status is not None:
                health.succeeded()  # who says "wait" is not down
                if progress.waiting is None:
                    health.begins_waiting(status)
                progress.begin_waiting(status)
            elif progress.waiting is not None:
                health.ends_waiting()
                progress.end_waiting()

        try:
            upstream = self._upstreams[health.id.kind]
            answer = await upstream.send(Attempt(request, health.id.name, waiting, new_connection))
        finally:
            waiting(None)
        try:
            return await wait_for_first_bytes(answer, progress, stream=request.stream)
        except BaseException:
            answer.close()
            raise

    def _health_of(self, destination: EndpointId) -> EndpointHealth:
        clock = asyncio.get_running_loop().time
        health = self._healths.get(destination) or EndpointHealth(destination, clock)
        self._healths[destination] = health
        return health


def destinations(request: UpstreamRequest, endpoint: str | None) -> list[EndpointId]:
    """Where the call may go, at least one. `endpoint` is what its path names. Raises ApiError."""
    call, model = request.call, request.progress.model
    provider = EndpointId(UpstreamKind.PROVIDER, call.provider.name) if call.provider else None
    if provider and isinstance(call.work, ToProvider):
        return [provider]
    there = call.config.destinations_for(model, request.operation)
    if endpoint:
        there = (call.config.destination(endpoint),)
    if not there:
        raise misconfigured(
            f"No Vast endpoint is set for the model {repr(model)[:_LONGEST_NAME]}: set"
            " VAST_ENDPOINT, or vast.endpoint or a route in the configuration, to the name of"
            " your endpoint.",
            ErrorCode.VAST_ENDPOINT_MISSING,
        )
    # A replay has no provider: the app's key is masked.
    found = [provider if each.kind is UpstreamKind.PROVIDER else each for each in there]
    return takers([each for each in found if each], request.media, call.config, call.error_api)


def _known_as(request: UpstreamRequest, failed: AttemptFailed) -> Hashable:
    """What tells the call from others that fail.

    Where the call itself may be why, it is the same call when an app makes it again.
    """
    if not failed.lost:
        return request.call.request_id
    pieces = request.pieces
    if request.form and not pieces:
        # Its files: the boundary between them is another one each time.
        pieces = tuple(each for each in request.form.pieces if isinstance(each, memoryview))
    return hash((sum(map(len, pieces)), _beginning(pieces), _beginning(pieces, -1)))


def _beginning(pieces: Sequence[Piece], step: Literal[1, -1] = 1) -> bytes:
    """The first bytes of a body, or with the step -1 its last ones, backwards."""
    found = b""
    for piece in pieces[::step]:
        found += bytes(memoryview(piece)[::step][: _KNOWN_BY - len(found)])
    return found


async def _pause(
    failed: AttemptFailed, failures: int, budget: RetryBudget, deadline: float
) -> None:
    """Waits until the next attempt is due. Raises EndpointFailed if there is none to be made."""
    now = asyncio.get_running_loop().time()
    wait = 0.0 if failed.at_once and failures == 1 else backoff(failures)
    due = now + max(wait, failed.retry_after or 0.0)
    tried_enough = failures >= MAX_ATTEMPTS or due >= deadline
    turn = None if tried_enough else budget.take(now, deadline)
    if turn is None:
        raise EndpointFailed(failed.error)
    await asyncio.sleep(max(due, turn) - now)
