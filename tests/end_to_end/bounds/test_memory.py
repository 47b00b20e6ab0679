"""Apps that may use the interceptor cannot fill its memory."""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from ... import harness
from ...harness import Interceptor
from .upstream import Upstream, serving, stream, whole

MIB = 1024 * 1024
LARGE = 59 * MIB


@contextmanager
def connected(interceptor: Interceptor) -> Iterator[ssl.SSLSocket]:
    raw = socket.create_connection(("127.0.0.1", interceptor.port), timeout=30)
    raw.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n")
    assert b"200" in raw.recv(1_000)
    context = ssl.create_default_context(cafile=str(interceptor.ca))
    with context.wrap_socket(raw, server_hostname="api.openai.com") as tls:
        yield tls


def begin(app: ssl.SSLSocket, size: int) -> None:
    app.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: api.openai.com\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % size
    )


def answer_to(app: ssl.SSLSocket) -> tuple[int, dict[str, str], bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        data = app.recv(65_536)
        assert data
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += app.recv(65_536)
    return int(status.split()[1]), headers, body


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with serving() as upstream:
        upstream.answer = whole(b'{"choices":[]}')
        yield upstream


@pytest.fixture(params=["serve", "mitmdump"])
def interceptor(
    request: pytest.FixtureRequest, upstream: Upstream, tmp_path: Path
) -> Iterator[Interceptor]:
    config = {"vast": {"endpoint": "e", "openai_url": upstream.url}}
    with harness.intercept(tmp_path, config, kind=request.param) as interceptor:
        yield interceptor


@pytest.mark.parametrize(("size", "count"), [(LARGE, 7), (7 * MIB, 21)], ids=["in pieces", "held"])
@pytest.mark.parametrize("interceptor", ["serve"], indirect=True)
def test_of_unfinished_bodies(size: int, count: int, interceptor: Interceptor) -> None:
    """As many as there is room for, and some more: those get a 503, and none of it is kept.

    A body that mitmproxy holds counts twice, since the relay is to have it, too.
    """
    process = psutil.Process(interceptor.process.pid)
    before = process.memory_info().rss
    with ExitStack() as stack:
        apps = [stack.enter_context(connected(interceptor)) for _ in range(count)]
        piece = b" " * MIB
        for app in apps:
            begin(app, size)
            for _ in range(size // MIB - 1):
                app.sendall(piece)
        assert process.memory_info().rss - before < 350 * MIB
        # Some end, each with an answer: the last ones came too late.
        statuses = []
        for app in (apps[-1], apps[-2], apps[0], apps[1]):
            app.sendall(piece)
            statuses.append(answer_to(app))
        # The first ones were read, and hold nothing but blanks.
        assert [status for status, *_ in statuses] == [503, 503, 400, 400]
        _, headers, body = statuses[0]
        error = json.loads(body)["error"]
        assert error["code"] == "interceptor_overloaded"
        assert "268,435,456 bytes" in error["message"]
        assert headers["retry-after"] == "1"
    with connected(interceptor) as app:
        body = b'{"messages":[]}'
        begin(app, len(body))
        app.sendall(body)
        assert answer_to(app)[0] == 200  # now that they are gone


@pytest.mark.parametrize("interceptor", ["serve"], indirect=True)
def test_of_bodies_that_are_only_announced(interceptor: Interceptor) -> None:
    """They keep large calls out, but no small one."""
    with ExitStack() as stack:
        for _ in range(16):
            begin(stack.enter_context(connected(interceptor)), 8 * MIB)
        large, small = (stack.enter_context(connected(interceptor)) for _ in range(2))
        begin(large, MIB)
        large.sendall(b" " * MIB)
        assert answer_to(large)[0] == 503
        body = b'{"messages":[]}'
        begin(small, len(body))
        small.sendall(body)
        assert answer_to(small)[0] == 200


@pytest.mark.parametrize("interceptor", ["serve"], indirect=True)
def test_of_apps_that_leave_within_their_body(interceptor: Interceptor) -> None:
    """Nothing is kept of any of them: of some, mitmproxy itself does not tell (FACTS M54)."""
    for _ in range(100):
        with connected(interceptor) as app:
            begin(app, 3 * MIB)
            app.sendall(b" " * 300_000)
    with interceptor.session() as session:
        end = time.monotonic() + 15
        running = 100
        while running and time.monotonic() < end:
            status = session.get("http://vast-intercept.internal/status", timeout=10).json()
            running = status["tally"]["running"]
            time.sleep(0.05)
    assert running == 0


@pytest.mark.parametrize("interceptor", ["serve"], indirect=True)
def test_of_a_body_for_what_is_answered_at_once(interceptor: Interceptor) -> None:
    process = psutil.Process(interceptor.process.pid)
    before = process.memory_info().rss
    with interceptor.session() as session:
        pieces = (b"x" * MIB for _ in range(100))  # in chunks: their number is not declared
        url = "http://vast-intercept.internal/status"
        answer = session.post(url, data=pieces, timeout=60)
    assert answer.status_code == 404
    assert process.memory_info().rss - before < 30 * MIB


@pytest.mark.parametrize("interceptor", ["serve"], indirect=True)
@pytest.mark.parametrize("to", ["a provider", "the proxy"])
def test_of_a_client_hello_without_an_end(to: str, interceptor: Interceptor) -> None:
    process = psutil.Process(interceptor.process.pid)
    before = process.memory_info().rss
    with socket.create_connection(("127.0.0.1", interceptor.port), timeout=30) as app:
        if to == "a provider":
            app.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n")
            assert b"200" in app.recv(1_000)
        record = b"\x16\x03\x01\x40\x00"
        app.sendall(record + b"\x01\xff\xff\xff" + bytes(0x4000 - 4))
        with pytest.raises(ConnectionError):
            app.sendall((record + bytes(0x4000)) * 900)
    assert process.memory_info().rss - before < 10 * MIB
    interceptor.wait_for(r"Cannot parse ClientHello: it is longer than 65,536 bytes")


@pytest.mark.parametrize("interceptor", ["serve"], indirect=True)
@pytest.mark.parametrize("within", ["TLS", "the proxy's own connection"])
def test_of_a_head_without_an_end(within: str, interceptor: Interceptor) -> None:
    process = psutil.Process(interceptor.process.pid)
    before = process.memory_info().rss
    with ExitStack() as stack:
        if within == "TLS":
            app: socket.socket = stack.enter_context(connected(interceptor))
        else:
            app = stack.enter_context(socket.create_connection(("127.0.0.1", interceptor.port)))
        app.sendall(b"POST http://api.openai.com/v1/chat/completions HTTP/1.1\r\nx: ")
        with pytest.raises((ConnectionError, ssl.SSLError)):
            app.sendall(b"x" * 100 * MIB)
    assert process.memory_info().rss - before < 20 * MIB


@pytest.mark.parametrize("interceptor", ["serve"], indirect=True)
def test_of_a_body_for_another_host(interceptor: Interceptor, upstream: Upstream) -> None:
    process = psutil.Process(interceptor.process.pid)
    before = process.memory_info().rss
    url = f"http://localhost:{upstream.url.rpartition(':')[2]}/"
    with interceptor.session() as session:
        answer = session.post(url, data=b"x" * 100 * MIB, timeout=60)
    assert (answer.status_code, upstream.bodies[-1]) == (200, 100 * MIB)
    assert process.memory_info().rss - before < 50 * MIB


@pytest.mark.parametrize("interceptor", ["serve"], indirect=True)
def test_of_unfinished_bodies_for_another_host(
    interceptor: Interceptor, upstream: Upstream
) -> None:
    process = psutil.Process(interceptor.process.pid)
    before = process.memory_info().rss
    with ExitStack() as stack:
        for _ in range(70):
            app = stack.enter_context(socket.create_connection(("127.0.0.1", interceptor.port)))
            app.sendall(
                b"POST http://%b/ HTTP/1.1\r\nhost: %b\r\ncontent-length: %d\r\n\r\n"
                % (*[upstream.url.encode().removeprefix(b"http://")] * 2, 7 * MIB)
            )
            for _ in range(6):
                app.sendall(b" " * MIB)
        assert process.memory_info().rss - before < 350 * MIB


def test_of_streams_of_which_nobody_keeps_a_copy(
    interceptor: Interceptor, upstream: Upstream
) -> None:
    process = psutil.Process(interceptor.process.pid)
    answer = upstream.answer
    # Each stays below what a flow would keep of a stream.
    events = [b"data: %b\n\n" % (b"x" * 10_000)] * 700
    upstream.answer = [*stream(*events)[:-1]]  # and has no end yet
    before = process.memory_info().rss
    body = b'{"stream":true,"messages":[]}'
    with ExitStack() as stack:
        for _ in range(10):
            app = stack.enter_context(connected(interceptor))
            begin(app, len(body))
            app.sendall(body)
            received = 0
            while received < 7_000_000:
                received += len(app.recv(2**20))
        assert process.memory_info().rss - before < 50 * MIB
    upstream.answer = answer
    end = time.monotonic() + 10
    while process.num_fds() > 40 and time.monotonic() < end:
        time.sleep(0.05)
