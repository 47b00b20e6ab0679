"""The stand-in as a whole: Vast's OpenAI interface, console, router and workers, on ports."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from aiohttp import hdrs, web

from .answering import Answering, Json, Refusal, method_not_allowed, receive, whole
from .control import PREFIX, Control
from .listener import Listener
from .mischief.fault_plan import FaultPlan, FaultPlayer
from .mischief.gates import Gates
from .mischief.mishaps import Chance
from .mischief.overrides import Overrides
from .mischief.script import ScriptPlayer
from .model_server.machine import PREFIX as MACHINE_PREFIX
from .model_server.machine import Machine
from .model_server.media import Modality
from .model_server.model import CHAT, COMPLETION, Model
from .model_server.vllm import Vllm
from .received_calls import ReceivedCalls
from .recorder import Recorder
from .vast.account import Account
from .vast.admission import Admission
from .vast.console import Console
from .vast.fleet import Fleet
from .vast.instances import INSTANCES, Instances
from .vast.openai_gateway import OpenAIGateway
from .vast.own_worker import OwnWorker
from .vast.route_signing import RouteSigner
from .vast.router import Router
from .vast.routes import DEFAULT_ROUTES, known, read_routes
from .vast.worker_list import WorkerList

_STOP_SECONDS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInConfig:
    """What a stand-in serves, and where. For port 0 the system chooses one."""

    api_key: str = "vast-standin-key"
    endpoints: tuple[str, ...] = ("demo",)
    workers: int = 1
    model: str = "stand-in"
    context: int = 131_072
    host: str = "127.0.0.1"
    port: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    root_cert: Path | None = None
    faults: FaultPlan | None = None
    routes: tuple[str, ...] = ()
    """What workers serve beyond chat and text completions (`vast.routes.read_routes`)."""
    model_routes: tuple[str, ...] | None = None
    """What of it the model serves. None means all of it."""
    input_modalities: tuple[Modality, ...] = ()
    """What the model takes in chats beyond text."""
    machine_key: str | None = None
    """The key that a client needs for `/v1/...`, where the stand-in plays a machine with vLLM.

    Without one, nobody needs a key there, as on the machine of a worker.
    """


class _Page(NamedTuple):
    """The answer at one path, for one method."""

    method: str
    answer: Answering

    async def open(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """Answers a request. Raises Refusal if its method is another one."""
        if request.method != self.method:
            raise method_not_allowed(self.method)
        return await self.answer(request, body)


class StandIn:
    """Serves while its context lasts.

    >>> async with StandIn(StandInConfig(endpoints=("demo",))) as standin:  # doctest: +SKIP
    ...     print(standin.url)
    http://127.0.0.1:40123
    """

    def __init__(self, config: StandInConfig) -> None:
        """Needs a running event loop.

        Raises OSError if a file cannot be read, UnknownRouteError for routes that make no sense.
        """
        self._config = config
        tls = _tls(config)
        signer = RouteSigner()
        gates = Gates()
        chance = Chance()
        overrides = Overrides()
        account = Account(config.endpoints, config.api_key)
        script_player = ScriptPlayer()
        routes = read_routes(config.routes, config.endpoints)
        served = frozenset().union(*routes.values())
        if config.model_routes is not None:
            served = known(config.model_routes)
        modalities = frozenset(config.input_modalities)
        model = Model(config.model, config.context, script_player, served, modalities)
        self._vllm = Vllm(model, gates)
        self._machine: Machine | None = None
        if config.machine_key is not None:
            self._machine = Machine(config.machine_key, self._vllm, chance)
        self._calls = ReceivedCalls()
        self._admission = Admission(signer)
        shared = (config.host, tls, self._calls, self._admission, chance, self._vllm)
        endpoints = [each for each in config.endpoints for _ in range(config.workers)]
        workers = [
            OwnWorker(number, each, *shared, DEFAULT_ROUTES | routes[each])
            for number, each in enumerate(endpoints)
        ]
        self._fleet = Fleet(workers)
        self._fault_player = FaultPlayer([worker.set for worker in workers], chance)
        self._control = Control(
            self._calls,
            gates,
            self.stats,
            self._fleet,
            account,
            overrides,
            self._fault_player,
            script_player,
        )
        self._gateway = OpenAIGateway(account, self._vllm, chance, lambda: self.url)
        router = Router(account, signer, self._fleet.ready)
        self._pages = self._recorded_pages(account, router, overrides)
        self._unrecorded = self._unrecorded_pages(router)
        self._recorder = Recorder(self._calls, self._answer)
        self._listener = Listener(self._handle, config.host, config.port, tls)

    @property
    def url(self) -> str:
        """The URL, without a slash at the end."""
        return self._listener.url

    async def __aenter__(self) -> Self:
        """Starts to listen.

        Raises OSError if the port is taken, NoSuchWorkerError if a fault names an unknown worker.
        """
        try:
            await self._listener.open()
            await self._fleet.start()
            if self._config.faults:
                await self._fault_player.start(self._config.faults)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes everything at once, whatever runs."""
        await self._fault_player.stop()
        closed = [self._listener.close(), *self._fleet.close()]
        # A connection that is still in its TLS handshake is not waited for.
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                for server in closed:
                    if server:
                        await server.wait_closed()
                await self._calls.idle()

    def stats(self) -> dict[str, Json]:
        """The numbers of TCP connections and of calls: in total, and now."""
        accepted, still_open = self._listener.connections
        return {
            "connections": accepted,
            "open_connections": still_open,
            **self._fleet.connections(),
            "calls": self._calls.total,
            "running": self._calls.running,
            "reused": self._admission.reused,
            "unsigned": self._admission.unsigned,
        }

    def _recorded_pages(
        self, account: Account, router: Router, overrides: Overrides
    ) -> dict[str, _Page]:
        root_cert = self._config.root_cert
        console = Console(account, root_cert.read_bytes() if root_cert else None)
        instances = Instances(account, self._fleet)
        list_workers = WorkerList(account, self._fleet).list_workers
        get, post = hdrs.METH_GET, hdrs.METH_POST
        return {
            "/api/v0/endptjobs/": _Page(get, overrides.over("endptjobs", console.list_endpoints)),
            INSTANCES: _Page(get, overrides.over("instance", instances.show)),
            "/static/jvastai_root.cer": _Page(get, overrides.over("root", console.root)),
            "/route/": _Page(post, overrides.over("route", router.route)),
            "/get_endpoint_workers/": _Page(post, overrides.over("workers", list_workers)),
            **{
                path: _Page(post, self._vllm.open_path)
                for path in (CHAT[0], COMPLETION[0], *self._vllm.model.routes)
            },
        }

    def _unrecorded_pages(self, router: Router) -> dict[str, _Page]:
        """Pages that real workers ask for by themselves: such requests are nobody's calls."""
        get, post = hdrs.METH_GET, hdrs.METH_POST
        return {
            "/pubkey/": _Page(get, router.public_key),
            "/worker_status/": _Page(post, self._take_worker_status),
            "/delete_requests/": _Page(post, _ok),
            "/health": _Page(get, _ok),
        }

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        target = request.raw_path
        page = self._unrecorded.get(target)
        if page is None and not target.startswith(PREFIX):
            return await self._recorder.handle(request)
        body = bytearray()
        try:
            await receive(request, body)
            if page is None:
                return await self._control.answer(request.method, target, bytes(body))
            return await page.open(request, bytes(body))
        except Refusal as refusal:
            return refusal.answer()

    async def _answer(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if self._machine and request.raw_path.startswith(MACHINE_PREFIX):
            return await self._machine.answer(request, body)
        path = request.raw_path.partition("?")[0]
        page = self._pages.get(INSTANCES if path.startswith(INSTANCES) else path)
        return await (page.open if page else self._gateway.answer)(request, body)

    async def _take_worker_status(self, _: web.BaseRequest, body: bytes) -> web.StreamResponse:
        self._fleet.registered.report(body)
        return whole(b"")


def _tls(config: StandInConfig) -> ssl.SSLContext | None:
    if not config.tls_cert:
        return None
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(config.tls_cert, config.tls_key)
    return tls


async def _ok(_: web.BaseRequest, __: bytes) -> web.StreamResponse:
    return whole(b"")
