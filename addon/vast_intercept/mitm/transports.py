"""Sockets of mitmproxy's connections: read in slices, limited, flushed, closed when forgotten.

All of them are found through mitmproxy's proxy server and its connection handlers (FACTS M57).
"""

import asyncio
from collections.abc import Iterable

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Connection
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler
from mitmproxy.proxy.server import ConnectionIO

# Bytes that an app may have worked on in one go. 64 KiB of HTTP/2 frames, or of HTTP/1 chunks, with
# a byte each take h2 and h11 some hundred milliseconds (FACTS M29).
_SLICE = 16 * 1024
_SLICE_OF_FRAMES = 4 * 1024


class _InSlices:
    """Replaces a client's reader, and gives other connections their turn after each slice."""

    def __init__(self, reader: asyncio.StreamReader, client: Client) -> None:
        self._reader = reader
        self._client = client

    async def read(self, most: int) -> bytes:
        """Reads what has come, as asyncio's reader does, but no more than a slice."""
        most = min(most, _SLICE_OF_FRAMES if self._client.alpn == b"h2" else _SLICE)
        data = await self._reader.read(most)
        if len(data) == most:
            await asyncio.sleep(0)  # more of it is there already, and is given out at once
        return data


def proxy_server() -> Proxyserver | None:
    """mitmproxy's addon that listens; None where a master has none."""
    return ctx.master.addons.get("proxyserver")  # type: ignore[no-any-return]


def handler_of(client: Client) -> ProxyConnectionHandler | None:
    """What mitmproxy keeps of a client's connection and of those it made for it.

    None for mitmproxy's own replays, and for a client that has left.
    """
    server = proxy_server()
    return server.connections.get(client.id) if server else None


def read_in_slices(client: Client) -> None:
    """Has a client that has just connected be read in slices of some milliseconds each."""
    transport = _transport(client, client)
    if transport and isinstance(transport.reader, asyncio.StreamReader):
        transport.reader = _InSlices(transport.reader, client)  # type: ignore[assignment]


def close_forgotten(client: Client, ended: Connection) -> None:
    """Closes the socket of a connection that has ended, if it is still open (FACTS M28)."""
    for writer in _tcp_writers([_transport(client, ended)]):
        writer.close()


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
    server = proxy_server()
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
