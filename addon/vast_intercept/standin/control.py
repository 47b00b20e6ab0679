"""The control interface, for tests: what came, what goes on, and what goes wrong."""

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qs, unquote

import msgspec
from aiohttp import web

from .calls import Calls
from .endpoints import Endpoints
from .errors import Refusal, method_not_allowed, not_found
from .exchange import whole
from .fault_plan import FaultPlan, FaultPlayer, NoSuchWorkerError
from .fleet import Fleet
from .gates import Gates
from .overrides import NAMES, Overridable, Override, Overrides
from .schema import Json
from .worker_state import WorkerState

PREFIX = "/_standin/"

# How long a request waits for calls, and for how many, where it does not say.
_DEFAULTS = {"timeout": "10", "count": "1", "tail": "10000"}
_OUTCOMES = {"running", "done", "cancelled"}


class Control:
    """Answers what is below `/_standin/`. It needs no key: the stand-in holds no secret."""

    def __init__(
        self,
        *,
        calls: Calls,
        gates: Gates,
        stats: Callable[[], Json],
        fleet: Fleet,
        endpoints: Endpoints,
        overrides: Overrides,
        fault_player: FaultPlayer,
    ) -> None:
        self._calls = calls
        self._gates = gates
        self._stats = stats
        self._fleet = fleet
        self._endpoints = endpoints
        self._overrides = overrides
        self._fault_player = fault_player

    async def answer(self, method: str, target: str, body: bytes) -> web.StreamResponse:
        """Raises Refusal for what there is not."""
        path, _, query = target.removeprefix(PREFIX).partition("?")
        match path.split("/"), method:
            case ["calls"], "GET":
                return await self._list(query)
            case ["calls"], "DELETE":
                self._calls.forget()
                return _done()
            case ["stats"], "GET":
                return _json(self._stats())
            case ["gates", name], "POST" if name:
                return _json({"opened": self._gates.open(unquote(name))})
            case ["gates", name], "PUT" if name:
                self._gates.shut(unquote(name))
                return _done()
            case ["workers"], "GET":
                return _json(self._fleet.to_json())
            case ["workers"], "DELETE":
                self._fleet.registered.forget()
                return _done()
            case ["workers", number], "PUT":
                return await self._set_worker(number, _read(body, WorkerState))
            case ["endpoints", name, "key"], "PUT":
                return self._renew_key(unquote(name), query)
            case ["overrides", what], "PUT":
                self._overrides.set(_overridable(what), _read(body, Override))
                return _done()
            case ["overrides", what], "DELETE":
                self._overrides.remove(_overridable(what))
                return _done()
            case ["faults"], "PUT":
                return await self._start_faults(_read(body, FaultPlan))
            case ["faults"], "DELETE":
                await self._fault_player.stop()
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
                    await self._calls.wait_for(outcome, count, path)
            except TimeoutError:
                return _json({"detail": f"no {count} calls {outcome} in {seconds} s"}, 408)
        return _json(self._calls.to_json(tail, path))

    async def _set_worker(self, number: str, state: WorkerState) -> web.StreamResponse:
        workers = {str(worker.number): worker for worker in self._fleet.own}
        if number not in workers:
            raise not_found()
        try:
            await workers[number].set(state)
        except OSError as error:
            raise Refusal(409, {"detail": f"worker {number} cannot listen: {error}"}) from None
        return _json(workers[number].to_json())

    def _renew_key(self, name: str, query: str) -> web.StreamResponse:
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            raise not_found()
        hidden = parse_qs(query).get("hidden") == ["1"]
        return _json({"api_key": self._endpoints.renew_key(endpoint, hidden=hidden)})

    async def _start_faults(self, plan: FaultPlan) -> web.StreamResponse:
        try:
            await self._fault_player.start(plan)
        except NoSuchWorkerError as error:
            raise _meaningless(str(error)) from None
        return _done()


def _overridable(what: str) -> Overridable:
    for name in NAMES:
        if name == what:
            return name
    raise not_found()


def _read[T](body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _meaningless(str(error)) from None


def _meaningless(detail: str) -> Refusal:
    return Refusal(400, {"detail": detail})


def _json(value: Json, status: int = 200) -> web.Response:
    return whole(msgspec.json.encode(value), status)


def _done() -> web.Response:
    return whole(b"", 204)
