"""`console.vast.ai`: the account's endpoints, and the root of the workers' certificates."""

from dataclasses import dataclass

from aiohttp import web

from ..answering import Json, Refusal, bearer, json_answer, not_found, whole
from .account import Account, AccountEndpoint

# When everything in the account was created. It is always the same.
CREATED = 1_795_385_168.0


@dataclass(frozen=True, slots=True)
class Console:
    """The console of one account. `root_cert` is in PEM."""

    account: Account
    root_cert: bytes | None

    async def list_endpoints(self, request: web.BaseRequest, _: bytes) -> web.StreamResponse:
        """`GET /api/v0/endptjobs/`."""
        need_key(request, self.account)
        results = [_listed(endpoint) for endpoint in self.account.endpoints.values()]
        return json_answer({"success": True, "results": results})

    async def root(self, _: web.BaseRequest, __: bytes) -> web.StreamResponse:
        """`GET /static/jvastai_root.cer`."""
        if self.root_cert is None:
            raise not_found()
        return whole(self.root_cert, content_type="application/x-x509-ca-cert")


def need_key(request: web.BaseRequest, account: Account) -> None:
    """Raises Refusal unless the request has the account's key."""
    if bearer(request) != account.key:
        told: Json = {"success": False, "error": "auth_error", "msg": "Invalid user key"}
        raise Refusal(401, told)


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
