"""The stand-in: Vast's OpenAI interface, its console and its router, and the workers."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote

from aiohttp import hdrs, web

from . import errors, faults
from .admission import Admission
from .calls import Calls
from .console import Console
from .control import PREFIX, Control
from .endpoints import Endpoints
from .exchange import DIRECT, Exchange, Passage, whole
from .fault_plan import FaultPlan, FaultPlayer
from .fleet import Fleet
from .gates import Gates
from .listener import Listener
from .mishaps import Chance, Mishap, befallen
from .model import CHAT, COMPLETION, Model
from .overrides import Overrides
from .recorder import Answering, Recorder, receive, refused
from .router import Router
from .schema import Json
from .signing import Signer
from .worker import Worker
from .worker_list import WorkerList

_STOP_SECONDS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInConfig:
    """What a stand-in serves, and where. Port 0 is one of the system's choice."""

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


class _Page(NamedTuple):
    """What is at one path, for one method."""

    method: str
    answer: Answering


class StandIn:
    """Serves while its context lasts.

    >>> async with StandIn(StandInConfig(endpoints=("demo",))) as standin:  # doctest: +SKIP
    ...     print(standin.url)
    http://127.0.0.1:40123
    """

    def __init__(self, config: StandInConfig) -> None:
        """Needs a running event loop. Raises OSError if a file cannot be read."""
        self._config = config
        tls = _tls(config)
        signer = Signer()
        self._model = Model(config.model, config.context)
        self._calls = Calls()
        self._gates = Gates()
        self._chance = Chance()
        self._admission = Admission(signer)
        self._fleet = Fleet(
            [
                self._worker(number, endpoint, tls)
                for number, endpoint in enumerate(
                    endpoint for endpoint in config.endpoints for _ in range(config.workers)
                )
            ]
        )
        endpoints = Endpoints(config.endpoints, config.api_key)
        overrides = Overrides()
        self._fault_player = FaultPlayer(self._fleet, self._chance)
        self._control = Control(
            calls=self._calls,
            gates=self._gates,
            stats=self.stats,
            fleet=self._fleet,
            endpoints=endpoints,
            overrides=overrides,
            fault_player=self._fault_player,
        )
        console = Console(endpoints, config.api_key, config.root_cert)
        router = Router(endpoints, signer, self._fleet.ready)
        worker_list = WorkerList(endpoints, config.api_key, self._fleet)
        self._operations = {
            f"/{quote(endpoint, safe='')}{suffix}": suffix
            for endpoint in config.endpoints
            for suffix in (*CHAT, *COMPLETION)
        }
        self._pages = {
            "/api/v0/endptjobs/": _Page(
                hdrs.METH_GET, overrides.over("endptjobs", console.list_endpoints)
            ),
            "/static/jvastai_root.cer": _Page(
                hdrs.METH_GET, overrides.over("root", console.root_certificate)
            ),
            "/route/": _Page(hdrs.METH_POST, overrides.over("route", router.route)),
            "/get_endpoint_workers/": _Page(
                hdrs.METH_POST, overrides.over("workers", worker_list.list_workers)
            ),
            CHAT[0]: _Page(hdrs.METH_POST, self._answer_as_model),
            COMPLETION[0]: _Page(hdrs.METH_POST, self._answer_as_model),
        }
        # What real workers ask by themselves is no call of anyone's.
        self._unrecorded = {
            "/pubkey/": _Page(hdrs.METH_GET, router.public_key),
            "/worker_status/": _Page(hdrs.METH_POST, self._take_worker_status),
            "/delete_requests/": _Page(hdrs.METH_POST, _ok),
            "/health": _Page(hdrs.METH_GET, _ok),
        }
        self._recorder = Recorder(self._calls, self._answer)
        self._listener = Listener(self._handle, config.host, config.port, tls)

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return self._listener.url

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens.

        Raises OSError if the port is taken, NoSuchWorkerError if the faults are for no worker.
        """
        try:
            await self._listener.open()
            await self._fleet.start()
            if self._config.faults:
                await self._fault_player.start(self._config.faults)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
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
        """Numbers of TCP connections and of calls, ever and now."""
        return {
            "connections": self._listener.accepted,
            "open_connections": self._listener.open_connections,
            **self._fleet.connections(),
            "calls": self._calls.total,
            "running": self._calls.running,
            "reused": self._admission.reused,
            "unsigned": self._admission.unsigned,
        }

    def _worker(self, number: int, endpoint: str, tls: ssl.SSLContext | None) -> Worker:
        return Worker(
            number,
            endpoint,
            host=self._config.host,
            tls=tls,
            calls=self._calls,
            admission=self._admission,
            chance=self._chance,
            model_server=self._serve,
        )

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
            return await _open(page, request, bytes(body))
        except errors.Refusal as refusal:
            return refused(refusal)

    async def _answer(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        page = self._pages.get(path)
        if page:
            return await _open(page, request, body)
        scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if key != self._config.api_key or scheme.lower() != "bearer":
            raise errors.unauthorized()
        operation = self._operations.get(path)
        if operation is None:
            return self._redirect(path, query)
        if request.method != hdrs.METH_POST:
            raise errors.method_not_allowed()
        _check_content_type(request)
        return await self._serve(request, operation, body, self._chance.draw(), DIRECT)

    async def _answer_as_model(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        _check_content_type(request)
        operation = request.raw_path.partition("?")[0]
        return await self._serve(request, operation, body, None, DIRECT)

    async def _serve(
        self,
        request: web.BaseRequest,
        operation: str,
        body: bytes,
        mishap: Mishap | None,
        passage: Passage,
    ) -> web.StreamResponse:
        request_id = request.headers.get("x-request-id")
        answer, told = self._model.generate(operation, body, request_id)
        told = befallen(told, mishap)
        if told.first_delay:
            await asyncio.sleep(told.first_delay)
        if told.status is not None:
            return whole(told.body.encode(), told.status, headers=told.headers)
        exchange = Exchange(request, answer, told, self._gates, passage)
        if told.fault is None:
            return await exchange.reply()
        return await faults.play(exchange, told.fault)

    def _redirect(self, path: str, query: str) -> web.StreamResponse:
        """vLLM knows its paths without a slash at the end, and says so to who adds one."""
        stripped = path.removesuffix("/")
        if stripped not in self._operations:
            raise errors.not_found()
        location = f"{self.url}{stripped}{'?' if query else ''}{query}"
        return whole(b"", 307, headers={"location": location})

    async def _take_worker_status(self, _: web.BaseRequest, body: bytes) -> web.StreamResponse:
        self._fleet.registered.report(body)
        return whole(b"")


def _tls(config: StandInConfig) -> ssl.SSLContext | None:
    if not config.tls_cert:
        return None
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(config.tls_cert, config.tls_key)
    return tls


def _check_content_type(request: web.BaseRequest) -> None:
    content_type = request.headers.get(hdrs.CONTENT_TYPE, "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise errors.wrong_content_type()


async def _open(page: _Page, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    if request.method != page.method:
        raise errors.method_not_allowed(page.method)
    return await page.answer(request, body)


async def _ok(_: web.BaseRequest, __: bytes) -> web.StreamResponse:
    return whole(b"")
