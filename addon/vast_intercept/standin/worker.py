"""A worker of the stand-in's own: a server on a port, as Vast's PyWorker in front of a vLLM."""

import asyncio
import ssl
from typing import Protocol

from aiohttp import hdrs, web

from . import faults
from .admission import Admission
from .calls import Calls
from .errors import Refusal
from .exchange import Answer, HangUp, Passage, whole
from .listener import Listener
from .mishaps import Chance, Mishap
from .recorder import Recorder, refused
from .schema import Json
from .worker_call import InvalidCall, read_worker_call
from .worker_state import READY, WorkerState

_OPERATIONS = {"/v1/chat/completions", "/v1/completions"}


class ModelServer(Protocol):
    """The vLLM behind a worker."""

    async def __call__(
        self,
        request: web.BaseRequest,
        operation: str,
        body: bytes,
        mishap: Mishap | None,
        passage: Passage,
    ) -> web.StreamResponse:
        """Answers the body that came with the request."""
        ...


class Worker:
    """Has its port from when it starts, and keeps it whatever becomes of it."""

    def __init__(
        self,
        number: int,
        endpoint: str,
        *,
        host: str,
        tls: ssl.SSLContext | None,
        calls: Calls,
        admission: Admission,
        chance: Chance,
        model_server: ModelServer,
    ) -> None:
        self.number = number
        self.endpoint = endpoint
        self._admission = admission
        self._chance = chance
        self._model_server = model_server
        self._passage = _PyWorker(self)
        self._state = READY
        self._changing = asyncio.Lock()
        self._becoming_ready: asyncio.TimerHandle | None = None
        self._answered = 0
        self.listener = Listener(Recorder(calls, self._answer, number).handle, host, 0, tls)

    @property
    def url(self) -> str:
        """Where the router sends calls."""
        return self.listener.url

    @property
    def listed(self) -> bool:
        """Whether the router does."""
        return self._state.listed and self._state.state != "cold"

    @property
    def status(self) -> str:
        """What Vast's list of workers says of it, which does not know how a worker answers."""
        if self._state.state == "dead":
            return "unavail"
        if self._becoming_ready:
            return "loading"
        return "idle" if self.listed else "stopped"

    def to_json(self) -> Json:
        """As the control interface shows it."""
        return {
            "number": self.number,
            "endpoint": self.endpoint,
            "url": self.url,
            "state": self._state.state,
            "listed": self.listed,
            "calls": self._answered,
        }

    async def set(self, state: WorkerState) -> None:
        """Makes it so, from now on. Raises OSError if it cannot listen again."""
        async with self._changing:
            self._stop_waiting()
            if state.state == "dead":
                self._state = state
                self.listener.close_for_now()
                return
            await self.listener.open()
            self._state = state
            if state.state == "cold" and state.ready_after is not None:
                loop = asyncio.get_running_loop()
                self._becoming_ready = loop.call_later(state.ready_after, self._become_ready)

    def close(self) -> asyncio.Server | None:
        """Ends everything at once. What it returns can be waited for."""
        self._stop_waiting()
        return self.listener.close()

    async def stay_silent_if_hung(self) -> None:
        """Returns at once if it is not hung, and never otherwise."""
        if self._state.state == "hung":
            await asyncio.sleep(faults.SILENCE)
            raise HangUp

    def _become_ready(self) -> None:
        self._state = READY
        self._becoming_ready = None

    def _stop_waiting(self) -> None:
        if self._becoming_ready:
            self._becoming_ready.cancel()
            self._becoming_ready = None

    async def _answer(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        response = await self._respond(request, body)
        await self.stay_silent_if_hung()
        self._answered += 1
        return response

    async def _respond(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        operation = request.raw_path.partition("?")[0]
        if operation not in _OPERATIONS:
            return web.Response(status=404, text="404: Not Found")
        if request.method != hdrs.METH_POST:
            return web.Response(
                status=405, text="405: Method Not Allowed", headers={"allow": "POST"}
            )
        try:
            call = read_worker_call(body)
        except InvalidCall as invalid:
            return web.json_response(invalid.body, status=422)
        if call.session_id is not None:
            return web.json_response({"error": "invalid session"}, status=410)
        if not await self._admission.admits(call.auth_data):
            return web.Response(status=401)
        mishap = self._chance.draw()
        await self.stay_silent_if_hung()
        match self._state.state:
            case "refusing":
                told = self._state
                return whole(told.body.encode(), told.status, headers=told.headers)
            case "slow":
                await asyncio.sleep(self._state.delay)
            case "breaking":
                mishap = "cut"
        return await self._pass_on(request, operation, call.payload, mishap)

    async def _pass_on(
        self, request: web.BaseRequest, operation: str, payload: bytes, mishap: Mishap | None
    ) -> web.StreamResponse:
        try:
            response = await self._model_server(request, operation, payload, mishap, self._passage)
        except Refusal as refusal:
            response = refused(refusal)
        if not response.prepared:
            # Without its parameters; aiohttp has one for what has none.
            response.headers[hdrs.CONTENT_TYPE] = response.content_type
        return response


class _PyWorker(Passage):
    """Of a stream, the PyWorker passes on the bytes and what they are, without parameters."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def headers(self, answer: Answer) -> dict[str, str]:
        if answer.stream:
            return {"content-type": answer.content_type.partition(";")[0]}
        return super().headers(answer)

    async def passable(self) -> None:
        await self._worker.stay_silent_if_hung()
