"""The control interface, for tests: shows what came, and sets what goes wrong."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from aiohttp import web

from .answering import Json, Refusal, decode, json_answer, method_not_allowed, not_found, whole
from .mischief.fault_plan import FaultPlan, FaultPlayer, NoSuchWorkerError
from .mischief.gates import Gates
from .mischief.overrides import Override, Overrides
from .mischief.script import Script, ScriptPlayer
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
    script_player: ScriptPlayer

    async def answer(self, method: str, target: str, body: bytes) -> web.StreamResponse:
        """Answers a request. Raises Refusal for unknown paths and for bodies without sense."""
        path, _, query = target.removeprefix(PREFIX).partition("?")
        shown = await self._obey(method, path, query, body)
        return whole(b"", 204) if shown is None else json_answer(shown)

    async def _obey(self, method: str, path: str, query: str, body: bytes) -> Json:
        """Does what a request asks for. Returns what it shows, if it shows anything."""
        match path.split("/"), method:
            case ["calls"], "GET":
                return await self._list(query)
            case ["calls"], "DELETE":
                self.calls.forget()
            case ["stats"], "GET":
                return self.stats()
            case ["gates", name], "POST" if name:
                return {"opened": self.gates.open(unquote(name))}
            case ["gates", name], "PUT" if name:
                self.gates.shut(unquote(name))
            case ["workers"], "GET":
                return self.fleet.to_json()
            case ["workers"], "DELETE":
                self.fleet.registered.forget()
            case ["workers", number], "PUT":
                return await self._set_worker(number, decode(body, WorkerState, "detail"))
            case ["endpoints", name, "key"], "PUT":
                return self._renew_key(unquote(name), query)
            case ["overrides", page], "PUT":
                self.overrides.set(page, decode(body, Override, "detail"))
            case ["overrides", page], "DELETE":
                self.overrides.set(page, None)
            case ["faults"], "PUT":
                try:
                    await self.fault_player.start(decode(body, FaultPlan, "detail"))
                except NoSuchWorkerError as error:
                    raise Refusal(400, {"detail": str(error)}) from None
            case ["script"], "PUT":
                self.script_player.play(decode(body, Script, "detail"))
            case ["script"], "DELETE":
                self.script_player.play(Script())
            case ["faults"], "DELETE":
                await self.fault_player.stop()
            case ["calls" | "stats" | "workers"], _:
                raise method_not_allowed("GET")
            case ["gates", _], _:
                raise method_not_allowed("POST")
            case (
                (
                    ["workers", _]
                    | ["endpoints", _, "key"]
                    | ["overrides", _]
                    | ["faults" | "script"]
                ),
                _,
            ):
                raise method_not_allowed("PUT")
            case _:
                raise not_found()
        return None

    async def _list(self, query: str) -> Json:
        asked = _DEFAULTS | {name: values[-1] for name, values in parse_qs(query).items()}
        try:
            seconds, count, tail = float(asked["timeout"]), int(asked["count"]), int(asked["tail"])
        except ValueError as error:
            raise Refusal(400, {"detail": str(error)}) from None
        outcome, path = asked.get("wait_for"), asked.get("path")
        if outcome is not None:
            if outcome not in _OUTCOMES:
                raise Refusal(400, {"detail": f"wait_for={outcome}: no such outcome"})
            try:
                async with asyncio.timeout(seconds):
                    await self.calls.wait_for(outcome, count, path)
            except TimeoutError:
                detail = f"no {count} calls {outcome} in {seconds} s"
                raise Refusal(408, {"detail": detail}) from None
        return self.calls.to_json(tail, path)

    async def _set_worker(self, number: str, state: WorkerState) -> Json:
        workers = {str(worker.number): worker for worker in self.fleet.own}
        if number not in workers:
            raise not_found()
        try:
            await workers[number].set(state)
        except OSError as error:
            raise Refusal(409, {"detail": f"worker {number} cannot listen: {error}"}) from None
        return workers[number].to_json()

    def _renew_key(self, name: str, query: str) -> Json:
        if name not in self.account.endpoints:
            raise not_found()
        hidden = parse_qs(query).get("hidden") == ["1"]
        return {"api_key": self.account.renew_key(name, hidden=hidden)}
