"""`run.vast.ai`'s list of an endpoint's workers: https://docs.vast.ai/serverless/worker-list."""

from dataclasses import dataclass

import msgspec
from aiohttp import web

from ..answering import Json, bearer, decode, json_answer
from .account import Account
from .console import CREATED
from .fleet import Fleet

# The performance of every worker: the stand-in measures none.
_PERF = 100.0


class _Asked(msgspec.Struct):
    id: int
    api_key: str = ""


@dataclass(frozen=True, slots=True)
class WorkerList:
    """Lists an endpoint's workers to clients that have the account's key."""

    account: Account
    fleet: Fleet

    async def list_workers(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """`POST /get_endpoint_workers/`.

        The key is in the body, where Vast's SDK has it, or in the header, as its command line does.
        """
        asked = decode(body, _Asked)
        name = next(
            (each.name for each in self.account.endpoints.values() if each.id == asked.id), None
        )
        if name is None or self.account.key not in {asked.api_key, bearer(request)}:
            # The SDK expects such a refusal, with status 200. Vast's own words are not known.
            return json_answer({"error_msg": "endpoint and api_key do not match"})
        return json_answer(self._workers(name))

    def _workers(self, endpoint: str) -> list[Json]:
        own = [
            _listed(worker.number + 1, worker.status)
            for worker in self.fleet.own
            if worker.endpoint == endpoint
        ]
        return own + [_listed(real.id, "idle") for real in self.fleet.registered.of(endpoint)]


def _listed(number: int, status: str) -> Json:
    return {
        "id": number,
        "status": status,
        **dict.fromkeys(("cur_load", "new_load", "cur_load_rolling_avg", "cur_perf"), 0.0),
        **dict.fromkeys(("perf", "measured_perf", "dlperf"), _PERF),
        "reliability": 1.0,
        "reqs_working": 0,
        "disk_usage": 10.0,
        **dict.fromkeys(("loaded_at", "started_at"), CREATED),
    }
