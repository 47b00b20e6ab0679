"""`run.vast.ai`'s list of an endpoint's workers: https://docs.vast.ai/serverless/worker-list."""

from dataclasses import dataclass

import msgspec
from aiohttp import web

from ..answering import Json, decode, json_answer
from .account import Account, bearer
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
        name = next((each.name for each in self.account if each.id == asked.id), None)
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
        return own + [_listed(number, "idle") for number in self.fleet.registered.ids(endpoint)]


def _listed(number: int, status: str) -> Json:
    return {
        "id": number,
        "status": status,
        "cur_load": 0.0,
        "new_load": 0.0,
        "cur_load_rolling_avg": 0.0,
        "cur_perf": 0.0,
        "perf": _PERF,
        "measured_perf": _PERF,
        "dlperf": _PERF,
        "reliability": 1.0,
        "reqs_working": 0,
        "disk_usage": 10.0,
        "loaded_at": CREATED,
        "started_at": CREATED,
    }
