"""Sockets of mitmproxy's connections: read in slices, and closed when mitmproxy forgets to."""

import asyncio

from mitmproxy import ctx
from mitmproxy.connection import Client, Connection
from mitmproxy.proxy.server import ConnectionIO

# Bytes that an app may have worked on in one go. 64 KiB of HTTP/2 frames, or of HTTP/1 chunks, with
# a byte each take h2 and h11 some hundred milliseconds (FACTS M29).
_SLICE = 16 * 1024
_SLICE_OF_FRAMES = 4 * 1024


class _InSlices:
    """Stands for a client's reader, and lets other connections have their turn after each slice."""

    def __init__(self, reader: asyncio.StreamReader, client: Client) -> None:
        self._reader = reader
        self._client = client

    async def read(self, most: int) -> bytes:
        """What has come, as asyncio's reader has it, but no more than a slice."""
        most = min(most, _SLICE_OF_FRAMES if self._client.alpn == b"h2" else _SLICE)
        data = await self._reader.read(most)
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
    transport = _transport(client, ended)
    # Those of UDP are mitmproxy's own, and hold nothing.
    if transport and isinstance(transport.writer, asyncio.StreamWriter):
        transport.writer.close()


def _transport(client: Client, connection: Connection) -> ConnectionIO | None:
    proxyserver = ctx.master.addons.get("proxyserver")
    handler = proxyserver.connections.get(client.id) if proxyserver else None
    return handler.transports.get(connection) if handler else None
