"""What an app does that keeps its calls from working, and what helps: once for each app."""

import asyncio
import logging
from collections import OrderedDict
from pathlib import Path

from mitmproxy import connection, ctx, http, tls
from mitmproxy.proxy.mode_specs import RegularMode, UpstreamMode

from ..inspect.monitor import Monitor
from ..inspect.wording import printable
from ..launch.ca import CA_CERT
from ..launch.own_command import own_command
from .processes import Process, find_process

logger = logging.getLogger(__name__)

_MAX_REMEMBERED = 1_000
_MAX_OPEN = 10_000
_COMMAND = "COMMAND is the app's own"


class Hints:
    """Watches how connections begin and end.

    A process is looked up only while it matters: until an app has trusted the CA for a host, and
    again after one has not. It has to be done while the connection is open.
    """

    name = "vast_hints"

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        #: Hosts for which the last app that came has trusted the CA.
        self._trusted: set[str] = set()
        #: Hosts that were called over TLS at least once.
        self._called: set[str] = set()
        #: Connections over which nothing was asked for yet.
        self._silent: OrderedDict[str, None] = OrderedDict()
        self._processes: OrderedDict[str, Process | None] = OrderedDict()
        self._looking = asyncio.Lock()
        self._told: OrderedDict[str, None] = OrderedDict()

    # --- hooks --------------------------------------------------------------------------------

    def client_connected(self, client: connection.Client) -> None:
        """Something connects."""
        if isinstance(client.proxy_mode, RegularMode | UpstreamMode) and not client.error:
            _remember(self._silent, client.id, None, _MAX_OPEN)

    async def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """It is about to see our certificate, and waits."""
        client, host = data.context.client, data.client_hello.sni or ""
        self._silent.pop(client.id, None)
        if host in self._trusted or client.id in self._processes or self._looking.locked():
            return
        if client.peername[0] != client.sockname[0]:
            return  # from another machine, or redirected
        async with self._looking:
            process = await asyncio.to_thread(
                find_process, client.peername[:2], client.sockname[:2]
            )
        _remember(self._processes, client.id, process, _MAX_OPEN)

    def tls_established_client(self, data: tls.TlsData) -> None:
        """It has trusted it."""
        if len(self._trusted) < _MAX_REMEMBERED:
            self._trusted.add(data.conn.sni or "")

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """It has not."""
        self._monitor.tls_failed()
        client, host = data.context.client, data.conn.sni or "the provider"
        self._trusted.discard(host)
        process = self._processes.pop(client.id, None)
        if not _is_refusal(data.conn.error or ""):
            return
        who = str(process or _somebody(client))
        given = process and (process.jailed or process.was_given(_our_ca()))
        self._tell_once(
            f"refused {host} {process.name if process else who} {given}",
            _has_its_own_cas(who, host, process) if given else _does_not_trust(who, host),
        )

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """It speaks the proxy protocol."""
        self._silent.pop(flow.client_conn.id, None)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """It asks for something."""
        if not flow.live:
            return  # from a file
        client = flow.client_conn
        self._silent.pop(client.id, None)
        if client.sni and len(self._called) < _MAX_REMEMBERED:
            self._called.add(client.sni)
        if _is_for_proxy(flow):
            url = printable(flow.request.pretty_url)
            self._tell_once(
                "base url",
                f"{_somebody(client)} calls {url} as if the proxy were the API."
                " For an app whose base URL can be changed, start the interceptor with:"
                f" {own_command()} serve -p {_port()} --mode reverse:https://api.openai.com",
            )

    def client_disconnected(self, client: connection.Client) -> None:
        """It leaves."""
        process = self._processes.pop(client.id, None)
        if client.id in self._silent:
            del self._silent[client.id]
            self._tell_once(
                f"silent {client.peername[0]}",
                f"{_somebody(client)} connected to port {client.sockname[1]} and left without a"
                " word of the proxy protocol. An app that knows no proxies is started with:"
                f" {own_command()} run --jail --attach {_port()} -- COMMAND ({_COMMAND})",
            )
        elif client.tls_established and client.sni not in self._called:
            who = str(process or _somebody(client))
            self._tell_once(f"pins {client.sni} {who}", _pins(who, client.sni or "the provider"))

    def _tell_once(self, key: str, hint: str) -> None:
        if key not in self._told:
            _remember(self._told, key, None, _MAX_REMEMBERED)
            logger.warning("%s", hint)


def _remember[T](known: OrderedDict[str, T], key: str, value: T, limit: int) -> None:
    known[key] = value
    if len(known) > limit:
        known.popitem(last=False)


def _is_refusal(error: str) -> bool:
    """Whether a handshake failed for a reason that is about our certificate."""
    # TLS alerts by name: Go and Java say that a certificate is bad or unknown where others say that
    # its CA is. Some close the connection without any.
    alerts = ("unknown ca", "bad certificate", "certificate unknown", "certificate expired")
    return any(alert in error for alert in alerts) or error == "connection closed"


def _is_for_proxy(flow: http.HTTPFlow) -> bool:
    """Whether a request names the proxy itself as the host that it is for."""
    request, client = flow.request, flow.client_conn
    return (
        request.first_line_format == "relative"
        and isinstance(client.proxy_mode, RegularMode | UpstreamMode)
        and not client.tls_established
        and (request.host_header or "").rpartition(":")[2] == str(client.sockname[1])
    )


def _does_not_trust(who: str, host: str) -> str:
    return (
        f"{who} does not trust the interceptor's CA, so that its calls to {host} fail. Start it"
        f" with: {own_command()} run --attach {_port()} -- COMMAND ({_COMMAND})"
    )


def _has_its_own_cas(who: str, host: str, process: Process | None) -> str:
    hint = (
        f"{who} was given the interceptor's CA and refuses it all the same: it brings its own list"
        f" of CAs, or pins the certificate of {host}."
    )
    if process and process.jailed:
        return f"{hint} Nothing outside of the app changes that."
    return (
        f"{hint} If it reads the system's list: {own_command()} run --jail --attach {_port()} --"
        f" COMMAND ({_COMMAND}). Nothing outside of the app helps against a pinned certificate."
    )


def _pins(who: str, host: str) -> str:
    return (
        f"{who} accepted the interceptor's certificate for {host}, and left without a call: it may"
        " pin the provider's own certificate. Nothing outside of the app changes that."
    )


def _somebody(client: connection.Client) -> str:
    return f"Something at {client.peername[0]}"


def _port() -> int:
    addresses = ctx.master.addons.get("proxyserver").listen_addrs()
    return int(addresses[0][1]) if addresses else int(ctx.options.listen_port or 8080)


def _our_ca() -> bytes:
    try:
        return (Path(ctx.options.confdir).expanduser() / CA_CERT).read_bytes()
    except OSError:
        return b"\0"  # what no bundle holds
