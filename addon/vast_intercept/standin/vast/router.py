"""`run.vast.ai`: decides which worker a call goes to."""

from collections import Counter
from collections.abc import Callable
from itertools import count

import msgspec
from aiohttp import web

from ..answering import Refusal, decode, json_answer, whole
from .account import Account
from .route_signing import RouteSigner


class _Asked(msgspec.Struct):
    endpoint: str
    api_key: str = ""
    cost: int | float = 0
    request_idx: int = 0


class Router:
    """Gives out the ready workers of an endpoint in turn."""

    def __init__(
        self, account: Account, signer: RouteSigner, ready: Callable[[str], list[str]]
    ) -> None:
        self._account = account
        self._signer = signer
        self._ready = ready
        self._given: Counter[str] = Counter()
        self._reqnums = count(1)
        self._last_request_idx = 0

    async def route(self, _: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """`POST /route/`."""
        asked = decode(body, _Asked)
        endpoint = self._account.get(asked.endpoint)
        if endpoint is None:
            raise Refusal(404, {"error": f"no endpoint {asked.endpoint!r}"})
        if asked.api_key != endpoint.key:
            raise Refusal(401, {"error": "invalid api_key"})
        request_idx = self._request_idx(asked.request_idx)
        ready = self._ready(endpoint.name)
        if not ready:
            return json_answer({"request_idx": request_idx, "status": "waiting for a worker"})
        url = ready[self._given[endpoint.name] % len(ready)]
        self._given[endpoint.name] += 1
        answer = {
            "url": url,
            "reqnum": next(self._reqnums),
            "signature": await self._signer.sign(url),
            "endpoint": endpoint.name,
            "cost": asked.cost,
            "request_idx": request_idx,
            # A field that no client knows. Clients have to pass it on to the worker.
            "routed_by": "stand-in",
        }
        return json_answer(answer)

    async def public_key(self, _: web.BaseRequest, __: bytes) -> web.StreamResponse:
        """`GET /pubkey/`."""
        return whole(await self._signer.public_key(), content_type="text/plain")

    def _request_idx(self, asked: int) -> int:
        if 0 < asked <= self._last_request_idx:
            return asked
        self._last_request_idx += 1
        return self._last_request_idx
