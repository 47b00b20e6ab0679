"""A connection to a provider carries HTTP, or is refused: nothing of it reaches the provider."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from .. import harness
from ..harness import APP_KEY, Certificates, Interceptor, StandIn
from ..launch.upstream_proxy import UpstreamProxy
from .raw_clients import WAYS, RawClient, Sink, Way

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello there"}]})


def call(path: str = "/v1/chat/completions", end: str = "\r\n", host: str = "localhost") -> bytes:
    """A whole call, with whatever its lines end with."""
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {APP_KEY}",
        "Content-Type: application/json",
        f"Content-Length: {len(BODY)}",
        "Connection: close",
        "",
    )
    return "".join(line + end for line in lines).encode() + BODY.encode()


CALL = call()

SERVED: dict[str, tuple[bytes, ...]] = {
    "whole": (CALL,),
    "its first letter alone": (CALL[:1], CALL[1:]),
    "its method without the blank": (CALL[:4], CALL[4:]),
    "its method and the blank": (CALL[:5], CALL[5:]),
    "the head in three": (CALL[:30], CALL[30:90], CALL[90:]),
    "after an empty line": (b"\r\n" + CALL,),
    "after two empty lines of their own": (b"\r\n", b"\n", CALL),
    "with bare line feeds": (call(end="\n"),),
    "without the API's prefix": (call("/chat/completions"),),
    "with the prefix in capitals": (call("/V1/chat/completions/"),),
    "with a lower-case host header": (CALL.replace(b"Host: ", b"host:"),),
}

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REFUSED: dict[str, tuple[bytes, ...]] = {
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n",),
    "zeros": (bytes(40),),
    "TLS once more": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(506),),
    "HTTP/2 without ALPN": (PREFACE + bytes.fromhex("000000040000000000"),),
    "HTTP/2 without ALPN, in pieces": (PREFACE[:3], PREFACE[3:]),
    "no HTTP version": (b"POST /v1/chat/completions\r\n\r\n" + BODY.encode(),),
    "JSON": (BODY.encode(),),
    "an unknown version": (CALL.replace(b"HTTP/1.1", b"HTTQ/1.1"),),
}


# Options of mitmweb's; the others have them for later.
WITHOUT_A_BROWSER = ["--set", "web_open_browser=false", "--set", "web_port=0"]


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def proxy() -> Iterator[UpstreamProxy]:
    with UpstreamProxy("me", "word") as proxy:
        yield proxy


def options_of(way: Way, sink: Sink, proxy: UpstreamProxy) -> list[str]:
    """The mode, and what it takes to use the proxy in front of it, if there is one."""
    address = proxy.url.rpartition("@")[2]
    mode = way.mode.format(port=sink.port, proxy=f"http://{address}")
    return ["--mode", mode, "--set", "upstream_auth=me:word", *WITHOUT_A_BROWSER]


def config_for(standin: StandIn, port: int, ca: Path, **more: Any) -> dict[str, Any]:
    own = {"name": "own", "host": "localhost", "port": port}
    return {"vast": harness.vast_section(standin, ca), "providers": [own], **more}


@pytest.mark.parametrize(
    ("name_of_way", "kind"),
    [
        ("regular", "mitmdump"),
        ("regular, by address", "serve"),
        ("upstream", "mitmdump"),
        ("socks5", "serve"),
        ("reverse to https", "mitmweb"),
        ("reverse to http", "serve"),
    ],
)
def test_every_byte_is_part_of_a_call_that_is_judged_or_is_refused(
    name_of_way: str,
    kind: str,
    standin: StandIn,
    sink: Sink,
    proxy: UpstreamProxy,
    certs: Certificates,
    tmp_path: Path,
) -> None:
    way = WAYS[name_of_way]
    config = config_for(standin, sink.port, certs.ca)
    options = options_of(way, sink, proxy)
    with harness.intercept(tmp_path, config, *options, kind=kind) as interceptor:
        for name, pieces in SERVED.items():
            for tls in (True, False):
                answer = exchange(
                    interceptor, way, sink.port, pieces, tls=tls, until=b"hello there"
                )
                assert b" 200 " in answer[:20], (name, tls, answer)
                assert sink.connections == 0, (name, tls)
        for name, pieces in REFUSED.items():
            for tls in (True, False):
                if not tls and (name == "TLS once more" or name_of_way == "regular, by address"):
                    continue  # the first is TLS then; of the others nobody says whose they are
                answer = exchange(interceptor, way, sink.port, pieces, tls=tls)
                head, _, body = answer.partition(b"\r\n\r\n")
                assert b" 400 " in head[:20], (name, tls, answer)
                assert json.loads(body)["error"]["code"] == "invalid_request", (name, tls)
                assert sink.connections == 0, (name, tls)
        for _ in range(10):
            # The end of what a client sends comes while it is being refused.
            with RawClient(interceptor, way, sink.port) as client:
                client.start_tls(interceptor.ca)
                client.send(bytes(40))
                client.end_abruptly()
                assert b" 400 " in client.read()
        with RawClient(interceptor, way, sink.port) as client:
            client.start_tls(interceptor.ca, first_piece=1)
            client.send(CALL)
            assert b" 200 " in client.read(until=b"hello there")[:20]
        # A client that leaves within the head of a request gets nothing, and gives nothing away.
        with RawClient(interceptor, way, sink.port) as client:
            client.start_tls(interceptor.ca)
            client.send(b"P")
            client.end()
            assert client.read() == b""
        interceptor.wait_for("Refused what 127.0.0.1 sends on a connection to a provider")
        assert interceptor.output.count("no request of HTTP/1") == 1, "told once"
        assert "without a call" not in interceptor.output, "it is no question of certificates"
        assert APP_KEY not in interceptor.output
        assert "hello there" not in interceptor.output
    assert sink.connections == 0


def exchange(
    interceptor: Interceptor,
    way: Way,
    port: int,
    pieces: tuple[bytes, ...],
    *,
    tls: bool,
    until: bytes | None = None,
) -> bytes:
    """Sends the pieces, and returns what comes back."""
    with RawClient(interceptor, way, port) as client:
        if tls:
            client.start_tls(interceptor.ca)
        client.send(*pieces)
        return client.read(until)


RAW_TCP = """
from mitmproxy.proxy.layers import HttpLayer, TCPLayer

