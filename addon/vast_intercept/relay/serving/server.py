"""The relay: a small HTTP server on a loopback port that mitmproxy hands calls to.

It exists because mitmproxy itself cannot answer a failed upstream in OpenAI's shape, cannot stream
what an addon makes, and dials anew for every client (FACTS M4, M5, M11). Each request that comes in
names a prepared call with a random token that works once; nothing else is served.
"""

import asyncio
import contextlib
import logging
import secrets
from dataclasses import replace
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ...listed_operations.upload_reader import UPLOADS
from ...openai_api.content_coding import request_too_large
from ...openai_api.error_codes import ErrorCode
from ...openai_api.error_shapes import error_body
from ...openai_api.errors import ApiError, bad_gateway
from ...openai_api.operations import LISTED, Operation
from ...openai_api.outline import Buffer
from ..call import Call
from ..failures import internal_error
from ..http_client import UpstreamProxy
from ..memory import Memory
from ..progress import Progress
from ..retrying.dispatch import Dispatcher
from ..retrying.endpoint_health import EndpointHealth
from ..stored_responses.stores import StoredResponses
from ..turns import Turns
from ..upstreams.all import Upstreams
from ..work import CountTokens, Generating, StoredResponse
from .app_body import drop, read_body, receive
from .counting import ESTIMATED, count_tokens
from .generation import Generation
from .listed_run import ListedRun
from .run import answered_here
from .stored import answer_stored
from .upload import receive_upload
from .whole_answer import JSON

TOKEN_HEADER = "x-vast-intercept-call"  # noqa: S105  (a header's name)

_HOST = "127.0.0.1"
_EXPOSED = "x-request-id, request-id, x-vast-endpoint, x-vast-attempts, retry-after"
# An app's own headers may be this long; what is too long for mitmproxy never comes here.
_MAX_HEADER = 1024 * 1024
# mitmproxy closes its connections when the app closes its own. If the relay closed them first,
# the next call could fall into the gap.
_KEEP_ALIVE = 365 * 24 * 3600
# How long what runs has to end once it was told to. Zero would mean for ever.
_SHUTDOWN = 0.1
# How long an app has to take the error that ends its call.
_LAST_WORDS = 2


