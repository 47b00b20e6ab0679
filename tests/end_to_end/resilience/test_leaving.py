"""An app that leaves frees everything at once, wherever its call is."""

import json
import socket
import ssl
import time

import pytest

from ...fixtures.workers import WORKERS, Intercepting
from ...harness import APP_KEY, Interceptor, StandIn
from .apps import MESSAGES

CHAT = "/v1/chat/completions"


class LeavingApp:
    """Sends a request over a raw connection, and can leave at any time."""

    def __init__(self, interceptor: Interceptor, **options: object) -> None:
        raw = socket.create_connection(("127.0.0.1", interceptor.port), timeout=30)
        raw.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n")
        assert b" 200 " in raw.recv(1_000)
        context = ssl.create_default_context(cafile=str(interceptor.ca))
        self._connection = context.wrap_socket(raw, server_hostname="api.openai.com")
        body = json.dumps({"model": "m", "messages": MESSAGES, **options}).encode()
        self._connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
            b"Content-Type: application/json\r\nAuthorization: Bearer %b\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (APP_KEY.encode(), len(body), body)
        )

    def read_some(self) -> bytes:
        return self._connection.recv(10_000)

    def leave(self) -> None:
        self._connection.close()


@pytest.mark.parametrize("stream", [False, True])
def test_while_the_router_is_asked(vast: StandIn, intercepting: Intercepting, stream: bool) -> None:
    interceptor = intercepting(timeout={})
    vast.override("route", fault="hang", times=1)
    app = LeavingApp(interceptor, stream=stream)
    vast.wait_for_calls("running", path="/route/")
    left = time.monotonic()
    app.leave()
    vast.wait_for_calls("cancelled", path="/route/")
    assert time.monotonic() - left < 1


@pytest.mark.parametrize("stream", [False, True])
def test_while_it_waits_for_a_worker(
    vast: StandIn, intercepting: Intercepting, stream: bool
) -> None:
    interceptor = intercepting(timeout={}, keepalive=0.2)
    for worker in range(WORKERS):
        vast.set_worker(worker, "cold")
    app = LeavingApp(interceptor, stream=stream)
    vast.wait_for_calls("done", 2, path="/route/")
    if stream:
        app.read_some()
    left = time.monotonic()
    app.leave()
    interceptor.wait_for("No call waits for a worker of endpoint 'my-endpoint' any more")
    assert time.monotonic() - left < 1


@pytest.mark.parametrize("stream", [False, True])
def test_while_the_worker_has_not_answered(
    vast: StandIn, intercepting: Intercepting, stream: bool
) -> None:
    interceptor = intercepting(timeout={})
    app = LeavingApp(interceptor, stream=stream, standin={"fault": "hang"})
    vast.wait_for_calls("running", path=CHAT)
    left = time.monotonic()
    app.leave()
    vast.wait_for_calls("cancelled", path=CHAT)
    assert time.monotonic() - left < 1


def test_in_the_middle_of_a_stream(vast: StandIn, intercepting: Intercepting) -> None:
    interceptor = intercepting(timeout={})
    app = LeavingApp(interceptor, stream=True, standin={"gate": "shut", "chunks": 5})
    assert b"200 OK" in app.read_some()
    left = time.monotonic()
    app.leave()
    vast.wait_for_calls("cancelled", path=CHAT)
    assert time.monotonic() - left < 1
