"""Who may connect, and which servers a client on another machine may not reach."""

import asyncio
import logging

from mitmproxy import connection
from mitmproxy.proxy import server_hooks

from ..addresses import Address, parse_address, reaches_loopback
from ..descriptors import Descriptors
from ..mitm.borrowed import format_address, is_valid_host
from ..mitm.sockets import Accepting
from ..relay.serving.server import Relay
from ..warn_once import WarnOnce
from .clients import is_allowed
from .fail_closed import refused_if_unchecked
from .settings import Settings

logger = logging.getLogger(__name__)


class AccessControl:
    """Checks each connection: a script cannot bind mitmproxy to another address (FACTS M3)."""

    name = "vast_access"

    def __init__(self, settings: Settings, relay: Relay, descriptors: Descriptors) -> None:
        self._settings = settings
        self._relay = relay
        self._descriptors = descriptors
        self._accepting = Accepting(descriptors.has_room)
        self._warn = WarnOnce(logger)

    async def client_connected(self, client: connection.Client) -> None:
        """Refuses connections from addresses that `clients.allow_from` does not name."""
        with refused_if_unchecked(client):
            await self._check_client(client)

    async def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Keeps clients on other machines from reaching services on this machine's loopback."""
        with refused_if_unchecked(data.server):
            await self._check_server(data)

    async def _check_client(self, client: connection.Client) -> None:
        if not self._descriptors.connected():
            self._accepting.pause()
        config = await self._settings.current()
        address = parse_address(client.peername[0])
        if address is None or is_allowed(address, config.allow_from):
            return
        client.error = "not allowed by clients.allow_from"
        self._warn(
            str(address),
            f"Refused a connection from {address}. To let it in, add it to the configuration:"
            f' `clients: {{allow_from: [127.0.0.0/8, "::1", "{address}"]}}`',
        )

    async def _check_server(self, data: server_hooks.ServerConnectionHookData) -> None:
        if data.server.address and not is_valid_host(data.server.address[0]):
            data.server.error = "that is not the name of a host"  # asyncio would raise
            return
        client = parse_address(data.client.peername[0]) if data.client.peername else None
        if client is None or client.is_loopback or not data.server.address:
            return
        host, port = data.server.address[:2]
        if (host, port) == self._relay.address and self._relay.expects(data.client.peername):
            return
        address = parse_address(host) or await _resolve(host, port)
        if address is None:
            return  # mitmproxy says that the name does not resolve
        if not reaches_loopback(address):
            # The address that was checked, so that the name cannot lead elsewhere a moment later.
            data.server.address = (str(address), port)
            return
        why = data.server.error = "services on this machine's loopback are not for other machines"
        where = format_address((host, port))
        self._warn((str(client), where), f"Refused to connect {client} to {where}: {why}.")


async def _resolve(host: str, port: int) -> Address | None:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port)
    except (OSError, UnicodeError):
        return None
    addresses = [parse_address(str(entry[4][0])) for entry in found]
    # One that leads to this machine is enough to refuse the name.
    return next((one for one in addresses if one and reaches_loopback(one)), addresses[0])