def next_layer(data):
    if isinstance(data.layer, HttpLayer) and data.context.client.sni:
        data.layer = TCPLayer(data.context)
"""


@pytest.mark.parametrize("name_of_way", ["regular", "upstream"])
def test_mitmproxy_connects_to_a_provider_for_no_other_reason(
    name_of_way: str,
    standin: StandIn,
    sink: Sink,
    proxy: UpstreamProxy,
    certs: Certificates,
    tmp_path: Path,
) -> None:
    """What has raw TCP follow, whatever that may be, gets no connection."""
    script = tmp_path / "raw_tcp.py"
    script.write_text(RAW_TCP)
    port = harness.unused_port()
    config = config_for(standin, sink.port, certs.ca, inspect={"port": port})
    way = WAYS[name_of_way]
    options = (*options_of(way, sink, proxy), "-s", str(script))
    with harness.intercept(tmp_path / "confdir", config, *options) as interceptor:
        for _ in range(2):
            with RawClient(interceptor, way, sink.port) as client:
                client.start_tls(interceptor.ca)
                client.send(CALL)
                assert client.read() == b""
        said = interceptor.wait_for(r"Refused to connect 127\.0\.0\.1 to (\S+): no call is passed")
        if name_of_way == "regular":
            assert said[1] == f"localhost:{sink.port}"
        assert interceptor.output.count("Refused to connect") == 1, "told once"
        metrics = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=20).text
        assert 'refused_connections_total{reason="not_passed_on"} 2.0' in metrics
    assert sink.connections == 0
    assert f"localhost:{sink.port}" not in proxy.connected


class TestTheChoiceOfWhoRunsIt:
    """mitmproxy's options for what it shall not look into hold, and are said in the log."""

    @pytest.mark.parametrize(
        ("option", "says"),
        [
            ("ignore_hosts=localhost", "option ignore_hosts lets all connections to localhost"),
            ("tcp_hosts=localhost", "option tcp_hosts lets all connections to localhost"),
        ],
    )
    def test_options(
        self,
        option: str,
        says: str,
        standin: StandIn,
        sink: Sink,
        certs: Certificates,
        tmp_path: Path,
    ) -> None:
        config = config_for(standin, sink.port, certs.ca)
        with harness.intercept(tmp_path, config, "--set", option) as interceptor:
            for _ in range(2):
                with RawClient(interceptor, WAYS["regular"], sink.port) as client:
                    client.send(CALL)
                    assert client.read() == b""  # the sink has closed it
            assert sink.connections == 2
            interceptor.wait_for(says)
            assert interceptor.output.count(says) == 1

    def test_a_mode_for_raw_tcp(
        self, standin: StandIn, sink: Sink, certs: Certificates, tmp_path: Path
    ) -> None:
        config = config_for(standin, sink.port, certs.ca)
        mode = f"reverse:tcp://localhost:{sink.port}"
        with harness.intercept(tmp_path, config, "--mode", mode) as interceptor:
            with RawClient(interceptor, WAYS["reverse to http"], sink.port) as client:
                client.send(b"hello")
                assert client.read() == b""
            interceptor.wait_for(f"mode {mode} lets all connections to localhost through")
        assert sink.connections == 1

    def test_early_connections_stay_off(
        self, standin: StandIn, sink: Sink, certs: Certificates, tmp_path: Path
    ) -> None:
        config = config_for(standin, sink.port, certs.ca)
        options = ("--set", "connection_strategy=eager", "--set", "upstream_cert=true")
        with harness.intercept(tmp_path, config, *options, kind="serve") as interceptor:
            answer = exchange(
                interceptor, WAYS["regular"], sink.port, (CALL,), tls=True, until=b"hello there"
            )
            assert b" 200 " in answer[:20]
            interceptor.wait_for("option connection_strategy stays lazy")
            interceptor.wait_for("option upstream_cert stays false")
        assert sink.connections == 0


