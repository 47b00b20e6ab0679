"""What agents send besides the calls to a model: traces, and questions for WebSockets."""

import json
from typing import Any

import pytest
import requests
from h2.events import ConnectionTerminated

from ..fixtures.workers import Intercepting
from ..harness import APP_KEY, Interceptor, StandIn
from .bounds.test_http2 import App
from .test_app_connections import Connection

TRACES = "https://api.openai.com/v1/traces/ingest"
UPGRADE = (
    b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
SPAN: Any = {"object": "trace.span", "span_data": {"input": "a prompt of the app's"}}


def send_traces() -> requests.Response:
    headers = {"authorization": f"Bearer {APP_KEY}", "openai-beta": "traces=v1"}
    return requests.post(TRACES, json={"data": [SPAN]}, headers=headers, timeout=30)


def test_traces_are_taken_and_dropped(vast: StandIn, intercepting: Intercepting) -> None:
    interceptor = intercepting("--set", "flow_detail=0")
    answers = [send_traces() for _ in range(3)]
    assert [(each.status_code, each.content) for each in answers] == [(204, b"")] * 3
    assert all(each.headers["x-request-id"] for each in answers)
    assert vast.calls() == []
    # The log has the line of what comes after them, and none of theirs.
    refused = requests.post(TRACES.replace("ingest", "x"), json={}, timeout=30)
    assert refused.status_code == 404
    interceptor.wait_for("traces .*404; refused: unsupported_endpoint")
    assert interceptor.output.count(" traces") == 1
    assert "a prompt of the app's" not in interceptor.output


def test_traces_are_refused_if_the_configuration_says_so(intercepting: Intercepting) -> None:
    intercepting(sections={"unsupported": {"traces": "reject"}})
    answer = send_traces()
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unsupported_endpoint")


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        (b"/v1/responses", b"426", "websocket_not_served"),
        (b"/v1/realtime?model=gpt-realtime", b"404", "unsupported_endpoint"),
    ],
)
def test_a_websocket_is_refused_and_the_connection_serves_the_next_call(
    target: bytes, status: bytes, code: str, mitmdump: Interceptor
) -> None:
    connection = Connection(mitmdump)
    with connection.tls:
        for _ in range(2):
            connection.ask(b"", UPGRADE, target=target, method=b"GET", content_type=b"")
            head, body = connection.read_answer()
            assert head.split()[1] == status
            assert json.loads(body)["error"]["code"] == code
            assert (b"\r\nupgrade: http/1.1\r\n" in head) is (status == b"426")


def test_there_are_no_websockets_over_http_2(mitmdump: Interceptor, standin: StandIn) -> None:
    """An app that does not care about what is offered reaches nobody (FACTS R33)."""
    app = App(mitmdump)
    with app.socket:
        app.http.config.validate_outbound_headers = False
        names = (":method", ":protocol", ":scheme", ":authority", ":path")
        values = ("CONNECT", "websocket", "https", "api.openai.com", "/v1/responses")
        number = app.http.get_next_available_stream_id()
        app.http.send_headers(number, list(zip(names, values, strict=True)))
        app.flush()
        ended = False
        while not ended:
            events = app.http.receive_data(app.socket.recv(65_536))
            ended = any(isinstance(each, ConnectionTerminated) for each in events)
        assert app.http.remote_settings.enable_connect_protocol == 0
    assert standin.calls() == []
