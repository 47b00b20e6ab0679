"""A worker of the stand-in's own: a port that answers as Vast's PyWorker in front of a vLLM."""

import asyncio
import ssl
from dataclasses import InitVar, dataclass

from aiohttp import hdrs, web

from ..answering import Json, Refusal, whole
from ..listener import Listener
from ..mischief.exchange import ModelAnswer, Passage
from ..mischief.faults import stay_silent
from ..mischief.mishaps import Chance, Mishap
from ..mischief.worker_state import READY, WorkerState
from ..model_server.listed.form import Form
from ..model_server.vllm import Vllm
from ..received_calls import ReceivedCalls
from ..recorder import CALL, Recorder
from .admission import Admission
from .worker_call import InvalidCall, read_worker_call


@dataclass
class OwnWorker(Passage):
    """A worker, which keeps its port from its start on, whatever state it is put in.

    vLLM's answers pass through it: it drops the parameters of a stream's content type.
    """

    number: int
    endpoint: str
    host: InitVar[str]
    tls: InitVar[ssl.SSLContext | None]
    calls: InitVar[ReceivedCalls]
    admission: Admission
    chance: Chance
    model_server: Vllm
    routes: frozenset[str]

    def __post_init__(self, host: str, tls: ssl.SSLContext | None, calls: ReceivedCalls) -> None:
        self._state = READY
        self._changing = asyncio.Lock()
        self._becoming_ready: asyncio.TimerHandle | None = None
        self._answered = 0
        self._load = 0.0
        self.listener = Listener(Recorder(calls, self._answer, self.number).handle, host, 0, tls)

    @property
    def listed(self) -> bool:
        """Whether the router sends it calls."""
        return self._state.listed and self._state.state != "cold"

    @property
    def status(self) -> str:
        """The status in Vast's list of workers, which does not depend on how the worker answers."""
        if self._state.state == "dead":
            return "unavail"
        if self._becoming_ready:
            return "loading"
        return "idle" if self.listed else "stopped"

    def to_json(self) -> Json:
        """The worker, as the control interface shows it."""
        return {
            "number": self.number,
            "endpoint": self.endpoint,
            "url": self.listener.url,
            "state": self._state.state,
            "listed": self.listed,
            "calls": self._answered,
            "load": self._load,
        }

    async def set(self, state: WorkerState) -> None:
        """Puts the worker into a state. Raises OSError if it cannot listen again."""
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
        """Ends everything at once. Returns the server, whose end can be waited for."""
        self._stop_waiting()
        return self.listener.close()

    def headers(self, answer: ModelAnswer) -> dict[str, str]:
        """The headers that reach the client."""
        if answer.stream:
            return {"content-type": answer.content_type.partition(";")[0]}
        return super().headers(answer)

    async def passable(self) -> None:
        """Returns at once, unless the worker is hung: then it hangs up after a long silence."""
        if self._state.state == "hung":
            await stay_silent()

    def _become_ready(self) -> None:
        self._state = READY
        self._becoming_ready = None

    def _stop_waiting(self) -> None:
        if self._becoming_ready:
            self._becoming_ready.cancel()
            self._becoming_ready = None

    async def _answer(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        response = await self._respond(request, body)
        await self.passable()
        self._answered += 1
        return response

    async def _respond(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        route = request.raw_path.partition("?")[0]
        if route not in self.routes:
            return web.Response(status=404, text="404: Not Found")
        if request.method != hdrs.METH_POST:
            return web.Response(
                status=405, text="405: Method Not Allowed", headers={"allow": "POST"}
            )
        try:
            call = read_worker_call(route, body)
        except InvalidCall as invalid:
            return web.json_response(invalid.body, status=422)
        if call.session_id is not None:
            return web.json_response({"error": "invalid session"}, status=410)
        if not await self.admission.admits(call.auth_data):
            return web.Response(status=401)
        received = request[CALL]
        received.load, received.cost = call.load, call.cost
        self._load += call.load
        mishap = self.chance.draw()
        await self.passable()
        match self._state.state:
            case "refusing":
                told = self._state
                return whole(told.body.encode(), told.status, headers=told.headers)
            case "slow":
                await asyncio.sleep(self._state.delay)
            case "breaking":
                mishap = "cut"
        return await self._pass_on(request, route, call.request, mishap)

    async def _pass_on(
        self, request: web.BaseRequest, route: str, body: bytes | Form, mishap: Mishap | None
    ) -> web.StreamResponse:
        try:
            response = await self.model_server.answer(request, route, body, mishap, self)
        except Refusal as refusal:
            response = refusal.answer()
        if not response.prepared:
            # The PyWorker drops the content type's parameters, and adds a type where there is none.
            response.headers[hdrs.CONTENT_TYPE] = response.content_type
        return response
