"""The stand-in's HTTP server."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Self
from urllib.parse import quote

import msgspec
from aiohttp import hdrs, web

from . import answers, errors, faults
from .calls import Call, Calls
from .control import PREFIX, Control
from .exchange import Answer, Exchange, HangUp, whole
from .gates import Gates
from .instructions import Instructions
from .requests import Chat, read_chat, read_completion
from .schema import Json

_MAX_BODY = 100 * 1024 * 1024
_MAX_HEADER = 1024 * 1024
_STOP_SECONDS = 1

_CHAT = ("/v1/chat/completions", "/chat/completions")
_COMPLETION = ("/v1/completions", "/completions")


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInConfig:
    """What a stand-in serves, and where. Port 0 is one of the system's choice."""

    api_key: str = "vast-standin-key"
    endpoints: tuple[str, ...] = ("demo",)
    model: str = "stand-in"
    context: int = 131_072
    host: str = "127.0.0.1"
    port: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None


class _Server(web.Server):
    """aiohttp's, counting the connections."""

    accepted = 0

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Called once a connection stands, TLS included."""
        self.accepted += 1
        super().connection_made(handler, transport)


class StandIn:
    """Serves while its context lasts.

    >>> async with StandIn(StandInConfig(endpoints=("demo",))) as standin:  # doctest: +SKIP
    ...     print(standin.url)
    http://127.0.0.1:40123
    """

    def __init__(self, config: StandInConfig) -> None:
        self._config = config
        self._paths = {
            f"/{quote(endpoint, safe='')}{suffix}": suffix
            for endpoint in config.endpoints
            for suffix in (*_CHAT, *_COMPLETION)
        }
        self._ids = count(1)
        self._calls = Calls()
        self._gates = Gates()
        self._control = Control(self._calls, self._gates, self.stats)
        self._server: _Server | None = None
        self._listener: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens. Raises OSError if the port is taken, or the certificate cannot be read."""
        config = self._config
        tls = None
        if config.tls_cert:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(config.tls_cert, config.tls_key)
        self._server = _Server(
            self._handle,
            handler_cancellation=True,  # a client that leaves is noticed at once, as vLLM does
            access_log=None,
            auto_decompress=False,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
        )
        self._listener = await asyncio.get_running_loop().create_server(
            self._server, config.host, config.port, ssl=tls, backlog=1024
        )
        port = self._listener.sockets[0].getsockname()[1]
        host = f"[{config.host}]" if ":" in config.host else config.host
        self.url = f"https://localhost:{port}" if tls else f"http://{host}:{port}"

    async def stop(self) -> None:
        """Closes everything at once, whatever runs."""
        if self._listener is None or self._server is None:
            return
        listener, self._listener = self._listener, None
        listener.close()
        for connection in self._server.connections:
            if connection.transport:
                connection.transport.abort()
        # A connection that is still in its TLS handshake is not among them, and not waited for.
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await listener.wait_closed()
                await self._calls.idle()

    def stats(self) -> dict[str, Json]:
        """Numbers of TCP connections and of calls, ever and now."""
        assert self._server
        return {
            "connections": self._server.accepted,
            "open_connections": len(self._server.connections),
            "calls": self._calls.total,
            "running": self._calls.running,
        }

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        target = request.raw_path
        if target.startswith(PREFIX):
            try:
                return await self._control.answer(request.method, target)
            except errors.Refusal as refusal:
                return _refused(refusal)
        received = bytearray()
        try:
            await _receive(request, received)
        except errors.Refusal as refusal:
            self._calls.end(self._begin(request, received), "done")
            return _refused(refusal)
        except BaseException:
            self._calls.end(self._begin(request, received), "cancelled")
            raise
        # Noted only now, so that whoever waits for the call finds all of its body.
        call = self._begin(request, received)
        try:
            response = await self._answer(request, bytes(received))
        except errors.Refusal as refusal:
            response = _refused(refusal)
        except (HangUp, ConnectionError) as end:
            self._calls.end(call, "done" if isinstance(end, HangUp) else "cancelled")
            _cut_connection(request)
            # aiohttp must not answer. The end of the connection cancels this.
            await asyncio.Event().wait()
            raise
        except BaseException:
            self._calls.end(call, "cancelled")
            raise
        self._calls.end(call, "done")
        return response

    def _begin(self, request: web.BaseRequest, body: bytearray) -> Call:
        return self._calls.begin(request.method, request.raw_path, request.raw_headers, body)

    async def _answer(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if key != self._config.api_key or scheme.lower() != "bearer":
            raise errors.unauthorized()
        path, _, query = request.raw_path.partition("?")
        operation = self._paths.get(path)
        if operation is None:
            return self._redirect(path, query)
        if request.method != hdrs.METH_POST:
            raise errors.method_not_allowed()
        content_type = request.headers.get(hdrs.CONTENT_TYPE, "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise errors.wrong_content_type()
        answer, told = self._generate(operation, body, request.headers.get("x-request-id"))
        if told.first_delay:
            await asyncio.sleep(told.first_delay)
        if told.status is not None:
            return whole(told.body.encode(), told.status, headers=told.headers)
        exchange = Exchange(request, answer, told, self._gates)
        if told.fault is None:
            return await exchange.reply()
        return await faults.play(exchange, told.fault)

    def _redirect(self, path: str, query: str) -> web.StreamResponse:
        """vLLM knows its paths without a slash at the end, and says so to who adds one."""
        stripped = path.removesuffix("/")
        if stripped not in self._paths:
            raise errors.not_found()
        location = f"{self.url}{stripped}{'?' if query else ''}{query}"
        return whole(b"", 307, headers={"location": location})

    def _generate(
        self, operation: str, body: bytes, request_id: str | None
    ) -> tuple[Answer, Instructions]:
        request = read_chat(body) if operation in _CHAT else read_completion(body)
        request.check(self._config.model, self._config.context)
        told = request.told
        if told.fault in faults.STREAM_FAULTS and not request.stream:
            raise errors.bad_request(f"The fault {told.fault} needs a stream.", "standin.fault")
        label = answers.Label(
            request_id or f"{next(self._ids):016x}", self._config.model, self._config.context
        )
        if request.stream:
            chunks = (
                answers.chat_chunks(request, label)
                if isinstance(request, Chat)
                else answers.completion_chunks(request, label)
            )
            return Answer([*map(_event, chunks), faults.DONE], stream=True), told
        whole_answer = (
            answers.chat_whole(request, label)
            if isinstance(request, Chat)
            else answers.completion_whole(request, label)
        )
        return Answer([msgspec.json.encode(whole_answer)]), told


async def _receive(request: web.BaseRequest, received: bytearray) -> None:
    """Reads the body into `received`. Raises Refusal if there is too much of it."""
    while piece := await request.content.readany():
        received += piece
        if len(received) > _MAX_BODY:
            raise errors.too_large()


def _cut_connection(request: web.BaseRequest) -> None:
    """No end of the HTTP message, no farewell of TLS."""
    if transport := request.transport:
        # What was sent is to arrive: abort would drop what the system has not taken yet.
        end = transport.close if transport.get_write_buffer_size() else transport.abort
        end()


def _event(chunk: answers.Object) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(chunk)


def _refused(refusal: errors.Refusal) -> web.Response:
    return whole(refusal.body, refusal.status, headers=refusal.headers)
