"""The control interface, for tests: which calls came, and when a gated stream may go on."""

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qs, unquote

import msgspec
from aiohttp import web

from .calls import Calls
from .errors import method_not_allowed, not_found
from .exchange import whole
from .gates import Gates
from .schema import Json

PREFIX = "/_standin/"

# How long a request waits for calls, and for how many, where it does not say.
_DEFAULTS = {"timeout": "10", "count": "1", "tail": "1000"}
_OUTCOMES = {"running", "done", "cancelled"}


class Control:
    """Answers what is below `/_standin/`. It needs no key: the stand-in holds no secret."""

    def __init__(self, calls: Calls, gates: Gates, stats: Callable[[], Json]) -> None:
        self._calls = calls
        self._gates = gates
        self._stats = stats

    async def answer(self, method: str, target: str) -> web.StreamResponse:
        """Raises Refusal for what there is not."""
        path, _, query = target.removeprefix(PREFIX).partition("?")
        match path.split("/"), method:
            case ["calls"], "GET":
                return await self._list(query)
            case ["calls"], "DELETE":
                self._calls.forget()
                return whole(b"", 204)
            case ["stats"], "GET":
                return _json(self._stats())
            case ["gates", name], "POST" if name:
                return _json({"opened": self._gates.open(unquote(name))})
            case ["calls" | "stats"], _:
                raise method_not_allowed("GET")
            case ["gates", _], _:
                raise method_not_allowed("POST")
        raise not_found()

    async def _list(self, query: str) -> web.StreamResponse:
        asked = _DEFAULTS | {name: values[-1] for name, values in parse_qs(query).items()}
        try:
            seconds, count, tail = float(asked["timeout"]), int(asked["count"]), int(asked["tail"])
        except ValueError as error:
            return _json({"detail": str(error)}, 400)
        outcome = asked.get("wait_for")
        if outcome is not None:
            if outcome not in _OUTCOMES:
                return _json({"detail": f"wait_for={outcome}: no such outcome"}, 400)
            try:
                async with asyncio.timeout(seconds):
                    await self._calls.wait_for(outcome, count)
            except TimeoutError:
                return _json({"detail": f"no {count} calls {outcome} in {seconds} s"}, 408)
        return _json(self._calls.to_json(tail))


def _json(value: Json, status: int = 200) -> web.Response:
    return whole(msgspec.json.encode(value), status)