@pytest.mark.parametrize("name_of_way", ["regular, by address", "upstream"])
def test_a_call_that_is_passed_on_gets_through_and_so_does_its_replay(
    name_of_way: str,
    standin: StandIn,
    proxy: UpstreamProxy,
    certs: Certificates,
    tmp_path: Path,
) -> None:
    way = WAYS[name_of_way]
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfine"
    flows = tmp_path / "flows"
    with Provider(answer) as provider:
        config = config_for(standin, provider.port, certs.ca, unsupported="pass")
        options = options_of(way, provider, proxy)
        with (
            harness.intercept(tmp_path / "a", config, *options, "-w", str(flows)) as interceptor,
            RawClient(interceptor, way, provider.port) as client,
        ):
            client.send(call("/v1/embeddings", host=f"localhost:{provider.port}"))
            assert client.read(until=b"fine").startswith(b"HTTP/1.1 200"), interceptor.output
        if name_of_way == "upstream":
            return  # mitmproxy replays without a CONNECT there, which the proxy does not know
        with harness.intercept(tmp_path / "b", config, *options, "-C", str(flows)):
            assert provider.came_twice.wait(30)


class Provider(Sink):
    """Answers each request in the same way."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.received: list[bytes] = []
        self.came_twice = threading.Event()
        super().__init__()

    def serve(self, accepted: socket.socket) -> None:
        received = b""
        while BODY.encode() not in received:
            received += accepted.recv(65_536)
        accepted.sendall(self._answer)
        self.received.append(received)
        if len(self.received) == 2:
            self.came_twice.set()


SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n"


@pytest.mark.parametrize("name_of_way", ["regular", "reverse to http"])
def test_a_provider_cannot_leave_http_behind(
    name_of_way: str, standin: StandIn, certs: Certificates, tmp_path: Path
) -> None:
    """A call that is passed on, a 101, and a call to Vast in what looks like another protocol."""
    way = WAYS[name_of_way]
    with socket.create_server(("127.0.0.1", 0)) as provider:
        provider.settimeout(20)
        port = provider.getsockname()[1]
        config = config_for(standin, port, certs.ca, unsupported={"files": "pass"})
        options = ("--mode", way.mode.format(port=port))
        with harness.intercept(tmp_path, config, *options) as interceptor:
            with RawClient(interceptor, way, port) as client:
                client.send(
                    b"GET /v1/files HTTP/1.1\r\nHost: localhost\r\n"
                    b"Connection: upgrade\r\nUpgrade: chat\r\n\r\n"
                )
                accepted, _ = provider.accept()
                with accepted:
                    accepted.settimeout(20)
                    head = accepted.recv(65_536)
                    assert head.startswith(b"GET /v1/files"), head
                    client.send(CALL)
                    accepted.sendall(SWITCHING)
                    answer = client.read()
                    assert answer.startswith(b"HTTP/1.1 502 "), answer
                    assert accepted.recv(65_536) == b""
            interceptor.wait_for("would go on in another protocol")
    assert standin.calls() == []
