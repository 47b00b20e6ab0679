"""Tells, once for each app, why its calls do not arrive, and what helps."""

import asyncio
import logging
import time
from pathlib import Path

from mitmproxy import connection, ctx, http, tls
from mitmproxy.proxy.mode_specs import RegularMode, UpstreamMode

from ..bounded import BoundedDict
from ..certificates.own_ca import CaError, ca_path
from ..mitm.sockets import listening
from ..telemetry.monitor import Monitor
from ..telemetry.wording import printable
from ..warn_once import WarnOnce
from .advice import Advice
from .how_to import own_command
from .processes import Process, find_process

logger = logging.getLogger(__name__)

_MAX_REMEMBERED = 1_000
_MAX_OPEN = 10_000
# Seconds between two look-ups of a process while apps' calls to the host come through.
_LOOK_AGAIN = 10.0
_AT_ONCE = 2.0
# How a handshake fails for a reason that is about our certificate. TLS alerts by name: Go and Java
# say that a certificate is bad or unknown where others say that its CA is. Some, such as libsoup,
# close the connection without any: the last is mitmproxy's.
_REFUSALS = (
    *("unknown ca", "bad certificate", "certificate unknown", "certificate expired"),
    "disconnected during the handshake",
)


class Hints:
    """Watches how connections begin and end, to notice apps whose calls do not arrive.

    A process is looked up while its connection is open, which takes tens of milliseconds (FACTS
    C13): at every connection until an app has made a call to the host, and from then on at most
    once in a while.
    """

    name = "vast_hints"

    def __init__(self, monitor: Monitor, *, of_run: bool = False) -> None:
        self._monitor = monitor
        self._of_run = of_run
        #: Hosts that were called over TLS since an app last refused the certificate for them.
        self._trusted: set[str] = set()
        #: Hosts that were called over TLS at least once, and by which processes, where known.
        self._called: set[str] = set()
        self._callers = BoundedDict[tuple[str, int], None](_MAX_REMEMBERED)
        #: Connections over which nothing was asked for yet.
        self._silent = BoundedDict[str, None](_MAX_OPEN)
        self._processes = BoundedDict[str, Process | None](_MAX_OPEN)
        self._looking = asyncio.Lock()
        self._looked = -_LOOK_AGAIN
        self._tell_once = WarnOnce(logger)

    # --- hooks --------------------------------------------------------------------------------

    def client_connected(self, client: connection.Client) -> None:
        """Remembers a client that has connected and asked for nothing yet."""
        if isinstance(client.proxy_mode, RegularMode | UpstreamMode) and not client.error:
            self._silent[client.id] = None

    async def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Looks up the process that is about to see our certificate, while it waits for that."""
        client, host = data.context.client, data.client_hello.sni or ""
        self._silent.pop(client.id, None)
        if client.id in self._processes or self._looking.locked():
            return
        if host in self._trusted and time.monotonic() < self._looked + _LOOK_AGAIN:
            return
        if client.peername[0] != client.sockname[0]:
            return  # from another machine, or redirected
        async with self._looking:
            process = await asyncio.to_thread(
                find_process, client.peername[:2], client.sockname[:2], _our_ca()
            )
            self._looked = time.monotonic()
        self._processes[client.id] = process

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """The TLS handshake failed: if over our certificate, explains once per app what helps."""
        self._monitor.tls_failed()
        client, host = data.context.client, data.conn.sni or "the provider"
        self._trusted.discard(host)
        process = self._processes.pop(client.id, None)
        if not any(refusal in (data.conn.error or "") for refusal in _REFUSALS):
            return
        who = str(process or _somebody(client))
        self._tell_once(
            f"refused {host} {process.identity if process else who}",
            self._advice().does_not_trust(who, host, process),
        )

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """The client speaks the proxy protocol: it is not silent any more."""
        self._silent.pop(flow.client_conn.id, None)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Notes which host was called, by whom; and an app whose base URL is the proxy's own."""
        if not flow.live:
            return  # from a file
        client = flow.client_conn
        self._silent.pop(client.id, None)
        if client.sni and len(self._called) < _MAX_REMEMBERED:
            self._called.add(client.sni)
            self._trusted.add(client.sni)
        if process := self._processes.get(client.id):
            self._callers[(client.sni or "", process.pid)] = None
        if _is_for_proxy(flow):
            url = printable(flow.request.pretty_url)
            self._tell_once("base url", self._advice().calls_the_proxy(_somebody(client), url))

    def client_disconnected(self, client: connection.Client) -> None:
        """Explains once per app what helps if the client left without having asked for anything."""
        process = self._processes.pop(client.id, None)
        if client.id in self._silent:
            del self._silent[client.id]
            advice = self._advice().knows_no_proxy(_somebody(client), client.sockname[1])
            self._tell_once(f"silent {client.peername[0]}", advice)
        elif process and process.is_check:
            return
        elif _left_at_once(client) and not self._has_called(client.sni or "", process):
            self._trusted.discard(client.sni or "")
            who, host = str(process or _somebody(client)), client.sni or "the provider"
            advice = self._advice().left_after_handshake(who, host, process)
            self._tell_once(f"left {client.sni} {process.identity if process else who}", advice)

    def _has_called(self, host: str, process: Process | None) -> bool:
        """Whether the client's process has made a call to the host; if unknown, any process."""
        return (host, process.pid) in self._callers if process else host in self._called

    def _advice(self) -> Advice:
        ports = [port for _, port in listening()] or [int(ctx.options.listen_port or 8080)]
        return Advice(own_command(), None if self._of_run else ports[0])


def _left_at_once(client: connection.Client) -> bool:
    """Whether a client left right after it had seen the certificate.

    A connection that an app keeps for later lives longer than that.
    """
    since = client.timestamp_tls_setup
    return since is not None and not client.error and time.time() < since + _AT_ONCE


def _is_for_proxy(flow: http.HTTPFlow) -> bool:
    """Whether a request names the proxy itself as the host that it is for."""
    request, client = flow.request, flow.client_conn
    return (
        request.first_line_format == "relative"
        and isinstance(client.proxy_mode, RegularMode | UpstreamMode)
        and not client.tls_established
        and (request.host_header or "").rpartition(":")[2] == str(client.sockname[1])
    )


def _somebody(client: connection.Client) -> str:
    return f"Something at {client.peername[0]}"


def _our_ca() -> bytes:
    try:
        return ca_path(Path(ctx.options.confdir)).read_bytes()
    except (OSError, CaError):
        return b"\0"  # what no bundle holds
