"""The dashboard and the metrics: a small web server for this machine only."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec
from aiohttp import web
from prometheus_client import exposition

from ..relay.serving.server import http_logger
from ..telemetry.metrics import Metrics
from .state import DashboardState

logger = logging.getLogger(__name__)

_HOST = "127.0.0.1"
# DNS rebinding: a web page can have its own name resolve to this machine, but not these.
_HOSTS = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::(?P<port>\d{1,5}))?", re.IGNORECASE)

_PAGE = {
    "/": ("index.html", "text/html"),
    "/dashboard.css": ("dashboard.css", "text/css"),
    "/dashboard.js": ("dashboard.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Server": "vast-intercept",
}
_MAX_CONNECTIONS = 100
_KEEP_ALIVE = 15.0
_SHUTDOWN = 0.1
# Seconds until a port that is taken is tried again: its owner may be about to end.
_TRY_AGAIN = 10.0

type Handler = Callable[[web.BaseRequest], Awaitable[web.Response]]


class _Server(web.Server):
    """Bounds the number of connections: a new one closes the one that was idle for longest.

    So nobody is kept out by connections on which nothing, or half a request, ever comes.
    """

    def __init__(self, handler: Handler) -> None:
        log = http_logger(__name__)
        super().__init__(handler, access_log=None, keepalive_timeout=_KEEP_ALIVE, logger=log)
        self._used: dict[web.RequestHandler, None] = {}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.used(handler)
        if len(self._used) > _MAX_CONNECTIONS:
            oldest = next(iter(self._used))
            del self._used[oldest]
            oldest.force_close()

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        self._used.pop(handler, None)
        super().connection_lost(handler, exc)

    def used(self, handler: web.RequestHandler) -> None:
        """Notes that a request has come on the connection."""
        self._used.pop(handler, None)
        self._used[handler] = None


@dataclass(eq=False, slots=True)
class Dashboard:
    """Serves the dashboard on a port of 127.0.0.1. `listen_on` may be called repeatedly.

    `state` gives what the page shows, `not_ready` the reasons why calls cannot be served, if any.
    """

    state: Callable[[], DashboardState]
    metrics: Metrics
    not_ready: Callable[[], list[str]]
    _port: int = 0
    _server: _Server | None = None
    _runner: web.ServerRunner | None = None
    _try_again: float = 0.0

    @property
    def url(self) -> str | None:
        """The dashboard's URL, or None while it does not listen."""
        return f"http://{_HOST}:{self._port}/" if self._runner else None

    async def listen_on(self, port: int) -> None:
        """Listens on the port and on no other; 0 means none. A warning says once that it is taken.

        It is tried again every few seconds.
        """
        now = asyncio.get_running_loop().time()
        if port == self._port and (self._runner or not port or now < self._try_again):
            return
        first = port != self._port
        await self.close()
        self._port = port
        if not port:
            return
        server = _Server(self._handle)
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN)
        await runner.setup()
        try:
            await web.TCPSite(runner, _HOST, port).start()
        except OSError as error:
            await runner.cleanup()
            self._try_again = now + _TRY_AGAIN
            if first:
                logger.warning(
                    "There are no dashboard and no metrics: port %d of %s cannot be used (%s)."
                    " Everything else works. Set inspect.port in the configuration to a free one,"
                    " or to 0 for none.",
                    port,
                    _HOST,
                    error.strerror,
                )
            return
        self._server, self._runner = server, runner
        logger.info("Dashboard: %s, metrics: %smetrics", self.url, self.url)

    async def close(self) -> None:
        """Closes the port and its connections."""
        runner, self._runner = self._runner, None
        if runner:
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if self._server and request.protocol:
            self._server.used(request.protocol)
        response = self._answer(request)
        response.headers.update(_HEADERS)
        return response

    def _answer(self, request: web.BaseRequest) -> web.Response:
        if not _names_this_machine(request.headers.get("host", "")):
            text = "Only for names of this machine, such as localhost.\n"
            return web.Response(text=text, status=403)
        if _is_of_another_site(request):
            return web.Response(text="Not for other sites' pages.\n", status=403)
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        path = request.path
        if page := _read_pages().get(path):
            return web.Response(body=page[0], content_type=page[1], charset="utf-8")
        if path == "/state":
            body = msgspec.json.encode(self.state())
            return web.Response(body=body, content_type="application/json")
        if path == "/metrics":
            encode, content_type = exposition.choose_encoder(request.headers.get("accept", ""))
            body = encode(self.metrics.registry)
            return web.Response(body=body, headers={"Content-Type": content_type})
        if path == "/healthz":
            return web.Response(text="ok\n")
        if path == "/readyz":
            problems = self.not_ready()
            lines = "".join(f"{line}\n" for line in problems or ["ok"])
            return web.Response(text=lines, status=503 if problems else 200)
        text = "There are /, /metrics, /healthz and /readyz here.\n"
        return web.Response(text=text, status=404)


@cache
def _read_pages() -> dict[str, tuple[bytes, str]]:
    folder = resources.files(__package__) / "page"
    return {
        path: (folder.joinpath(file).read_bytes(), content_type)
        for path, (file, content_type) in _PAGE.items()
    }


def _names_this_machine(host: str) -> bool:
    match = _HOSTS.fullmatch(host)
    return match is not None and int(match["port"] or 0) < 2**16


def _is_of_another_site(request: web.BaseRequest) -> bool:
    """Whether another site's page asks, except by a link that a person follows."""
    # https://www.w3.org/TR/fetch-metadata/: browsers send these, and pages cannot set them.
    site = request.headers.get("sec-fetch-site", "none")
    return site not in {"none", "same-origin"} and (
        request.headers.get("sec-fetch-mode"),
        request.headers.get("sec-fetch-dest"),
    ) != ("navigate", "document")
