"""The control interface, for tests: shows what came, and sets what goes wrong."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from aiohttp import web

from .answering import Json, Refusal, decode, json_answer, method_not_allowed, not_found, whole
from .mischief.fault_plan import FaultPlan, FaultPlayer, NoSuchWorkerError
from .mischief.gates import Gates
from .mischief.overrides import NAMES, Overridable, Override, Overrides
from .mischief.worker_state import WorkerState
from .received_calls import ReceivedCalls
from .vast.account import Account
from .vast.fleet import Fleet

PREFIX = "/_standin/"

# Defaults of a query: seconds to wait, the number of calls to wait for, and of calls to list.
_DEFAULTS = {"timeout": "10", "count": "1", "tail": "10000"}
_OUTCOMES = {"running", "done", "cancelled"}


@dataclass(frozen=True, slots=True)
class Control:
    """Answers the paths below `/_standin/`. It needs no key: the stand-in holds no secret."""

    calls: ReceivedCalls
    gates: Gates
    stats: Callable[[], Json]
    fleet: Fleet
    account: Account
    overrides: Overrides
    fault_player: FaultPlayer

    async def answer(self, method: str, target: str, body: bytes) -> web.StreamResponse:
        """Answers a request. Raises Refusal for unknown paths and for bodies without sense."""
        path, _, query = target.removeprefix(PREFIX).partition("?")
        match path.split("/"), method:
            case ["calls"], "GET":
                return await self._list(query)
            case ["calls"], "DELETE":
                self.calls.forget()
                return _done()
            case ["stats"], "GET":
                return json_answer(self.stats())
            case ["gates", name], "POST" if name:
                return json_answer({"opened": self.gates.open(unquote(name))})
            case ["gates", name], "PUT" if name:
                self.gates.shut(unquote(name))
                return _done()
            case ["workers"], "GET":
                return json_answer(self.fleet.to_json())
            case ["workers"], "DELETE":
                self.fleet.registered.forget()
                return _done()
            case ["workers", number], "PUT":
                return await self._set_worker(number, decode(body, WorkerState, "detail"))
            case ["endpoints", name, "key"], "PUT":
                return self._renew_key(unquote(name), query)
            case ["overrides", what], "PUT":
                self.overrides.set(_overridable(what), decode(body, Override, "detail"))
                return _done()
            case ["overrides", what], "DELETE":
                self.overrides.remove(_overridable(what))
                return _done()
            case ["faults"], "PUT":
                return await self._start_faults(decode(body, FaultPlan, "detail"))
            case ["faults"], "DELETE":
                await self.fault_player.stop()
                return _done()
            case ["calls" | "stats" | "workers"], _:
                raise method_not_allowed("GET")
            case ["gates", _], _:
                raise method_not_allowed("POST")
            case ((["workers", _] | ["endpoints", _, "key"] | ["overrides", _] | ["faults"]), _):
                raise method_not_allowed("PUT")
        raise not_found()

    async def _list(self, query: str) -> web.StreamResponse:
        asked = _DEFAULTS | {name: values[-1] for name, values in parse_qs(query).items()}
        try:
            seconds, count, tail = float(asked["timeout"]), int(asked["count"]), int(asked["tail"])
        except ValueError as error:
            raise _meaningless(str(error)) from None
        outcome, path = asked.get("wait_for"), asked.get("path")
        if outcome is not None:
            if outcome not in _OUTCOMES:
                raise _meaningless(f"wait_for={outcome}: no such outcome")
            try:
                async with asyncio.timeout(seconds):
                    await self.calls.wait_for(outcome, count, path)
            except TimeoutError:
                return json_answer({"detail": f"no {count} calls {outcome} in {seconds} s"}, 408)
        return json_answer(self.calls.to_json(tail, path))

    async def _set_worker(self, number: str, state: WorkerState) -> web.StreamResponse:
        workers = {str(worker.number): worker for worker in self.fleet.own}
        if number not in workers:
            raise not_found()
        try:
            await workers[number].set(state)
        except OSError as error:
            raise Refusal(409, {"detail": f"worker {number} cannot listen: {error}"}) from None
        return json_answer(workers[number].to_json())

    def _renew_key(self, name: str, query: str) -> web.StreamResponse:
        endpoint = self.account.get(name)
        if endpoint is None:
            raise not_found()
        hidden = parse_qs(query).get("hidden") == ["1"]
        return json_answer({"api_key": self.account.renew_key(endpoint, hidden=hidden)})

    async def _start_faults(self, plan: FaultPlan) -> web.StreamResponse:
        try:
            await self.fault_player.start(plan)
        except NoSuchWorkerError as error:
            raise _meaningless(str(error)) from None
        return _done()


def _overridable(what: str) -> Overridable:
    for name in NAMES:
        if name == what:
            return name
    raise not_found()


def _meaningless(detail: str) -> Refusal:
    return Refusal(400, {"detail": detail})


def _done() -> web.Response:
    return whole(b"", 204)
