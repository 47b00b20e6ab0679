"""Far more calls at once than there are file descriptors for: those that fit are answered."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from vast_intercept.descriptors import Descriptors, raise_limit

from .. import harness
from ..harness import APP_KEY, StandIn

PATH = "/v1/chat/completions"


@pytest.fixture(scope="module")
def vast() -> Iterator[StandIn]:
    standin = StandIn()
    yield standin
    standin.stop()


class App:
    """A streamed call over a connection of its own, to an interceptor in reverse mode."""

    def __init__(self, port: int, gate: str) -> None:
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        self._body = json.dumps({**body, "standin": {"gate": gate}}).encode()
        self._port = port
        self.received = b""

    @property
    def status(self) -> int:
        return int(self.received.split(b" ", 2)[1]) if self.received else 0

    async def call(self, connecting: asyncio.Semaphore) -> None:
        with contextlib.suppress(ConnectionError):
            async with connecting:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(
                b"POST %b HTTP/1.1\r\nHost: api.openai.com\r\nAuthorization: Bearer %b\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (PATH.encode(), APP_KEY.encode(), len(self._body), self._body)
            )
            try:
                while not self.received.endswith((b"0\r\n\r\n", b"}}")):
                    piece = await reader.read(100_000)
                    if not piece:
                        break
                    self.received += piece
            finally:
                writer.close()


async def ask_at_once(
    apps: list[App], standin: StandIn, gate: str, dashboard: str
) -> tuple[int, list[float]]:
    """How many were let in, and how long the dashboard took to answer meanwhile."""
    connecting = asyncio.Semaphore(50)  # no more than wait at a listening socket
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for app in apps:
            tasks.create_task(app.call(connecting))
        while not all(app.received for app in apps):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        took = []
        for page in ("healthz", "metrics", "state", "healthz"):
            began = time.monotonic()
            answer = await asyncio.to_thread(requests.get, f"{dashboard}/{page}", timeout=20)
            assert answer.status_code == 200
            took.append(time.monotonic() - began)
        let_in = sum(app.status == 200 for app in apps)
        for _ in range(12):
            await asyncio.to_thread(standin.open_gate, gate)
    return let_in, took


@pytest.mark.parametrize(("limit", "calls", "fit"), [(128, 60, 4), (1_024, 700, 60)])
def test_three_times_as_many_as_fit(
    limit: int, calls: int, fit: int, vast: StandIn, tmp_path: Path
) -> None:
    raise_limit()  # for this process, which has as many connections
    vast.forget_calls()
    port = harness.unused_port()
    config = {"vast": harness.vast_section(vast, timeout={"total": 60}), "inspect": {"port": port}}
    limited = ["prlimit", f"--nofile={limit}:{limit}", *harness.command_for("serve")]
    options = ("--mode", "reverse:https://api.openai.com")
    with harness.intercept(tmp_path, config, *options, command=limited) as interceptor:
        gate = uuid4().hex
        apps = [App(interceptor.port, gate) for _ in range(calls)]
        let_in, took = asyncio.run(ask_at_once(apps, vast, gate, f"http://127.0.0.1:{port}"))
        assert let_in >= fit
        assert max(took) < 5
        for app in apps:
            if app.status == 200:
                assert b"data: [DONE]" in app.received
            else:
                assert app.status == 503
                assert b"interceptor_overloaded" in app.received
        # Nothing of it counts against the endpoint, and all of it is over.
        answer = requests.post(
            f"{interceptor.url}{PATH}",
            json={"model": "m", "messages": [{"role": "user", "content": "hello"}]},
            headers={"authorization": f"Bearer {APP_KEY}"},
            timeout=30,
        )
        assert answer.status_code == 200
        assert answer.headers["x-vast-attempts"] == "1"
        assert interceptor.output.count("more calls at once than this process") == 1


def test_the_soft_limit_is_raised(tmp_path: Path) -> None:
    command = ["prlimit", "--nofile=64:512", *harness.command_for("mitmdump")]
    with harness.intercept(tmp_path, {}, command=command) as interceptor:
        limits = Path(f"/proc/{interceptor.process.pid}/limits").read_text()
        (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
        assert line.split()[3:5] == ["512", "512"]


def test_what_is_let_in_is_counted_before_it_has_opened_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vast_intercept.descriptors._count", lambda: (200, 100))
    descriptors = Descriptors()
    assert sum(descriptors.admit_call() for _ in range(1_000)) == (100 - 50) // 4
    assert descriptors.has_room()
