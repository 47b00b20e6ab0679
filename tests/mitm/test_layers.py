"""Which protocol comes next on a connection to a provider, where no client of a test can be had."""

import time
from functools import partial
from types import SimpleNamespace

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from mitmproxy import ctx
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ClientQuicLayer, ServerQuicLayer, modes
from mitmproxy.proxy.mode_specs import ProxyMode

from vast_intercept.mitm import layers
from vast_intercept.mitm.first_bytes import NeedsMoreError, named_in_datagram
from vast_intercept.mitm.http_server import AppHttpLayer

MAKE_HTTP = partial(AppHttpLayer, refused=lambda *_: None, api_of=lambda _: "openai")


def datagrams(host: str) -> bytes:
    """What a client of HTTP/3 sends first."""
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name=host)
    client = QuicConnection(configuration=configuration)
    client.connect(("192.0.2.1", 443), now=0)
    return b"".join(data for data, _ in client.datagrams_to_send(now=0))


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Context:
    # QUIC's layers look at the master's clock.
    loop = SimpleNamespace(time=time.monotonic)
    monkeypatch.setattr(ctx, "master", SimpleNamespace(event_loop=loop), raising=False)
    client = Client(
        peername=("127.0.0.1", 50_000),
        sockname=("192.0.2.1", 443),
        transport_protocol="udp",
        proxy_mode=ProxyMode.parse("wireguard"),
        state=ConnectionState.OPEN,
    )
    context = Context(client, Options())
    context.server.address = ("192.0.2.1", 443)
    modes.TransparentProxy(context)
    return context


def test_http3_names_its_host_and_is_spoken(context: Context) -> None:
    data = datagrams("api.openai.com")
    assert named_in_datagram(data) == "api.openai.com"
    assert isinstance(layers.layer_for_provider(context, data, MAKE_HTTP), ServerQuicLayer)
    ClientQuicLayer(context)
    context.client.alpn = b"h3"
    assert isinstance(layers.layer_for_provider(context, b"", MAKE_HTTP), AppHttpLayer)


def test_a_hello_that_is_cut_is_waited_for() -> None:
    with pytest.raises(NeedsMoreError):
        named_in_datagram(b"\x16\xfe\xfd" + bytes(8) + b"\x00\x50\x01")


def test_quic_without_http3_is_refused(context: Context) -> None:
    ClientQuicLayer(context)
    context.client.alpn = b"acme"
    with pytest.raises(layers.NotHttpError):
        layers.layer_for_provider(context, b"", MAKE_HTTP)


@pytest.mark.parametrize("data", [b"hello", b"\x16\xfe\xfd" + bytes(40)])
def test_other_datagrams_are_refused(data: bytes, context: Context) -> None:
    with pytest.raises(layers.NotHttpError):
        layers.layer_for_provider(context, data, MAKE_HTTP)
