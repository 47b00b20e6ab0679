"""`console.vast.ai`: the account's endpoints, and the root of the workers' certificates."""

from pathlib import Path

import msgspec
from aiohttp import hdrs, web

from . import errors
from .answers import CREATED
from .endpoints import Endpoint, Endpoints
from .exchange import whole
from .schema import Json


class Console:
    """Knows one account, by its key."""

    def __init__(self, endpoints: Endpoints, account_key: str, root_cert: Path | None) -> None:
        self._endpoints = endpoints
        self._account_key = account_key
        self._root_cert = root_cert.read_bytes() if root_cert else None

    async def list_endpoints(self, request: web.BaseRequest, __: bytes) -> web.StreamResponse:
        """`GET /api/v0/endptjobs/`."""
        scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if key != self._account_key or scheme.lower() != "bearer":
            refusal: Json = {"success": False, "error": "auth_error", "msg": "Invalid user key"}
            raise errors.Refusal(401, refusal)
        results = [_listed(endpoint) for endpoint in self._endpoints]
        return whole(msgspec.json.encode({"success": True, "results": results}))

    async def root_certificate(self, _: web.BaseRequest, __: bytes) -> web.StreamResponse:
        """`GET /static/jvastai_root.cer`."""
        if self._root_cert is None:
            raise errors.not_found()
        return whole(self._root_cert, content_type="application/x-x509-ca-cert")


def _listed(endpoint: Endpoint) -> Json:
    return {
        "id": endpoint.id,
        "endpoint_name": endpoint.name,
        "api_key": endpoint.listed,
        "user_id": 1,
        "created_at": float(CREATED),
        "endpoint_state": "active",
        "cold_workers": 1,
        "max_workers": 16,
        "min_load": 0.0,
        "target_util": 0.9,
        "auto_delete_in_seconds": None,
        "auto_delete_due_24h": False,
    }
