"""Headers do not choose where a call goes, and no call from elsewhere ends at this machine.

Vast's certificate is not trusted, so that every call that is served falls back to its provider.
"""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from .. import harness
from ..harness import APP_KEY, Interceptor, StandIn
from .test_access import own_address

ANSWER = json.dumps({"choices": [{"message": {"role": "assistant", "content": "the service"}}]})
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
CHAT = "/v1/chat/completions"


class Service(ThreadingHTTPServer):
    """A service of this machine, on every address of it."""

    def __init__(self) -> None:
        super().__init__(("0.0.0.0", 0), _Handler)
        self.paths: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        self.server.paths.append(self.path)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def _service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def service(_service: Service) -> Service:
    _service.paths.clear()
    return _service


def names_of_this_machine() -> list[str]:
    return ["127.0.0.1", "localhost", "0.0.0.0", "::ffff:127.0.0.1", own_address()]


@pytest.fixture(scope="module")
def interceptor(
    _service: Service, _standin: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interceptor]:
    """It serves other machines, and knows this one as a provider under each of its names."""
    port = _service.server_port
    hosts = ["api.own.example", *names_of_this_machine()]
    own = [
        {"name": f"own{number}", "host": host, "port": port, "scheme": "http"}
        for number, host in enumerate(hosts)
    ]
    vast = {"endpoint": harness.ENDPOINT, "openai_url": _standin.url}
    config = {
        "vast": vast,
        "providers": ["openai", *own],
        "routes": [{"model": "*", "endpoint": harness.ENDPOINT, "fallback": ["provider"]}],
        "unsupported": {"embeddings": "pass"},
        "clients": {"allow_from": ["127.0.0.0/8", f"{own_address()}/32"]},
    }
    folder = tmp_path_factory.mktemp("destination")
    with harness.intercept(folder, config, "--listen-host", "0.0.0.0") as running:
        yield running


def post(
    interceptor: Interceptor, url: str, *headers: str, come_from: str | None = None, host: str = ""
) -> tuple[int, dict[str, Any]]:
    """The answer to a plain request for a URL, as bytes that no client library would send."""
    address = come_from or own_address()
    lines = [f"POST {url} HTTP/1.1", *(headers or (f"Host: {host}",))]
    lines += [f"Authorization: Bearer {APP_KEY}", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(BODY)}", "Connection: close", "", BODY]
    with socket.create_connection((address, interceptor.port), timeout=20) as client:
        client.sendall("\r\n".join(lines).encode())
        return read_answer(client)


def read_answer(client: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and JSON body of an answer that says how long it is."""
    with client.makefile("rb") as file:
        status = int(file.readline().split()[1])
        length = 0
        while (line := file.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body: dict[str, Any] = json.loads(file.read(length))
        return status, body


@pytest.mark.parametrize(
    "headers",
    [
        ("Host: 127.0.0.1",),
        ("Host: localhost:{port}",),
        ("Host: 0.0.0.0:{port}",),
        ("Host: [::1]:{port}",),
        ("Host: evil.example",),
        ("Host: api.openai.com", "Host: 127.0.0.1"),
        ("Host: api.openai.com@127.0.0.1",),
        ("Host: 127.0.0.1 api.openai.com",),
        ("Host: " + "x" * 64 + ".example",),
    ],
)
def test_the_host_header_does_not_choose_where_a_fallback_goes(
    interceptor: Interceptor, service: Service, headers: tuple[str, ...]
) -> None:
    port = service.server_port
    url = f"http://api.own.example:{port}/admin/secret/../../v1/chat/completions"
    for come_from in (own_address(), "127.0.0.1"):
        status, body = post(
            interceptor, url, *(each.format(port=port) for each in headers), come_from=come_from
        )
        assert status in {400, 421}
        assert body["error"]["code"] in {"misdirected_request", "invalid_host", "invalid_request"}
        assert body["error"]["type"] == "invalid_request_error"
    assert service.paths == []


@pytest.mark.parametrize("http2", [False, True])
def test_the_host_header_does_not_lead_out_of_a_tunnel(
    interceptor: Interceptor, service: Service, http2: bool
) -> None:
    context: Any = ssl.create_default_context(cafile=str(interceptor.ca))
    if http2:
        context = harness.http2_only(interceptor)
    with httpx.Client(proxy=interceptor.url, verify=context, http2=http2, timeout=20) as client:
        answer = client.post(
            f"https://api.openai.com{CHAT}",
            content=BODY,
            headers={"host": f"localhost:{service.server_port}"},
        )
        assert (answer.status_code, answer.http_version[:6]) == (
            421,
            "HTTP/2" if http2 else "HTTP/1",
        )
        assert answer.json()["error"]["code"] == "misdirected_request"
        answer = client.get("https://api.openai.com/v1/models")
        assert answer.status_code == 200, answer.text
    assert service.paths == []


@pytest.mark.parametrize("host", names_of_this_machine())
def test_the_relay_never_dials_this_machine_for_another_one(
    interceptor: Interceptor, service: Service, host: str
) -> None:
    authority = f"[{host}]" if ":" in host else host
    url = f"http://{authority}:{service.server_port}{CHAT}"
    status, body = post(interceptor, url, host=authority)
    assert (status, body["error"]["code"]) == (502, "forbidden_address")
    assert service.paths == []
    # For this machine's own apps it does, also over what was refused a moment ago.
    status, body = post(interceptor, url, host=authority, come_from="127.0.0.1")
    assert (status, json.dumps(body)) == (200, ANSWER)
    # And a connection that is kept for them is not used for others.
    status, body = post(interceptor, url, host=authority)
    assert (status, body["error"]["code"]) == (502, "forbidden_address")
    assert service.paths == [CHAT]


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/v1/chat/completions?a=%2e%2e/b", "/v1/chat/completions?a=%2e%2e/b"),
        ("/admin/secret/../../v1/chat/completions", CHAT),
        ("/v1/x/%2e%2E/chat//./completions", CHAT),
        ("/v1/embeddings", "/v1/embeddings"),
        ("/v1/%65mbeddings?x=%41", "/v1/%65mbeddings?x=%41"),
        ("/admin/..//v1/embeddings?x=%41", "/v1/embeddings?x=%41"),
        ("/v1/../admin/%2e", "/admin"),
    ],
)
def test_what_reaches_a_provider_has_the_path_that_was_judged(
    interceptor: Interceptor, service: Service, path: str, sent: str
) -> None:
    port = service.server_port
    status, _ = post(
        interceptor,
        f"http://127.0.0.1:{port}{path}",
        host=f"127.0.0.1:{port}",
        come_from="127.0.0.1",
    )
    assert status == 200
    assert service.paths == [sent]
