"""mitmproxy's sockets: accepted from, read in slices, limited, closed where mitmproxy forgets to.

All of them are found through mitmproxy's proxy server and its connection handlers (FACTS M57).
"""

import asyncio
import logging
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Connection
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler
from mitmproxy.proxy.server import ConnectionIO

from ..descriptors import LOCAL_ERRORS
from ..warn_once import WarnOnce

logger = logging.getLogger(__name__)

_LOOK_AGAIN = 0.05  # seconds

_NO_LINGER = struct.pack("ii", 1, 0)  # `struct linger`: on, for 0 seconds

# Bytes that an app may have worked on in one go. 64 KiB of HTTP/2 frames, or of HTTP/1 chunks, with
# a byte each take h2 and h11 some hundred milliseconds (FACTS M29).
_SLICE = 16 * 1024
_SLICE_OF_FRAMES = 4 * 1024


def _proxy_server() -> Proxyserver | None:
    """mitmproxy's addon that listens; None where a master has none."""
    return ctx.master.addons.get("proxyserver")  # type: ignore[no-any-return]


def handler_of(client: Client) -> ProxyConnectionHandler | None:
    """What mitmproxy keeps of a client's connection and of those it made for it.

    None for mitmproxy's own replays, and for a client that has left.
    """
    server = _proxy_server()
    return server.connections.get(client.id) if server else None


# --- those that listen ----------------------------------------------------------------------------


def listening() -> list[tuple[str, int]]:
    """Host and port of each socket that mitmproxy listens on."""
    addon = _proxy_server()
    return [(str(host), port) for host, port, *_ in addon.listen_addrs()] if addon else []


@dataclass(slots=True)
class Accepting:
    """mitmproxy's listening sockets, from which nothing is taken while there is no room.

    Clients that connect meanwhile wait, instead of being refused. asyncio accepts up to a hundred
    connections at a time, and offers no way to pause that (FACTS M42, M63).
    """

    has_room: Callable[[], bool]
    _paused: list[asyncio.Server] = field(default_factory=list, init=False)

    def pause(self) -> None:
        """Takes no connections until there is room."""
        addon = _proxy_server()
        if self._paused or addon is None:
            return
        loop = asyncio.get_running_loop()
        for server in (each for one in addon.servers for each in getattr(one, "_servers", ())):
            if isinstance(server, asyncio.Server):
                self._paused.append(server)
                for listening in server.sockets:
                    loop.remove_reader(listening.fileno())
        loop.call_later(_LOOK_AGAIN, self._resume)

    def _resume(self) -> None:
        if not self.has_room():
            asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._resume)
            return
        paused, self._paused = self._paused, []
        for server in paused:
            if server.sockets:  # it was not closed meanwhile
                server._serving = False  # type: ignore[attr-defined]  # noqa: SLF001
                server._start_serving()  # type: ignore[attr-defined]  # noqa: SLF001


def tell_once_of_refused_connections() -> None:
    """Logs once that asyncio cannot accept connections, instead of each time (FACTS M42)."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler() or type(loop).default_exception_handler
    warn = WarnOnce(logger)

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if (
            isinstance(error, OSError)
            and error.errno in LOCAL_ERRORS
            and str(context.get("message", "")).startswith("socket.accept()")
        ):
            warn("accept", f"A connection cannot be taken now: {error.strerror}.")
        else:
            before(loop, context)

    loop.set_exception_handler(handle)


# --- those of connections -------------------------------------------------------------------------


@dataclass
class _InSlices:
    """Replaces a client's reader, and gives other connections their turn after each slice."""

    reader: asyncio.StreamReader
    client: Client

    async def read(self, most: int) -> bytes:
        """Reads what has come, as asyncio's reader does, but no more than a slice."""
        most = min(most, _SLICE_OF_FRAMES if self.client.alpn == b"h2" else _SLICE)
        data = await self.reader.read(most)
        if len(data) == most:
            await asyncio.sleep(0)  # more of it is there already, and is given out at once
        return data


def read_in_slices(client: Client) -> None:
    """Has a client that has just connected be read in slices of some milliseconds each."""
    transport = _transport(client, client)
    if transport and isinstance(transport.reader, asyncio.StreamReader):
        transport.reader = _InSlices(transport.reader, client)  # type: ignore[assignment]


def close_forgotten(client: Client, ended: Connection) -> None:
    """Closes the socket of a connection that has ended, if it is still open (FACTS M28)."""
    for writer in _tcp_writers([_transport(client, ended)]):
        writer.close()


def reset_when_closed(client: Client) -> None:
    """Has a client's connection end with a reset, so that it does not look like an orderly end."""
    for writer in _tcp_writers([_transport(client, client)]):
        # socket(7): with a linger time of 0, close() resets the connection.
        writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _NO_LINGER)


def allow_connections(client: Client, address: tuple[str, int], most: int) -> None:
    """Lets mitmproxy open up to `most` connections to the address for a client, instead of five.

    A client that speaks HTTP/2 makes all its calls over one connection, and each needs one to the
    relay: the sixth would wait until another has ended (FACTS M58).
    """
    handler = handler_of(client)
    if handler and address not in handler.max_conns:
        handler.max_conns[address] = asyncio.Semaphore(most)


def unsent_bytes() -> int:
    """How many bytes mitmproxy holds for clients that have not taken them yet."""
    server = _proxy_server()
    handlers = list(server.connections.values()) if server else []
    writers = _tcp_writers(each.transports.get(each.client) for each in handlers)
    return sum(writer.transport.get_write_buffer_size() for writer in writers)


def _tcp_writers(transports: Iterable[ConnectionIO | None]) -> list[asyncio.StreamWriter]:
    # Those of UDP are mitmproxy's own, and hold nothing.
    return [
        each.writer for each in transports if each and isinstance(each.writer, asyncio.StreamWriter)
    ]


def _transport(client: Client, connection: Connection) -> ConnectionIO | None:
    handler = handler_of(client)
    return handler.transports.get(connection) if handler else None
