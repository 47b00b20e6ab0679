"""SIGTERM in the middle of streams: some end well, the rest is told, nothing is left."""

import json
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from .. import harness
from ..harness import Interceptor, StandIn, use

URL = "https://api.openai.com/v1/chat/completions"
STREAMS = 20


class Stream(threading.Thread):
    """An app that reads a stream to its end. What it got is in `events`, or `failure`."""

    def __init__(self, gate: str) -> None:
        super().__init__(daemon=True)
        self.gate = gate
        self.began = threading.Event()
        self.events: list[str] = []
        self.failure: Exception | None = None
        self.start()

    def run(self) -> None:
        body = {
            "model": "m",
            "messages": [{"role": "user", "content": "hello there"}],
            "stream": True,
            "standin": {"gate": self.gate, "chunks": 2},
        }
        try:
            with requests.post(URL, json=body, stream=True, timeout=60) as answer:
                for line in answer.iter_lines():
                    self.began.set()
                    if line:
                        self.events.append(line.decode())
        except Exception as error:  # noqa: BLE001  (a test looks at it)
            self.failure = error

    def ended(self) -> list[str]:
        self.join(30)
        assert not self.is_alive()
        assert self.failure is None
        return self.events


@pytest.fixture(params=["mitmdump", "serve", "mitmweb"])
def interceptor(
    request: pytest.FixtureRequest,
    vast_section: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Interceptor]:
    """One with little patience, that must end well and leave no warning on its console."""
    options = []
    if request.param == "mitmweb":
        port = harness.unused_port()
        options = ["--set", "web_open_browser=false", "--set", f"web_port={port}"]
    config = {"vast": {**vast_section, "drain": 3}}
    with harness.intercept(tmp_path, config, *options, kind=request.param) as interceptor:
        use(interceptor, monkeypatch)
        yield interceptor


def begun_streams(gates: list[str]) -> list[Stream]:
    streams = [Stream(gate) for gate in gates]
    for stream in streams:
        assert stream.began.wait(30), stream.failure
    return streams


def test_sigterm_lets_streams_end_and_tells_those_that_do_not(
    interceptor: Interceptor, standin: StandIn
) -> None:
    gates = [f"{index}" for index in range(STREAMS)]
    streams = begun_streams(gates)
    interceptor.process.send_signal(signal.SIGTERM)
    wait_until_refused(interceptor.port)
    for gate in gates[: STREAMS // 2]:
        for _ in range(4):  # each chunk, the last one without a text, and the end
            standin.open_gate(gate)
    for stream in streams[: STREAMS // 2]:
        assert stream.ended()[-1] == "data: [DONE]"
    assert interceptor.process.poll() is None
    for stream in streams[STREAMS // 2 :]:
        error = json.loads(stream.ended()[-1].removeprefix("data: "))["error"]
        assert error["code"] == "interceptor_shutting_down"
        assert error["type"] == "server_error"
    assert interceptor.process.wait(10) == 0


def test_a_second_sigterm_ends_them_at_once(interceptor: Interceptor, standin: StandIn) -> None:
    del standin
    (stream,) = begun_streams(["never"])
    interceptor.process.send_signal(signal.SIGTERM)
    wait_until_refused(interceptor.port)
    interceptor.process.send_signal(signal.SIGTERM)
    assert "interceptor_shutting_down" in stream.ended()[-1]
    assert interceptor.process.wait(10) == 0


def test_without_calls_it_ends_at_once(interceptor: Interceptor) -> None:
    requests.get("https://api.openai.com/v1/models", timeout=10).raise_for_status()
    interceptor.process.send_signal(signal.SIGTERM)
    assert interceptor.process.wait(10) == 0  # those that run would have 30 s


def test_a_client_that_reads_slowly_gets_all_of_its_answer(
    interceptor: Interceptor, standin: StandIn
) -> None:
    """It has not read a byte of it when the process is told to end."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        raw.settimeout(30)
        raw.connect(("127.0.0.1", interceptor.port))
        raw.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n")
        assert b" 200 " in raw.recv(1_000)
        context = ssl.create_default_context(cafile=str(interceptor.ca))
        with context.wrap_socket(raw, server_hostname="api.openai.com") as app:
            asked = {"prompt": "x", "n": 8, "temperature": 1, "standin": {"chunks": 100_000}}
            body = json.dumps(asked).encode()
            app.sendall(
                b"POST /v1/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            standin.wait_for_calls("done")
            interceptor.process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                interceptor.process.wait(1)
            with app.makefile("rb") as answer:
                assert b" 200 " in answer.readline()
                headers = dict(line.lower().split(b": ") for line in iter(answer.readline, b"\r\n"))
                length = int(headers[b"content-length"])
                assert length > 3_000_000
                assert len(answer.read(length)) == length
    assert interceptor.process.wait(10) == 0


def wait_until_refused(port: int) -> None:
    """Returns once nothing listens on the port any more."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            return
        except OSError:
            pass  # it was accepted by the system, and dropped when the listener closed
        time.sleep(0.02)
    raise AssertionError("it still takes connections")
