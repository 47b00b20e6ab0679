"""The console's page of an instance, which every worker is.

https://docs.vast.ai/api-reference/instances/show-instance
"""

from dataclasses import dataclass

from aiohttp import web

from ..answering import Json, json_answer
from .account import Account
from .console import CREATED, need_key
from .fleet import Fleet

#: Its path, up to the instance's ID.
INSTANCES = "/api/v0/instances/"

#: What every worker costs while it runs, in dollars an hour, and what its disk alone costs.
PER_HOUR = 0.36
_DISK_PER_HOUR = 0.02


@dataclass(frozen=True, slots=True)
class Instances:
    """Shows the account's workers one by one."""

    account: Account
    fleet: Fleet

    async def show(self, request: web.BaseRequest, _: bytes) -> web.StreamResponse:
        """`GET /api/v0/instances/ID/`. An unknown instance is null, as Vast's SDK expects."""
        need_key(request, self.account)
        wanted = request.raw_path.partition("?")[0].removeprefix(INSTANCES).strip("/")
        return json_answer({"instances": self._instances().get(wanted)})

    def _instances(self) -> dict[str, Json]:
        """By ID, which is that in the list of workers."""
        own = {str(each.number + 1): each.status for each in self.fleet.own}
        names = self.account.endpoints
        real = {str(each.id): "idle" for name in names for each in self.fleet.registered.of(name)}
        return {number: _shown(number, status) for number, status in {**own, **real}.items()}


def _shown(number: str, status: str) -> Json:
    runs = status in {"idle", "loading"}
    state = "running" if runs else "stopped"
    return {
        "id": int(number),
        "actual_status": state,
        "intended_status": state,
        "cur_state": state,
        "gpu_name": "RTX 4090",
        "num_gpus": 1,
        "start_date": CREATED,
        "dph_base": round(PER_HOUR - _DISK_PER_HOUR, 4),
        "dph_total": PER_HOUR,
        "storage_cost": _DISK_PER_HOUR,
    }
