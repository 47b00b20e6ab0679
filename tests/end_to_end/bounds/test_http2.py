"""Apps over HTTP/2 that do not take what comes for them, or leave at once."""

import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import psutil
import pytest

from ... import harness
from ...harness import Certificates, Interceptor, StandIn
from .upstream import Upstream, serving, stream

MIB = 1024 * 1024
BODY = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}'


class App:
    """A client that sends and receives just what it is told to."""

    def __init__(self, interceptor: Interceptor) -> None:
        raw = socket.create_connection(("127.0.0.1", interceptor.port), timeout=30)
        raw.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n")
        assert b"200" in raw.recv(1_000)
        context = harness.http2_only(interceptor)
        context.set_alpn_protocols(["h2"])
        self.socket = context.wrap_socket(raw, server_hostname="api.openai.com")
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.http.initiate_connection()
        self.received: dict[int, bytearray] = {}
        self.ended: set[int] = set()
        self.flush()

    def flush(self) -> None:
        if data := self.http.data_to_send():
            self.socket.sendall(data)

    def call(self) -> int:
        number = self.http.get_next_available_stream_id()
        self.http.send_headers(
            number,
            [
                (":method", "POST"),
                (":scheme", "https"),
                (":authority", "api.openai.com"),
                (":path", "/v1/chat/completions"),
                ("content-type", "application/json"),
                ("authorization", f"Bearer {harness.APP_KEY}"),
                ("content-length", str(len(BODY))),
            ],
        )
        self.http.send_data(number, BODY, end_stream=True)
        self.received[number] = bytearray()
        return number

    def read(self) -> None:
        """Reads what is there, and opens no window."""
        data = self.socket.recv(65_536)
        assert data, "the connection was closed"
        for event in self.http.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                assert event.stream_id is not None
                self.received[event.stream_id] += event.data or b""
            elif isinstance(event, h2.events.StreamEnded):
                assert event.stream_id is not None
                self.ended.add(event.stream_id)
        self.flush()


@contextmanager
def intercepted(folder: Path, url: str, **more: object) -> Iterator[Interceptor]:
    config = {"vast": {"endpoint": harness.ENDPOINT, "openai_url": url, **more}}
    with harness.intercept(folder, config, kind="serve") as interceptor:
        yield interceptor


def until_it_stands_still(upstream: Upstream, limit: int) -> int:
    """How much Vast could send until nobody took more of it."""
    sent, since = -1, time.monotonic()
    while time.monotonic() - since < 1:
        time.sleep(0.05)
        if upstream.sent != sent:
            sent, since = upstream.sent, time.monotonic()
        assert sent < limit
    return sent


def events(count: int) -> Iterable[bytes]:
    return (b"data: %07d %b\n\n" % (number, b"x" * 1_000) for number in range(count))


def lasting() -> list[bytes]:
    return stream(*events(50_000), b"data: [DONE]\n\n")


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
def test_vast_waits_for_an_app_that_does_not_read(version: str, tmp_path: Path) -> None:
    with serving() as upstream, intercepted(tmp_path, upstream.url) as interceptor:
        upstream.answer = lasting()
        process = psutil.Process(interceptor.process.pid)
        if version == "HTTP/2":
            app = App(interceptor)
            first = app.call()
            app.flush()
            while len(app.received[first]) < 65_535:  # as large as its window is at first
                app.read()
        else:
            app = None
            raw = socket.create_connection(("127.0.0.1", interceptor.port))
            raw.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n")
            assert b"200" in raw.recv(1_000)
            context = ssl.create_default_context(cafile=str(interceptor.ca))
            tls = context.wrap_socket(raw, server_hostname="api.openai.com")
            tls.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: api.openai.com\r\n"
                b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (len(BODY), BODY)
            )
        before = process.memory_info().rss
        # What the system keeps of four connections on the way is the most of it.
        until_it_stands_still(upstream, 40 * MIB)
        assert process.memory_info().rss - before < 30 * MIB
        if app is None:
            tls.close()
            return

        # Another call on the same connection is not held back.
        app.http.increment_flow_control_window(65_535)
        upstream.answer = stream(b"data: {}\n\n", b"data: [DONE]\n\n")
        second = app.call()
        app.flush()
        while second not in app.ended:
            app.read()
        assert app.received[second].endswith(b"data: [DONE]\n\n")

        # Once it takes it, it gets all of it, and in order.
        app.http.increment_flow_control_window(2**31 - 1 - 2 * 65_535)
        app.http.increment_flow_control_window(2**31 - 1 - 65_535, first)
        app.flush()
        while first not in app.ended:
            app.read()
        assert app.received[first] == b"".join(events(50_000)) + b"data: [DONE]\n\n"
        app.socket.close()


def test_a_reset_that_comes_with_its_request_ends_the_call(
    standin: StandIn, certs: Certificates, tmp_path: Path
) -> None:
    with intercepted(tmp_path, standin.url, ca_file=str(certs.ca)) as interceptor:
        app = App(interceptor)
        process = psutil.Process(interceptor.process.pid)
        descriptors = process.num_fds()
        for _ in range(100):
            app.http.reset_stream(app.call(), 8)  # CANCEL
        app.flush()
        # What follows on the connection is answered as ever.
        last = app.call()
        app.flush()
        while last not in app.ended:
            app.read()
        assert app.received[last].endswith(b"data: [DONE]\n\n")
        end = time.monotonic() + 10
        while process.num_fds() > descriptors + 4 and time.monotonic() < end:
            time.sleep(0.05)
        assert process.num_fds() <= descriptors + 4
        app.socket.close()
