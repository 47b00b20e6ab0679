"""Sockets that mitmproxy forgets to close."""

import asyncio

from mitmproxy import ctx
from mitmproxy.connection import Client, Connection


def close_forgotten(client: Client, ended: Connection) -> None:
    """Closes the socket of a connection that has ended, if it is still open (FACTS M28)."""
    proxyserver = ctx.master.addons.get("proxyserver")
    handler = proxyserver.connections.get(client.id) if proxyserver else None
    transport = handler.transports.get(ended) if handler else None
    # Those of UDP are mitmproxy's own, and hold nothing.
    if transport and isinstance(transport.writer, asyncio.StreamWriter):
        transport.writer.close()
