"""Which protocol comes next on a connection: one whose every byte is part of a request.

mitmproxy's own `NextLayer` guesses from the first bytes, and what it does not know, it takes for
raw TCP, which goes to the original host (FACTS M20). Here nothing is guessed.
"""

from collections.abc import Callable

from mitmproxy.addons.next_layer import _starts_like_quic
from mitmproxy.proxy import commands, events, tunnel
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers import (
    ClientQuicLayer,
    ClientTLSLayer,
    ServerQuicLayer,
    ServerTLSLayer,
    modes,
)
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.tls import HTTP_ALPNS
from mitmproxy.proxy.mode_specs import ReverseMode

from .first_bytes import MAX_HEAD, starts_tls
from .http_server import AppHttpLayer

# mitmproxy's words for it, behind which it does not blame the certificate.
_BAD_HELLO = "Cannot parse ClientHello"

type MakeHttp = Callable[[Context, HTTPMode], AppHttpLayer]


class NotHttpError(Exception):
    """A client sends something that is not HTTP. The message says what."""


class RefusedLayer(Layer):
    """Closes the client's connection, and drops whatever it still sends."""

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.Start):
            yield commands.CloseConnection(self.context.client)


class AppTLSLayer(ClientTLSLayer):
    """TLS with an app, whose first message is bounded, and not in the log.

    mitmproxy waits for one of up to 16 MiB, reads all of it again at each piece, and logs all of
    one that it cannot read (FACTS M53).
    """

    def receive_handshake_data(self, data: bytes) -> CommandGenerator[tuple[bool, str | None]]:
        if not self.client_hello_parsed and len(self.recv_buffer) + len(data) > MAX_HEAD:
            return False, f"{_BAD_HELLO}: it is longer than {MAX_HEAD:,} bytes"
        done, error = yield from super().receive_handshake_data(data)
        return done, _BAD_HELLO if error and error.startswith(_BAD_HELLO) else error


def is_explicit_proxy(context: Context) -> bool:
    """Whether the client is about to say, in HTTP, which host it wants."""
    return len(context.layers) == 1 and isinstance(
        context.layers[0], (modes.HttpProxy, modes.HttpUpstreamProxy)
    )


def is_within_tls(context: Context) -> bool:
    """Whether the bytes came through a TLS connection that mitmproxy has decrypted."""
    return isinstance(context.layers[-1], (ClientTLSLayer, ClientQuicLayer))


def is_raw_by_mode(context: Context) -> bool:
    """Whether the mode itself forwards all bytes unchanged, as `reverse:tcp://` does."""
    mode = context.client.proxy_mode
    return isinstance(mode, ReverseMode) and mode.scheme not in {"http", "https", "http3"}


def explicit_proxy_layer(context: Context, data: bytes, make_http: MakeHttp) -> Layer | None:
    """The HTTP layer for an explicit proxy, within TLS if the client speaks TLS to the proxy."""
    if context.client.transport_protocol == "udp":
        return None  # HTTP/3: mitmproxy does the same
    stack = tunnel.LayerStack()
    if starts_tls(data):
        stack /= AppTLSLayer(context)
    upstream = isinstance(context.layers[0], modes.HttpUpstreamProxy)
    stack /= make_http(context, HTTPMode.upstream if upstream else HTTPMode.regular)
    return stack[0]


def layer_for_provider(context: Context, data: bytes, make_http: MakeHttp) -> Layer:
    """The HTTP layer, or the TLS layer before it. Raises NotHttpError or NeedsMoreError."""
    if context.client.transport_protocol == "udp":
        return _datagram_layer(context, data, make_http)
    stack = tunnel.LayerStack()
    mode = context.client.proxy_mode
    reverse_to = mode.scheme if isinstance(mode, ReverseMode) else None
    tls = not is_within_tls(context) and starts_tls(data)
    # From whether there is this layer, mitmproxy takes the scheme of what is passed on.
    if reverse_to == "https" or (tls and not reverse_to):
        stack /= ServerTLSLayer(context)
    if tls:
        stack /= AppTLSLayer(context)  # which asks for the next layer if there is none
    if reverse_to or not tls:
        stack /= make_http(context, HTTPMode.transparent)
    return stack[0]


def _datagram_layer(context: Context, data: bytes, make_http: MakeHttp) -> Layer:
    if is_within_tls(context):
        if context.client.alpn in HTTP_ALPNS:
            return make_http(context, HTTPMode.transparent)
    elif _starts_like_quic(data, context.server.address):
        stack = tunnel.LayerStack()
        stack /= ServerQuicLayer(context)
        stack /= ClientQuicLayer(context)
        if isinstance(context.client.proxy_mode, ReverseMode):
            stack /= make_http(context, HTTPMode.transparent)
        return stack[0]
    raise NotHttpError("it is UDP without HTTP/3")
