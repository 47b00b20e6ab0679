"""The hooks of the hints, called in this process: what each has the log say, and how often."""

import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy.connection import Client
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons, tflow

from vast_intercept.hints import hints as hints_module
from vast_intercept.hints.hints import Hints
from vast_intercept.hints.processes import Process

HOST = "api.openai.com"


class Counting:
    """Stands for the monitor."""

    def __init__(self) -> None:
        self.failed = 0

    def tls_failed(self) -> None:
        self.failed += 1


@pytest.fixture
async def hints() -> AsyncIterator[Hints]:
    found = Hints(Counting())  # type: ignore[arg-type]
    with taddons.context(found) as context:
        context.options.add_option("listen_port", int, 9000, "")
        yield found


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Which connections' processes were looked up. Each is found to be one `app`."""
    found: list[tuple[Any, ...]] = []

    def find(*asked: Any) -> Process:
        found.append(asked)
        return Process("app", 4711)

    monkeypatch.setattr(hints_module, "find_process", find)
    return found


def client(number: int = 1, mode: str = "regular") -> Client:
    made = tflow.tclient_conn()
    made.id = f"client {number}"
    made.peername, made.sockname = ("127.0.0.1", 50_000 + number), ("127.0.0.1", 9000)
    made.proxy_mode = ProxyMode.parse(mode)
    made.sni, made.error, made.timestamp_tls_setup = HOST, None, None
    return made


def hello(of: Client) -> Any:
    return SimpleNamespace(
        context=SimpleNamespace(client=of), client_hello=SimpleNamespace(sni=of.sni)
    )


def failure(of: Client, why: str) -> Any:
    conn = SimpleNamespace(sni=of.sni, error=why)
    return SimpleNamespace(context=SimpleNamespace(client=of), conn=conn)


def request_of(of: Client) -> Any:
    flow = tflow.tflow(client_conn=of)
    flow.live = True
    return flow


async def test_who_leaves_without_a_word_is_told_of_once(
    hints: Hints, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2):
        one = client(number)
        hints.client_connected(one)
        hints.client_disconnected(one)
    [line] = caplog.messages
    assert "Something at 127.0.0.1 connected to port 9000 and left without a word" in line


@pytest.mark.parametrize("mode", ["transparent", "reverse:https://api.openai.com", "socks5"])
async def test_where_no_proxy_protocol_is_spoken_silence_says_nothing(
    hints: Hints, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = client(mode=mode)
    hints.client_connected(one)
    hints.client_disconnected(one)
    assert caplog.messages == []


async def test_who_speaks_the_proxy_protocol_is_not_silent(
    hints: Hints, caplog: pytest.LogCaptureFixture
) -> None:
    one = client()
    hints.client_connected(one)
    hints.http_connect(request_of(one))
    hints.client_disconnected(one)
    assert caplog.messages == []


async def test_an_app_that_refuses_the_certificate_is_named_once(
    hints: Hints, looked_up: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2):
        one = client(number)
        await hints.tls_clienthello(hello(one))
        hints.tls_failed_client(failure(one, "sslv3 alert unknown ca"))
        hints.client_disconnected(one)
    assert len(looked_up) == 2
    assert looked_up[0][:2] == (("127.0.0.1", 50_000), ("127.0.0.1", 9000))
    [line] = caplog.messages
    assert (
        f"app (process 4711) does not trust the interceptor's CA, so that its calls to {HOST}"
        in (line)
    )
    assert hints._monitor.failed == 2  # type: ignore[attr-defined]


async def test_a_handshake_that_fails_for_another_reason_is_only_counted(
    hints: Hints, looked_up: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    one = client()
    await hints.tls_clienthello(hello(one))
    hints.tls_failed_client(failure(one, "no shared cipher"))
    assert caplog.messages == []
    assert hints._monitor.failed == 1  # type: ignore[attr-defined]


async def test_no_process_is_looked_up_while_calls_come_through(
    hints: Hints, looked_up: list[Any]
) -> None:
    first = client(1)
    await hints.tls_clienthello(hello(first))
    hints.requestheaders(request_of(first))
    await hints.tls_clienthello(hello(client(2)))
    assert len(looked_up) == 1
    hints.tls_failed_client(failure(client(3), "unknown ca"))
    await hints.tls_clienthello(hello(client(4)))
    assert len(looked_up) == 2


async def test_nobody_on_another_machine_is_looked_up(hints: Hints, looked_up: list[Any]) -> None:
    one = client()
    one.peername = ("10.0.0.7", 50_000)
    await hints.tls_clienthello(hello(one))
    assert looked_up == []


async def test_who_leaves_after_the_handshake_is_told_of_unless_it_has_called(
    hints: Hints, looked_up: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    for number, calls in enumerate([True, False]):
        one = client(number)
        await hints.tls_clienthello(hello(one))
        one.timestamp_tls_setup = time.time()
        if calls:
            hints.requestheaders(request_of(one))
            hints.client_disconnected(one)
            assert caplog.messages == []
            hints._callers.clear()
            hints._trusted.clear()
        else:
            hints.client_disconnected(one)
    [line] = caplog.messages
    assert f"app (process 4711) left right after the TLS handshake for {HOST}" in line
    assert len(looked_up) == 2


async def test_a_check_that_only_looks_at_the_certificate_is_not_told_of(
    hints: Hints, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    check = Process("vast-intercept", 4711)
    monkeypatch.setattr(hints_module, "find_process", lambda *_: check)
    one = client()
    await hints.tls_clienthello(hello(one))
    one.timestamp_tls_setup = time.time()
    hints.client_disconnected(one)
    assert caplog.messages == []


async def test_a_flow_from_a_file_says_nothing_of_any_app(hints: Hints) -> None:
    flow = request_of(client())
    flow.live = False
    hints.requestheaders(flow)
    assert not hints._called


async def test_a_base_url_that_is_the_proxys_own(
    hints: Hints, caplog: pytest.LogCaptureFixture
) -> None:
    one = client()
    one.timestamp_tls_setup, one.tls = None, False
    for _ in range(2):
        flow = request_of(one)
        flow.request.authority = ""
        flow.request.headers["host"] = "127.0.0.1:9000"
        hints.requestheaders(flow)
    [line] = caplog.messages
    assert "Something at 127.0.0.1 calls http://127.0.0.1:9000/path as if the proxy were" in line
