"""HTTP that is valid and seldom seen, and what mitmproxy refuses itself."""

import contextlib
import json
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest

from .. import harness
from ..harness import APP_KEY, Interceptor, StandIn
from .raw_clients import WAYS, RawClient
from .test_connections import BODY, CALL

HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
    b"Authorization: Bearer " + APP_KEY.encode() + b"\r\nContent-Type: application/json\r\n"
)
CHUNKS = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY.encode())
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY.encode()


def client_of(interceptor: Interceptor, alpn: str | None = None) -> RawClient:
    """A client that is connected to api.openai.com."""
    client = RawClient(interceptor, WAYS["regular"], 443, host="api.openai.com")
    client.start_tls(interceptor.ca, alpn=[alpn] if alpn else None)
    return client


@pytest.mark.parametrize(
    "trailers", [b"X-Key: " + APP_KEY.encode() + b"\r\n\r\n", b"A: 1\r\nB: 2\r\n\r\n"]
)
def test_trailers_are_discarded(trailers: bytes, mitmdump: Interceptor, standin: StandIn) -> None:
    head = HEAD + b"Trailer: X-Key\r\nTransfer-Encoding: chunked\r\n\r\n"
    with client_of(mitmdump) as client:
        for _ in range(2):  # the connection is kept
            client.send(head + CHUNKS + trailers[:5], trailers[5:])
            assert b" 200 " in client.read(until=b"hello there")[:20]
    assert json.loads(harness.body_of(standin.calls()[0]))["messages"]
    assert APP_KEY.encode() not in json.dumps(standin.calls()).encode()


def test_trailers_over_http2(mitmdump: Interceptor, standin: StandIn) -> None:
    with client_of(mitmdump, "h2") as client:
        answer = exchange_http2(client, trailers=[("x-key", APP_KEY)])
    assert answer[0] == 200, answer
    assert len(standin.calls()) == 1


@pytest.mark.parametrize("between", [b"\r\n", b"\n", b"\r\n\r\n"])
@pytest.mark.parametrize("apart", [True, False])
def test_empty_lines_between_two_requests(
    between: bytes, apart: bool, mitmdump: Interceptor, standin: StandIn
) -> None:
    with client_of(mitmdump) as client:
        if apart:
            client.send(WHOLE + between)
            assert b" 200 " in client.read(until=b"hello there")[:20]
            client.send(WHOLE)
        else:
            client.send(WHOLE + between + WHOLE)
            assert b" 200 " in client.read(until=b"hello there")[:20]
        assert b" 200 " in client.read(until=b"hello there")
    assert len(standin.calls()) == 2


REFUSED = {
    "conflicting lengths": (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    "a length and chunks": (
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS + b"\r\n",
        400,
    ),
    "a length that is none": (HEAD + b"Content-Length: five\r\n\r\nhello", 400),
    "an unknown transfer encoding": (HEAD + b"Transfer-Encoding: zip\r\n\r\nhello", 400),
    "a bad chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nhello\r\n", 400),
    "no colon": (HEAD + b"Authorization\r\n\r\n", 400),
    "a blank before the colon": (HEAD.replace(b"zation:", b"zation :") + b"\r\n", 400),
    "no such version": (HEAD.replace(b"HTTP/1.1", b"HTTP/11") + b"\r\n", 400),
    "CONNECT": (b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n", 400),
    "a long head": (HEAD + b"X: " + b"x" * 100_000, 431),
    "a long line between chunks": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;" + b"x" * 100_000,
        431,
    ),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals_have_openai_s_shape(
    sent: bytes, status: int, mitmdump: Interceptor, standin: StandIn
) -> None:
    with client_of(mitmdump) as client:
        client.send(sent)
        head, _, body = client.read().partition(b"\r\n\r\n")
    assert head.split()[1] == str(status).encode(), head
    assert_error(head, body)
    assert standin.calls() == []
    assert APP_KEY not in mitmdump.output


def test_over_http2_as_well(mitmdump: Interceptor) -> None:
    with client_of(mitmdump, "h2") as client:
        status, headers, body = exchange_http2(client, scheme="ftp")
    assert status == 400
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["error"]["code"] == "invalid_request"


def test_what_is_sent_ahead_is_bounded(mitmdump: Interceptor, standin: StandIn) -> None:
    body = json.dumps({**json.loads(BODY), "standin": {"fault": "hang"}}).encode()
    with client_of(mitmdump) as client:
        client.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        standin.wait_for_calls("running")
        with contextlib.suppress(ConnectionError):
            client.send(bytes(6_000_000))
        assert client.read() == b""
    standin.wait_for_calls("cancelled")
    mitmdump.wait_for("bytes came while a request was being answered")


def test_a_body_that_is_larger_than_mitmproxy_s_own_limit(
    vast_section: dict[str, Any], tmp_path: Path
) -> None:
    config = {"vast": vast_section}
    limit = ("--set", "body_size_limit=10")
    with harness.intercept(tmp_path, config, *limit, kind="serve") as interceptor:
        with client_of(interceptor) as client:
            client.send(WHOLE)
            head, _, body = client.read().partition(b"\r\n\r\n")
        assert head.split()[1] == b"413"
        assert json.loads(body)["error"]["code"] == "request_too_large"


def test_a_provider_that_cannot_be_reached(vast_section: dict[str, Any], tmp_path: Path) -> None:
    port = harness.unused_port()
    own = {"name": "own", "host": "localhost", "port": port}
    config = {
        "vast": vast_section,
        "providers": [own],
        "unsupported": "pass",
    }
    request = CALL.replace(b"chat/completions", b"embeddings")
    with (
        harness.intercept(tmp_path, config, kind="serve") as interceptor,
        RawClient(interceptor, WAYS["regular"], port) as client,
    ):
        client.send(request)
        head, _, body = client.read().partition(b"\r\n\r\n")
    assert head.split()[1] == b"502"
    assert json.loads(body)["error"]["code"] == "bad_gateway"


def assert_error(head: bytes, body: bytes) -> None:
    """Asserts that it is OpenAI's, and no page."""
    assert b"content-type: application/json" in head.lower()
    assert b"x-request-id: req_" in head.lower()
    error = json.loads(body)["error"]
    assert error["type"] == "invalid_request_error"
    assert error["code"] == "invalid_request"
    assert error["message"]


def exchange_http2(
    client: RawClient,
    *,
    scheme: str = "https",
    host: str = "api.openai.com",
    path: str = "/v1/chat/completions",
    trailers: list[tuple[str, str]] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Makes a call over HTTP/2, and returns status, headers and body of the answer."""
    config = h2.config.H2Configuration(
        client_side=True, header_encoding="utf-8", validate_outbound_headers=False
    )
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    headers = [
        (":method", "POST"),
        (":scheme", scheme),
        (":authority", host),
        (":path", path),
        ("content-type", "application/json"),
    ]
    connection.send_headers(1, headers)
    connection.send_data(1, BODY.encode(), end_stream=trailers is None)
    if trailers is not None:
        connection.send_headers(1, trailers, end_stream=True)
    client.send(connection.data_to_send())
    answered: dict[str, str] = {}
    body = b""
    while True:
        events: list[Any] = connection.receive_data(client.read(until=b""))
        for event in events:
            if isinstance(event, h2.events.ResponseReceived):
                answered = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
            elif isinstance(event, h2.events.StreamEnded):
                return int(answered[":status"]), answered, body
            else:
                assert not isinstance(event, h2.events.StreamReset), event
                assert not isinstance(event, h2.events.ConnectionTerminated), event
