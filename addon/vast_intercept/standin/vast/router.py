"""`run.vast.ai`: decides which worker a call goes to."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class Router:
    """Gives out the `ready` workers of an endpoint in turn, each by its URL."""

    account: Account
    signer: RouteSigner
    ready: Callable[[str], list[str]]
    _given: Counter[str] = field(default_factory=Counter)
    _reqnums: Iterator[int] = field(default_factory=lambda: count(1))
    _last_request_idx: int = 0

    async def route(self, _: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """`POST /route/`."""
        asked = decode(body, _Asked)
        endpoint = self.account.endpoints.get(asked.endpoint)
        if endpoint is None:
            raise Refusal(404, {"error": f"no endpoint {asked.endpoint!r}"})
        if asked.api_key != endpoint.key:
            raise Refusal(401, {"error": "invalid api_key"})
        request_idx = self._request_idx(asked.request_idx)
        ready = self.ready(endpoint.name)
        if not ready:
            return json_answer({"request_idx": request_idx, "status": "waiting for a worker"})
        url = ready[self._given[endpoint.name] % len(ready)]
        self._given[endpoint.name] += 1
        routed = {
            "url": url,
            "reqnum": next(self._reqnums),
            "signature": await self.signer.sign(url),
            "endpoint": endpoint.name,
            "cost": asked.cost,
            "request_idx": request_idx,
            # A field that no client knows. Clients have to pass it on to the worker.
            "routed_by": "stand-in",
        }
        return json_answer(routed)

    async def public_key(self, _: web.BaseRequest, __: bytes) -> web.StreamResponse:
        """`GET /pubkey/`."""
        return whole(await self.signer.public_key(), content_type="text/plain")

    def _request_idx(self, asked: int) -> int:
        if 0 < asked <= self._last_request_idx:
            return asked
        self._last_request_idx += 1
        return self._last_request_idx