class Relay:
    """Takes prepared calls and answers them. `start` and `stop` may be called more than once."""

    def __init__(self) -> None:
        self._calls: dict[str, Progress] = {}
        self._running: set[Generation | ListedRun] = set()
        self._idle = asyncio.Event()
        #: It takes no more calls for Vast.
        self.draining = False
        self._starting: asyncio.Task[None] | None = None
        self._runner: web.ServerRunner | None = None
        self._upstreams: Upstreams | None = None
        self._dispatcher: Dispatcher | None = None
        self._turns = Turns()
        self._stored = StoredResponses()
        #: What calls hold.
        self.memory = Memory()
        #: Where what was fetched of Vast is kept; to be set before `start`.
        self.folder = Path()
        #: How Vast is reached.
        self.proxy = UpstreamProxy()
        #: Whether no provider may be called; to be set before `start`.
        self.rehearsing = False
        self.address: tuple[str, int] | None = None
        self._begun = asyncio.Event()

    async def start(self) -> None:
        """Listens, on a port of the system's choice."""
        if self._starting is None:
            self._begun.set()
            self._starting = asyncio.create_task(self._start(), name="start relay")
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        self._upstreams = Upstreams(self.folder, self.proxy, rehearsing=self.rehearsing)
        self._dispatcher = Dispatcher(self._upstreams.by_kind)
        self.draining = False
        server = web.Server(
            self._handle,
            handler_cancellation=True,  # an app that leaves ends the call to Vast
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_KEEP_ALIVE,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
            logger=http_logger(__name__),
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN)
        await self._runner.setup()
        site = web.TCPSite(self._runner, _HOST, 0)
        await site.start()
        self.address = self._runner.addresses[0][:2]

    async def listening(self) -> tuple[str, int]:
        """The address, once there is one: a call may come before the relay is started (M16)."""
        if self.address is None:
            await self._begun.wait()
            await self.start()  # the same start, and what it raised
            assert self.address
        return self.address

    async def stop(self) -> None:
        """Ends what runs, closes every connection."""
        starting, self._starting = self._starting, None
        if starting is None:
            return
        await asyncio.wait({starting})  # what it raised was told to whoever waited for it
        self.address = None
        self._calls.clear()
        if self._runner:
            await self._runner.cleanup()
        if self._upstreams:
            await self._upstreams.close()
        await self._stored.close()

    def endpoints(self) -> list[EndpointHealth]:
        """How those endpoints and providers do that were called."""
        return self._dispatcher.endpoints() if self._dispatcher else []

    @property
    def running(self) -> int:
        """How many calls for Vast have not ended."""
        return len(self._running)

    async def drain(self, seconds: float) -> None:
        """Takes no more calls for Vast, and waits for those that run; in the end, ends them."""
        self.draining = True
        if await self._idle_within(seconds):
            return
        for run in list(self._running):
            run.end(_shutting_down("before the answer was complete"))
        await self._idle_within(_LAST_WORDS)

    async def _idle_within(self, seconds: float) -> bool:
        self._idle.clear()
        if self._running:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._idle.wait()
        return not self._running

    def prepare(self, progress: Progress) -> str:
        """A token that names the call, once."""
        token = secrets.token_urlsafe(16)
        self._calls[token] = progress
        return token

    def forget(self, token: str) -> None:
        """Drops a call that will not come."""
        self._calls.pop(token, None)

    def expects(self, client: tuple[str | int, ...]) -> bool:
        """Whether a call of this client is on its way."""
        return any(each.call.client == client for each in self._calls.values())

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        progress = self._calls.pop(request.headers.get(TOKEN_HEADER, ""), None)
        if progress is None:
            return web.Response(status=404, text="There is no such call.\n")
        progress.arrive()
        request_id = progress.call.request_id
        headers = {"x-request-id": request_id, "server": "vast-intercept"}
        if progress.call.api == "anthropic":
            headers["request-id"] = request_id
        if "origin" in request.headers:
            headers["access-control-allow-origin"] = "*"
            headers["access-control-expose-headers"] = _EXPOSED
        try:
            if isinstance(progress.call.work, Generating):
                return await self._generate(request, progress, headers)
            return await self._answer_here(request, progress, headers)
        except ApiError as error:
            failure = replace(error, message=progress.keys.redact(error.message))
        except Exception as error:  # noqa: BLE001  (whatever happens, the app gets an answer)
            failure = internal_error(error, request_id)
        progress.fail(failure)
        return web.Response(
            status=failure.status,
            body=error_body(failure, progress.call.error_api, request_id),
            headers={**headers, **failure.response_headers()},
        )

    async def _answer_here(
        self, request: web.BaseRequest, progress: Progress, headers: dict[str, str]
    ) -> web.StreamResponse:
        """Answers what needs no model. Raises ApiError."""
        call, body = progress.call, None
        if isinstance(call.work, CountTokens):
            body = await receive(request, call.max_body, call.share)
        else:
            await drop(request)
        call = progress.call  # it may have been changed in mitmproxy while its body came
        match call.work:
            case CountTokens(operation):
                answer = await self._count(operation, request, call, body)
                headers |= ESTIMATED
            case StoredResponse() as work:
                answer = await answer_stored(work, call, self._stored)
            case _:
                return answered_here(progress, headers)
        progress.begin_answer()
        return web.Response(body=answer, headers={**headers, "content-type": JSON})

    async def _count(
        self, operation: Operation, request: web.BaseRequest, call: Call, body: Buffer | None
    ) -> bytes:
        body = body if call.body is None else call.body
        if body is None:
            raise request_too_large(call.max_body)
        body, _ = await read_body(body, request.headers, call, self._turns)
        return await count_tokens(operation, body, call, self._stored, self._turns)

    async def _generate(
        self, request: web.BaseRequest, progress: Progress, headers: dict[str, str]
    ) -> web.StreamResponse:
        if self.draining:
            await drop(request)
            raise _shutting_down("and takes no more calls")
        assert self._dispatcher
        call, shared = progress.call, (progress, self._dispatcher, request, self._turns)
        assert isinstance(call.work, Generating)
        operation = call.work.operation
        run: Generation | ListedRun = (
            ListedRun(*shared) if operation in LISTED else Generation(*shared, self._stored)
        )
        self._running.add(run)
        try:
            if isinstance(run, ListedRun) and operation in UPLOADS:
                return await run.answer(
                    receive_upload(request, operation, call, self._turns), headers
                )
            return await run.answer(receive(request, call.max_body, call.share), headers)
        finally:
            self._running.discard(run)
            if not self._running:
                self._idle.set()


def _shutting_down(what: str) -> ApiError:
    return bad_gateway(
        f"The interceptor is shutting down, {what}.", ErrorCode.INTERCEPTOR_SHUTTING_DOWN, 503
    )


def http_logger(name: str) -> logging.Logger:
    """The logger for a server. Whoever sends rubbish gets a 400, and no traceback into the log."""
    logger = logging.getLogger(f"{name}.http")
    if not logger.filters:
        logger.addFilter(_is_ours)
    return logger


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
