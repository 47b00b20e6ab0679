"""`console.vast.ai`: the account's endpoints, and the root of the workers' certificates."""

from pathlib import Path

from aiohttp import web

from ..answering import Json, Refusal, json_answer, not_found, whole
from .account import Account, AccountEndpoint, bearer

# When everything in the account was created. It is always the same.
CREATED = 1_795_385_168.0


class Console:
    """The console of one account."""

    def __init__(self, account: Account, root_cert: Path | None) -> None:
        self._account = account
        self._root_cert = root_cert.read_bytes() if root_cert else None

    async def list_endpoints(self, request: web.BaseRequest, _: bytes) -> web.StreamResponse:
        """`GET /api/v0/endptjobs/`."""
        if bearer(request) != self._account.key:
            refusal: Json = {"success": False, "error": "auth_error", "msg": "Invalid user key"}
            raise Refusal(401, refusal)
        results = [_listed(endpoint) for endpoint in self._account]
        return json_answer({"success": True, "results": results})

    async def root(self, _: web.BaseRequest, __: bytes) -> web.StreamResponse:
        """`GET /static/jvastai_root.cer`."""
        if self._root_cert is None:
            raise not_found()
        return whole(self._root_cert, content_type="application/x-x509-ca-cert")


def _listed(endpoint: AccountEndpoint) -> Json:
    return {
        "id": endpoint.id,
        "endpoint_name": endpoint.name,
        "api_key": endpoint.listed,
        "user_id": 1,
        "created_at": CREATED,
        "endpoint_state": "active",
        "cold_workers": 1,
        "max_workers": 16,
        "min_load": 0.0,
        "target_util": 0.9,
        "auto_delete_in_seconds": None,
        "auto_delete_due_24h": False,
    }
