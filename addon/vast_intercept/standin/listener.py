"""An HTTP server on a port, which can be closed at once and opened again."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

_MAX_HEADER = 1024 * 1024


class _Server(web.Server):
    """aiohttp's server, which counts its connections as well."""

    accepted = 0
    closed = False

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Called once a connection is established, TLS included."""
        self.accepted += 1
        super().connection_made(handler, transport)
        if self.closed:
            transport.abort()  # its handshake took longer than the listener lived


class Listener:
    """An HTTP server on a port. For port 0 the system chooses one, which is kept on reopening."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._server = _Server(
            handler,
            handler_cancellation=True,  # a client that leaves is noticed at once, as vLLM does
            access_log=None,
            auto_decompress=False,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
        )
        self._host = host
        self._port = port
        self._tls = tls
        self._listening: asyncio.Server | None = None
        self._reserved: socket.socket | None = None

    @property
    def url(self) -> str:
        """The URL, without a slash at the end."""
        if self._tls:
            return f"https://localhost:{self._port}"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def connections(self) -> tuple[int, int]:
        """The numbers of connections: all so far, and those that are open."""
        return self._server.accepted, len(self._server.connections)

    async def open(self) -> None:
        """Starts to listen, unless it does. Raises OSError if the port is taken."""
        if self._listening:
            return
        self._release()
        self._server.closed = False
        self._listening = await asyncio.get_running_loop().create_server(
            self._server, self._host, self._port, ssl=self._tls, backlog=1024
        )
        self._port = self._listening.sockets[0].getsockname()[1]

    def close(self) -> asyncio.Server | None:
        """Aborts all connections. Returns the server, whose end can be waited for."""
        self._release()
        listening, self._listening = self._listening, None
        if listening:
            self._server.closed = True
            listening.close()
            for connection in self._server.connections:
                if connection.transport:
                    connection.transport.abort()
        return listening

    def close_for_now(self) -> None:
        """Aborts all connections, but reserves the port: new connections are refused."""
        if not self._listening:
            return
        self.close()
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._reserved = socket.socket(family, socket.SOCK_STREAM)
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            self._reserved.bind((self._host, self._port))

    def _release(self) -> None:
        if self._reserved:
            self._reserved.close()
            self._reserved = None
