"""What apps say of their connections, and odd but real requests, sent byte for byte."""

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from mitmproxy import http
from mitmproxy.io import FlowReader

from .. import harness
from ..harness import Interceptor, StandIn, http2_only

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello there"}]}
BODIES = {
    "whole": json.dumps(CHAT).encode(),
    "streamed": json.dumps({**CHAT, "stream": True}).encode(),
    "refused": b"{",
}
JSON = b"Content-Type: application/json\r\n"
EVERY_ANSWER = pytest.mark.parametrize("kind", BODIES)


class Connection:
    """A connection to api.openai.com, through the interceptor."""

    def __init__(self, interceptor: Interceptor) -> None:
        raw = socket.create_connection(("127.0.0.1", interceptor.port), timeout=20)
        raw.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n")
        assert b"200" in raw.recv(1000)
        context = ssl.create_default_context(cafile=str(interceptor.ca))
        self.tls = context.wrap_socket(raw, server_hostname="api.openai.com")

    def ask(
        self,
        body: bytes,
        headers: bytes = b"",
        *,
        version: bytes = b"1.1",
        target: bytes = b"/v1/chat/completions",
        method: bytes = b"POST",
        content_type: bytes = JSON,
    ) -> None:
        """Sends a request."""
        length = b"content-length: %d\r\n" % len(body)
        host = b"host: api.openai.com\r\n"
        line = b"%s %s HTTP/%s\r\n" % (method, target, version)
        self.tls.sendall(line + host + content_type + headers + length + b"\r\n" + body)

    def read_to_the_end(self) -> tuple[bytes, bytes]:
        """Head and body, as a client that waits for the connection to close."""
        received = b""
        with self.tls:
            while piece := self.tls.recv(65536):
                received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        return head.lower(), body

    def read_answer(self) -> tuple[bytes, bytes]:
        """Head and body of one answer on a connection that stays open."""
        received = b""
        while True:
            head, blank, body = received.partition(b"\r\n\r\n")
            head = head.lower()
            if blank and b"transfer-encoding: chunked" in head and body.endswith(b"0\r\n\r\n"):
                return head, body
            if blank and b"content-length: %d" % len(body) in head:
                return head, body
            piece = self.tls.recv(65536)
            assert piece, received
            received += piece


@pytest.fixture
def connection(mitmdump: Interceptor) -> Iterator[Connection]:
    """A connection that is closed in the end, whatever happens."""
    opened = Connection(mitmdump)
    with opened.tls:
        yield opened


def check(kind: str, head: bytes, body: bytes) -> None:
    """The answer is the one for this kind of body."""
    assert head.split()[1] == (b"400" if kind == "refused" else b"200"), (head, body)
    expected = {"whole": b"You said: hello there", "streamed": b"data: [DONE]\n\n"}
    assert expected.get(kind, b"invalid_json") in body


class TestTheEnd:
    @EVERY_ANSWER
    @pytest.mark.parametrize("said", [b"Connection: close", b"connection: Close, TE"])
    def test_that_the_app_asked_for(self, kind: str, said: bytes, connection: Connection) -> None:
        connection.ask(BODIES[kind], said + b"\r\n")
        head, body = connection.read_to_the_end()
        check(kind, head, body)
        assert b"connection: close" in head

    @EVERY_ANSWER
    def test_of_a_call_that_is_answered_here(self, kind: str, connection: Connection) -> None:
        target = b"/v1/images" if kind == "refused" else b"/v1/models"
        connection.ask(b"", b"Connection: close\r\n", target=target, method=b"GET")
        head, _ = connection.read_to_the_end()
        assert head.split()[1] == (b"404" if kind == "refused" else b"200")

    @EVERY_ANSWER
    @pytest.mark.parametrize("said", [b"", b"Connection: keep-alive\r\n"])
    def test_of_http_1_0(self, kind: str, said: bytes, connection: Connection) -> None:
        connection.ask(BODIES[kind], said, version=b"1.0")
        head, body = connection.read_to_the_end()
        check(kind, head, body)
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head
        if kind == "streamed":
            assert body.startswith(b"data: ")

    def test_of_http_1_0_after_a_stream_that_comes_as_it_comes(
        self, connection: Connection, standin: StandIn
    ) -> None:
        gated = {**CHAT, "stream": True, "standin": {"gate": (gate := uuid4().hex)}}
        connection.ask(json.dumps(gated).encode(), version=b"1.0")
        standin.open_gate(gate)
        received = b""
        while b"data: " not in received:
            received += connection.tls.recv(65536)
        assert b"[DONE]" not in received
        for _ in range(20):
            standin.open_gate(gate)
        rest = b"".join(connection.read_to_the_end())
        assert rest.lower().endswith(b"data: [done]\n\n")

    def test_is_not_before_the_app_wants_it(self, connection: Connection) -> None:
        for kind in [*BODIES, *BODIES]:
            connection.ask(BODIES[kind], b"Connection: keep-alive\r\n")
            head, body = connection.read_answer()
            check(kind, head, body)
            assert b"\nconnection:" not in head

    def test_http2_keeps_no_connections_to_the_relay(self, mitmdump: Interceptor) -> None:
        with httpx.Client(http2=True, verify=http2_only(mitmdump), timeout=60) as client:
            for _ in range(10):
                for kind, content in BODIES.items():
                    answer = client.post(
                        "https://api.openai.com/v1/chat/completions",
                        content=content,
                        headers={"content-type": "application/json"},
                    )
                    assert answer.http_version == "HTTP/2"
                    check(kind, b"- %d" % answer.status_code, answer.content)
                    assert "connection" not in answer.headers
            assert relay_connections(mitmdump) <= 2


