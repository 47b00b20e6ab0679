"""Connections to providers: only HTTP is accepted, and mitmproxy connects only to pass a call on.

Nothing that an app sends on a connection that was taken over goes on by itself (FACTS M20): each
request is judged, and what is no request is refused.
"""

import logging
import re
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from itertools import chain
from weakref import WeakKeyDictionary, WeakSet

from mitmproxy import connection, ctx, exceptions, http
from mitmproxy.proxy import layer, server_hooks
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.mode_specs import UpstreamMode

from ..mitm import first_bytes as first
from ..mitm import layers
from ..mitm.borrowed import format_address
from ..mitm.http_server import ApiOf, AppHttpLayer, error_response
from ..mitm.sockets import close_forgotten, read_in_slices
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import bad_gateway
from ..openai_api.operations import Api
from ..relay.serving.server import Relay
from ..telemetry.monitor import Monitor
from ..warn_once import WarnOnce
from .fail_closed import refused_if_unchecked, tell
from .settings import Settings

logger = logging.getLogger(__name__)

type _Address = tuple[str, int]


class Connections:
    """Decides which protocol comes next on a connection, and where mitmproxy may connect to."""

    name = "vast_connections"

    def __init__(self, settings: Settings, relay: Relay, monitor: Monitor) -> None:
        self._settings = settings
        self._relay = relay
        self._monitor = monitor
        #: Clients whose connections were taken over, with the address that each wanted to reach.
        self._taken_over: WeakKeyDictionary[connection.Client, _Address] = WeakKeyDictionary()
        #: Clients whose bytes go on unchanged, because an option of mitmproxy says so.
        self._raw: WeakSet[connection.Client] = WeakSet()
        #: Calls that are passed on, by client. Those that are replayed have a client of their own.
        self._passed_on: WeakKeyDictionary[connection.Client, WeakSet[http.HTTPFlow]] = (
            WeakKeyDictionary()
        )
        self._replayed: WeakSet[http.HTTPFlow] = WeakSet()
        self._warn = WarnOnce(logger)

    def passes_on(self, flow: http.HTTPFlow) -> None:
        """Lets mitmproxy connect to the provider for this call, until it has ended."""
        if flow.is_replay:
            self._replayed.add(flow)
        else:
            self._passed_on.setdefault(flow.client_conn, WeakSet()).add(flow)

    def client_connected(self, client: connection.Client) -> None:
        """Has the client's bytes read in slices, so that other connections get their turn."""
        read_in_slices(client)

    # --- which protocol -----------------------------------------------------------------------

    def next_layer(self, data: layer.NextLayer) -> None:
        """Decides for explicit proxies and for providers, and leaves the rest to mitmproxy."""
        if data.layer:
            return  # another addon has decided
        try:
            data.layer = self._layer_for(data.context, data.data_client())
        except first.NeedsMoreError:
            # mitmproxy's own addon, which would be next, does not wait for more.
            raise exceptions.AddonHalt from None
        except Exception as error:  # noqa: BLE001  (what cannot be judged is refused)
            tell("A connection", error)
            data.layer = layers.RefusedLayer(data.context)

    def _layer_for(self, context: Context, received: bytes) -> layer.Layer | None:
        if layers.is_explicit_proxy(context):
            make_http = self._http_for(self._api_of)
            return layers.explicit_proxy_layer(context, received, make_http)
        if len(received) > first.MAX_HEAD:
            # mitmproxy's own addon would read all of it anew whenever more has come.
            why = f"it does not say within {first.MAX_HEAD:,} bytes for which host it is"
            self._refused(context.client, why)
            return layers.RefusedLayer(context)
        try:
            names = self._names_of_provider(context, received)
            if not names:
                return None
            if choice := _persons_choice(context, names):
                self._raw.add(context.client)
                self._warn(
                    (choice, names[-1]),
                    f"{choice} lets all connections to {names[-1]} through as they are: no call in"
                    " them is served, and no key in them is masked.",
                )
                return None
            assert context.server.address
            self._taken_over[context.client] = context.server.address[:2]
            api = self._settings.api_of(names[-1], context.server.address[1])
            return layers.layer_for_provider(context, received, self._http_for(lambda _: api))
        except layers.NotHttpError as error:
            self._refused(context.client, str(error))
        return layers.RefusedLayer(context)

    def _names_of_provider(self, context: Context, received: bytes) -> list[str]:
        """The host's names up to the first one of a provider. Empty if none is a provider's."""
        if context.server.address is None:
            return []
        port = context.server.address[1]
        if not self._settings.takes_over_port(port):
            return []
        names = []
        for name in _names_of_host(context, received):
            names.append(name)
            if self._settings.takes_over(name, port):
                return names
        return []

    def _http_for(self, api_of: ApiOf) -> layers.MakeHttp:
        return partial(AppHttpLayer, refused=self._refused, api_of=api_of)

    def _api_of(self, request: http.Request | None) -> Api | None:
        return self._settings.api_of(request.host, request.port) if request else None

    def _refused(self, client: connection.Client, why: str) -> None:
        self._monitor.metrics.refused_connection("not_http")
        client.error = why
        host = _host_of(client)
        self._warn(
            (host, why),
            f"Refused what {host} sends on a connection to a provider: {why}. Nothing of it went"
            " on. Only HTTP is served.",
        )

    # --- where to -----------------------------------------------------------------------------

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Refuses connections to a provider, except for a call that is passed on to it."""
        with refused_if_unchecked(data.server):
            self._check_server(data.client, data.server)

    def _check_server(self, client: connection.Client, server: connection.Server) -> None:
        if server.address is None or client in self._raw:
            return
        address = server.address[:2]
        if address == self._relay.address or not self._leads_to_provider(client, server, address):
            return
        calls = chain(self._passed_on.get(client, ()), self._replayed)
        if any(_goes_to(flow, address) for flow in calls):
            return
        self._monitor.metrics.refused_connection("not_passed_on")
        server.error = "no call is passed on there"
        host, where = _host_of(client), format_address(address)
        self._warn(
            (host, where),
            f"Refused to connect {host} to {where}: {server.error}. To let all connections to it"
            " through as they are, put it into mitmproxy's option ignore_hosts.",
        )

    def response(self, flow: http.HTTPFlow) -> None:
        """Refuses status 101 unless a WebSocket follows: mitmproxy would tunnel anything else."""
        if (
            flow.response is None
            or flow.response.status_code != HTTPStatus.SWITCHING_PROTOCOLS
            or flow.websocket
            or not (flow.client_conn in self._taken_over or self._api_of(flow.request))
        ):
            return
        why = "the provider would go on in another protocol (status 101), which cannot be judged"
        self._refused(flow.client_conn, why)
        error = bad_gateway(f"Refused: {why}.", ErrorCode.BAD_GATEWAY, retry=False)
        # Without the connection, what the app may send behind its request goes nowhere.
        api = self._settings.api_of(flow.request.host, flow.request.port) or "openai"
        flow.response = error_response(error, api, connection="close")

    # --- their end ----------------------------------------------------------------------------

    def client_disconnected(self, client: connection.Client) -> None:
        """Closes the socket of an app's connection that has ended."""
        close_forgotten(client, client)

    def server_disconnected(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Closes the socket of a connection to a server that has ended."""
        close_forgotten(data.client, data.server)

    def _leads_to_provider(
        self, client: connection.Client, server: connection.Server, address: _Address
    ) -> bool:
        if original := self._taken_over.get(client):
            mode = client.proxy_mode
            proxy = mode.address if isinstance(mode, UpstreamMode) else None
            if address in {original, proxy}:
                return True
        names = filter(None, (address[0], server.sni))
        return any(self._settings.takes_over(name, address[1]) for name in names)


def _host_of(client: connection.Client) -> str:
    return client.peername[0] if client.peername else "-"


def _names_of_host(context: Context, received: bytes) -> Iterator[str]:
    """Each name of the host that a client wants to reach, the most reliable first.

    Raises first.NeedsMoreError when the next one has not come yet.
    """
    assert context.server.address
    yield context.server.address[0]
    if layers.is_within_tls(context):
        name = context.client.sni
    elif context.client.transport_protocol == "udp":
        name = first.named_in_datagram(received)
    elif first.starts_tls(received):
        name = first.named_in_hello(received)
    else:
        name = first.named_in_request(received)
    if name:
        yield name


def _persons_choice(context: Context, names: list[str]) -> str | None:
    """The option of mitmproxy that lets this connection through unchanged, if there is one."""
    assert context.server.address
    port = context.server.address[1]
    if layers.is_raw_by_mode(context):
        return f"The mode {context.client.proxy_mode.full_spec}"
    if _matches(ctx.options.ignore_hosts, [f"{name}:{port}" for name in names]):
        return "The option ignore_hosts"
    option = f"{context.client.transport_protocol}_hosts"
    if _matches(getattr(ctx.options, option), names):
        return f"The option {option}"
    return None


def _matches(patterns: list[str], names: list[str]) -> bool:
    return any(re.search(each, name, re.IGNORECASE) for each in patterns for name in names)


def _goes_to(flow: http.HTTPFlow, address: _Address) -> bool:
    """Whether the call still runs, and goes to the address or through a proxy there."""
    via = flow.server_conn.via
    return flow.live and (
        (flow.request.host, flow.request.port) == address or bool(via and via[1] == address)
    )
