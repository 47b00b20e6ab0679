"""Calls that are not for Vast: tunnelled, passed on to the provider untouched, or never sent."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from .. import harness
from ..harness import APP_KEY, Certificates, StandIn, error_of, use

ANSWER = b'{"object":"list","data":[{"embedding":[0.1]}]}'


class Provider(socketserver.ThreadingTCPServer):
    """A provider of the test's own: keeps the bytes of every request, counts connections."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, certs: Certificates) -> None:
        super().__init__(("127.0.0.1", 0), _ProviderHandler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certs.certificate, certs.key)
        self.connections = 0
        self.received: list[bytes] = []
        self.may_end = threading.Event()
        self.may_end.set()
        self.half_sent = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are part of the tests."""


class _ProviderHandler(socketserver.BaseRequestHandler):
    server: Provider

    def handle(self) -> None:
        self.server.connections += 1
        with self.server.context.wrap_socket(self.request, server_side=True) as tls:
            data = b""
            while b"\r\n\r\n" not in data:
                piece = tls.recv(65536)
                if not piece:
                    return
                data += piece
            head, _, body = data.partition(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                ),
                0,
            )
            chunked = b"transfer-encoding: chunked" in head.lower()
            while len(body) < length or (chunked and not body.endswith(b"0\r\n\r\n")):
                body += tls.recv(65536)
            self.server.received.append(head + b"\r\n\r\n" + body)
            start = (
                b"HTTP/1.1 200 Fine\r\nX-oDD-Header: two  blanks\r\ncontent-type: text/x-odd\r\n"
            )
            tls.sendall(start + b"content-length: %d\r\n\r\n" % len(ANSWER) + ANSWER[:10])
            self.server.half_sent.set()
            self.server.may_end.wait(20)
            tls.sendall(ANSWER[10:])


@pytest.fixture
def provider(certs: Certificates) -> Iterator[Provider]:
    with Provider(certs) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def config_for(
    standin: StandIn, provider: Provider, ca: Path, unsupported: Any = "reject"
) -> dict[str, Any]:
    own = {"name": "own", "host": "localhost", "port": provider.port}
    return {
        "vast": harness.vast_section(standin, ca),
        "providers": [own],
        "unsupported": unsupported,
    }


def trusting(ca: Path) -> list[str]:
    return ["--set", f"ssl_verify_upstream_trusted_ca={ca}"]


def test_the_provider_is_never_contacted_for_served_and_refused_calls(
    standin: StandIn,
    provider: Provider,
    certs: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = config_for(standin, provider, certs.ca)
    base = f"https://localhost:{provider.port}/v1"
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    with harness.intercept(tmp_path, config, *trusting(certs.ca)) as interceptor:
        use(interceptor, monkeypatch)
        assert requests.post(f"{base}/chat/completions", json=body, timeout=30).status_code == 200
        for stream in (False, True):
            answer = requests.post(
                f"{base}/chat/completions", json={**body, "stream": stream}, timeout=30
            )
            assert answer.status_code == 200
        refused = [
            requests.post(f"{base}/embeddings", json={"input": "x"}, timeout=30),
            requests.post(f"{base}/images/generations", json={"prompt": "x"}, timeout=30),
            requests.get(f"{base}/files", timeout=30),
            requests.post(f"{base}/chat/completions", data=b"{", timeout=30),
        ]
        assert [answer.status_code for answer in refused] == [404, 404, 404, 400]
        assert requests.get(f"{base}/models", timeout=30).status_code == 200
        assert requests.options(f"{base}/chat/completions", timeout=30).status_code == 204
    assert provider.connections == 0
    assert len(standin.calls()) == 3


def test_a_passed_call_is_the_same_to_the_byte_both_ways(
    standin: StandIn,
    provider: Provider,
    certs: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = config_for(standin, provider, certs.ca, {"embeddings": "pass"})
    flows = tmp_path / "flows"
    request = (
        f"POST /v1/embeddings?x=%41 HTTP/1.1\r\nHost: localhost:{provider.port}\r\n"
        f"X-oDD: 1,  2\r\nAuthorization: Bearer {APP_KEY}\r\nContent-Type: application/json\r\n"
        "Content-Length: 29\r\n\r\n"
        '{"model" : "m" , "input":"x"}'
    ).encode()
    with harness.intercept(tmp_path, config, "-w", str(flows), *trusting(certs.ca)) as interceptor:
        use(interceptor, monkeypatch)
        through = exchange(interceptor.port, provider.port, interceptor.ca, request)
        direct = exchange(None, provider.port, certs.ca, request)
        # Another operation is refused as before.
        answer = requests.post(f"https://localhost:{provider.port}/v1/images", timeout=30)
        assert error_of(answer)["code"] == "unsupported_endpoint"
    assert provider.received == [request, request]
    assert through == direct
    assert standin.calls() == []
    assert APP_KEY[:-4].encode() not in flows.read_bytes()
    assert APP_KEY[-4:].encode() in flows.read_bytes()
    assert APP_KEY[:-4] not in interceptor.output


def exchange(proxy: int | None, port: int, ca: Path, request: bytes) -> bytes:
    """Sends the bytes, through the proxy or not, and returns those that come back."""
    context = ssl.create_default_context(cafile=str(ca))
    with socket.create_connection(("127.0.0.1", proxy or port), timeout=30) as raw:
        if proxy:
            raw.sendall(f"CONNECT localhost:{port} HTTP/1.1\r\n\r\n".encode())
            assert b"200" in raw.recv(1000)
        with context.wrap_socket(raw, server_hostname="localhost") as tls:
            tls.sendall(request)
            received = b""
            while not received.endswith(ANSWER):
                piece = tls.recv(65536)
                assert piece, received
                received += piece
    return received


def test_a_passed_answer_is_streamed(
    standin: StandIn,
    provider: Provider,
    certs: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider.may_end.clear()
    config = config_for(standin, provider, certs.ca, "pass")
    with harness.intercept(tmp_path, config, *trusting(certs.ca)) as interceptor:
        use(interceptor, monkeypatch)
        answer = requests.post(
            f"https://localhost:{provider.port}/v1/audio/speech", json={}, stream=True, timeout=30
        )
        pieces = answer.iter_content(10)
        assert next(pieces) == ANSWER[:10]  # while the provider still holds the rest back
        provider.may_end.set()
        assert b"".join(pieces) == ANSWER[10:]


def test_outside_of_the_api_everything_is_passed_on(
    standin: StandIn,
    provider: Provider,
    certs: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = config_for(standin, provider, certs.ca)
    with harness.intercept(tmp_path, config, *trusting(certs.ca)) as interceptor:
        use(interceptor, monkeypatch)
        answer = requests.get(f"https://localhost:{provider.port}/dashboard", timeout=30)
    assert answer.content == ANSWER
    assert provider.connections == 1


def test_a_call_with_more_keys_than_any_app_sends_is_refused(
    standin: StandIn,
    provider: Provider,
    certs: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The provider's answer is searched for each of them."""
    config = config_for(standin, provider, certs.ca, "pass")
    keys = {f"x-key-{number}": f"key-0123456789-{number}" for number in range(16)}
    url = f"https://localhost:{provider.port}/v1/embeddings"
    with harness.intercept(tmp_path, config, *trusting(certs.ca)) as interceptor:
        use(interceptor, monkeypatch)
        answer = requests.post(url, json={}, headers=keys, timeout=30)
        assert answer.content == ANSWER
        answer = requests.post(f"{url}?key=another-key", json={}, headers=keys, timeout=30)
        assert answer.status_code == 400
        assert error_of(answer)["code"] == "request_too_complex"
    assert len(provider.received) == 1


def test_another_host_shows_its_own_certificate(
    vast_section: dict[str, Any],
    provider: Provider,
    certs: Certificates,
    tmp_path: Path,
) -> None:
    config = {"vast": vast_section}
    with harness.intercept(tmp_path, config) as interceptor:
        # Trusting the provider's CA only: a certificate of mitmproxy's would fail.
        answer = exchange(
            interceptor.port, provider.port, certs.ca, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
        )
    assert answer.endswith(ANSWER)
    assert provider.connections == 1