def relay_connections(interceptor: Interceptor) -> int:
    """How many connections of the process to itself are open."""
    import psutil  # noqa: PLC0415

    connections = psutil.Process(interceptor.process.pid).net_connections("tcp4")
    mine = {each.laddr for each in connections}
    return sum(each.status == "ESTABLISHED" and each.raddr in mine for each in connections) // 2


ODD = {
    "User-Agent, repeated": b"User-Agent: a\r\nUser-Agent: b\r\n",
    "Content-Type, repeated": JSON,
    "Server": b"Server: nginx\r\nServer: nginx\r\n",
    "ETag": b"ETag: a\r\nETag: b\r\n",
    "Max-Forwards": b"Max-Forwards: 1\r\nMax-Forwards: 1\r\n",
    "Content-Location": b"Content-Location: a\r\nContent-Location: b\r\n",
    "Upgrade": b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    "folded": b"X-Folded: a\r\n b\r\n\tc\r\n",
    "a control character": b"X-Control: a\x01b\x7f\r\n",
    "a NUL": b"X-Control: a\x00b\r\n",
    "Latin-1": b"X-Latin: caf\xe9\r\n",
    "no value": b"X-Empty:\r\n",
    "a long one": b"X-Long: " + b"x" * 20_000 + b"\r\n",
    "many": b"".join(b"X-Many-%d: x\r\n" % number for number in range(300)),
    "a forged token": b"X-Vast-Intercept-Call: " + b"x" * 22 + b"\r\n",
}


class TestOddButReal:
    @pytest.mark.parametrize("headers", ODD.values(), ids=ODD.keys())
    def test_headers(self, headers: bytes, connection: Connection, standin: StandIn) -> None:
        connection.ask(BODIES["whole"], headers)
        check("whole", *connection.read_answer())
        assert len(standin.calls()) == 1

    def test_a_folded_content_type(self, connection: Connection) -> None:
        folded = b"Content-Type: application/json;\r\n  charset=utf-8\r\n"
        connection.ask(BODIES["whole"], content_type=folded)
        check("whole", *connection.read_answer())

    @pytest.mark.parametrize("query", ["?name=café".encode(), b"?x=\xff", b"?a[]=|{}^`\\"])
    def test_a_raw_query(self, query: bytes, connection: Connection) -> None:
        connection.ask(BODIES["whole"], target=b"/v1/chat/completions" + query)
        check("whole", *connection.read_answer())

    def test_an_unheard_of_method_is_refused_as_any_other(self, connection: Connection) -> None:
        connection.ask(BODIES["whole"], method=b"BREW")
        head, body = connection.read_answer()
        assert head.split()[1] == b"404"
        assert json.loads(body)["error"]["code"] == "unsupported_endpoint"

    def test_the_answer_to_head_has_no_body(self, connection: Connection) -> None:
        connection.ask(b"", b"Connection: close\r\n", method=b"HEAD", target=b"/v1/models")
        _, body = connection.read_to_the_end()
        assert body == b""


def test_a_flow_has_the_apps_own_request(
    vast_section: dict[str, Any], standin: StandIn, tmp_path: Path
) -> None:
    flows = tmp_path / "flows"
    config = {"vast": vast_section}
    with harness.intercept(tmp_path / "c", config, "-w", str(flows)) as interceptor:
        connection = Connection(interceptor)
        connection.ask(BODIES["whole"], ODD["Upgrade"] + ODD["User-Agent, repeated"])
        with connection.tls:
            connection.read_answer()
    with flows.open("rb") as file:
        (flow,) = FlowReader(file).stream()
    assert isinstance(flow, http.HTTPFlow)
    assert flow.request.method == "POST"
    assert flow.request.headers.get_all("user-agent") == ["a", "b"]
    assert flow.request.headers["upgrade"] == "websocket"
    assert "x-vast-intercept-call" not in flow.request.headers
    assert flow.request.pretty_url == f"{standin.url}/{harness.ENDPOINT}/v1/chat/completions"
