"""`run.vast.ai`'s list of an endpoint's workers: https://docs.vast.ai/serverless/worker-list."""

import msgspec
from aiohttp import hdrs, web

from . import errors
from .answers import CREATED
from .endpoints import Endpoints
from .exchange import whole
from .fleet import Fleet
from .schema import Json

# What is measured of a worker, which the stand-in does not measure.
_PERF = 100.0


class _Asked(msgspec.Struct):
    id: int
    api_key: str = ""


_asked = msgspec.json.Decoder(_Asked)


class WorkerList:
    """Tells who has the account's key what its workers do."""

    def __init__(self, endpoints: Endpoints, account_key: str, fleet: Fleet) -> None:
        self._endpoints = endpoints
        self._account_key = account_key
        self._fleet = fleet

    async def list_workers(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """`POST /get_endpoint_workers/`.

        The key is in the body, where Vast's SDK has it, or in the header, as its command line does.
        """
        try:
            asked = _asked.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise errors.Refusal(400, {"error": str(error)}) from None
        scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        keys = {asked.api_key, key if scheme.lower() == "bearer" else ""}
        name = next((each.name for each in self._endpoints if each.id == asked.id), None)
        if name is None or self._account_key not in keys:
            # The SDK expects a refusal like this, with status 200; it has no words of Vast's.
            return whole(msgspec.json.encode({"error_msg": "endpoint and api_key do not match"}))
        return whole(msgspec.json.encode(self._workers(name)))

    def _workers(self, endpoint: str) -> list[Json]:
        own = [
            _listed(worker.number + 1, worker.status)
            for worker in self._fleet.own
            if worker.endpoint == endpoint
        ]
        return own + [_listed(number, "idle") for number in self._fleet.registered.ids(endpoint)]


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
        "loaded_at": float(CREATED),
        "started_at": float(CREATED),
    }
