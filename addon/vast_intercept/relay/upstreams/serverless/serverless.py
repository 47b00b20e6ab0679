"""Vast's Serverless protocol: ask the router for a worker, then call that (FACTS V2 to V8)."""

import asyncio
import logging
import random
import ssl
from functools import lru_cache, partial

from yarl import URL

from ....addresses import is_loopback_name
from ....openai_api.error_codes import ErrorCode
from ....openai_api.errors import REFUSED_STATUSES, ApiError, bad_gateway
from ....secret import Secrets
from ....vast_api.answers import UnreadableError
from ....vast_api.headers import headers
from ....vast_api.router import (
    LARGEST_ROUTE,
    NotReady,
    Worker,
    read_route,
    route_request,
    route_url,
)
from ....vast_api.worker import call_body, call_url
from ...call import Call
from ...failures import AttemptFailed, EndpointFailed
from ...http_client import HttpClient
from ..base import Attempt, UpstreamAnswer, explain_vast
from ..tls import public_context
from ..trust import VastTrust
from .keys import EndpointKeys

# The SDK's rhythm (FACTS V3), in seconds.
_FIRST_POLL = 1.0
_SHORTEST_POLL = 0.1
_LONGEST_POLL = 5.0

_SHOWN = 200  # characters of what the router says

logger = logging.getLogger(__name__)


class ServerlessUpstream:
    """Sends calls to the endpoint's workers. Each has a route, with its signature, of its own."""

    def __init__(self, client: HttpClient, trust: VastTrust) -> None:
        self._client = client
        self._keys = EndpointKeys(client)
        self._trust = trust

    async def close(self) -> None:
        """Ends what runs beside the calls."""
        await self._keys.close()

    async def send(self, attempt: Attempt) -> UpstreamAnswer:
        """A worker's answer, whatever its status. Raises AttemptFailed, EndpointFailed or ApiError.

        `attempt.waiting` is told each time that there is no worker yet, and when there is one.
        """
        request, endpoint = attempt.request, attempt.endpoint
        call, progress = request.call, request.progress
        worker = await self._find_worker(attempt)
        url = call_url(worker.url, request.operation)
        progress.send_to(str(url))
        tls = public_context(call.config)
        if url.scheme == "https":
            tls = await self._trust.context(call.config)
        try:
            answer = await self._client.post(
                url,
                headers(None, accept=request.accept, request_id=call.request_id),
                call_body(worker.auth_data, request.pieces),
                tls,
                call.config.timeout,
                explain=partial(explain_vast, attempt),
                new_connection=attempt.new_connection,
                for_another_machine=call.from_another_machine and not _is_configured(url, call),
            )
        except ApiError as error:
            if error.code == ErrorCode.VAST_TLS_ERROR and await self._has_new_root(call, tls):
                raise AttemptFailed(error) from None
            raise
        if answer.status in REFUSED_STATUSES:
            answer.close()
            key = await self._keys.key_of(progress, endpoint)
            await self._keys.renew(progress, endpoint, key, "worker")
            raise AttemptFailed(
                bad_gateway(
                    f"A worker of Vast's endpoint {endpoint!r} refused the route's signature"
                    f" (status {answer.status}).",
                    ErrorCode.VAST_WORKER_REFUSED,
                )
            )
        return answer

    async def _has_new_root(self, call: Call, tls: ssl.SSLContext) -> bool:
        """Whether Vast has another root than the one that a worker was just verified by."""
        try:
            return await self._trust.renew(call.config, tls)
        except AttemptFailed as failed:
            logger.warning("%s", failed.error.message)
        return False

    async def _find_worker(self, attempt: Attempt) -> Worker:
        """Polls the router until a worker is ready, for `vast.timeout.queue` at most."""
        clock = asyncio.get_running_loop().time
        patience = attempt.request.call.config.timeout.queue
        started = clock()
        request_idx = polls = 0
        while True:
            try:
                answer = await self._route(attempt, request_idx)
            except AttemptFailed as failed:
                if not request_idx:
                    raise
                # A router that stumbles does not cost the call its place.
                answer = NotReady(request_idx, failed.error.message)
            if isinstance(answer, Worker):
                attempt.waiting(None)
                return answer
            request_idx = answer.request_idx
            attempt.waiting(answer.status)
            longest = min(2.0 ** min(polls, 10), _LONGEST_POLL)
            pause = random.uniform(_SHORTEST_POLL, longest) if polls else _FIRST_POLL  # noqa: S311
            pause = min(pause, started + patience - clock())
            if pause <= 0:
                raise _no_worker(attempt.endpoint, patience, answer.status)
            polls += 1
            await asyncio.sleep(pause)

    async def _route(self, attempt: Attempt, request_idx: int) -> Worker | NotReady:
        progress, endpoint = attempt.request.progress, attempt.endpoint
        config = progress.call.config
        router = _router_url(config.route_url)
        cost = attempt.request.cost
        while True:
            key = await self._keys.key_of(progress, endpoint)
            body = route_request(endpoint, key.reveal(), cost, request_idx)
            tls = public_context(config)
            status, answer = await self._client.ask(
                "POST", router, headers(key.reveal()), tls, limit=LARGEST_ROUTE, body=body
            )
            if status == 200:
                try:
                    return read_route(answer, router, request_idx, progress.keys.redact)
                except UnreadableError as error:
                    raise AttemptFailed(bad_gateway(str(error), ErrorCode.BAD_ROUTE)) from None
            if status not in REFUSED_STATUSES:
                raise _no_route(progress.keys, endpoint, status, answer)
            if not await self._keys.renew(progress, endpoint, key, "router"):
                raise bad_gateway(
                    f"Vast's router refused the key of the endpoint {endpoint!r} (status {status}),"
                    " and the account has no newer one. The app's own key is not the problem: look"
                    " at the endpoint in Vast's console.",
                    ErrorCode.VAST_KEY_REFUSED,
                    retry=False,
                )


def _is_configured(worker: URL, call: Call) -> bool:
    """Whether the configuration itself has its workers on the router's machine, such as this."""
    router = _router_url(call.config.route_url).host or ""
    return is_loopback_name(router) or router == worker.host


@lru_cache(maxsize=8)
def _router_url(router_url: str) -> URL:
    return URL(route_url(router_url), encoded=True)


def _no_route(keys: Secrets, endpoint: str, status: int, body: bytes) -> ApiError:
    said = keys.redact(body.decode(errors="replace")).strip()[:_SHOWN]
    return bad_gateway(
        f"Vast's router has no route to the endpoint {endpoint!r} (status {status}): {said}",
        ErrorCode.BAD_ROUTE,
    )


def _no_worker(endpoint: str, patience: float, status: str) -> EndpointFailed:
    message = (
        f"Vast's endpoint {endpoint!r} had no ready worker for {patience:g} s"
        + (f" ({status})" if status else "")
        + ". Look at its workers in Vast's console; vast.timeout.queue says how long a call waits."
    )
    return EndpointFailed(bad_gateway(message, ErrorCode.VAST_NO_WORKER, 503, retry_after=10))
