"""A disk that is full: calls are served as ever, and what is saved of them are whole flows."""

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from mitmproxy import http
from mitmproxy.io import FlowReader

from .. import harness
from ..fixtures.watching import Dashboard, until
from ..harness import Interceptor, use

URL = "https://api.openai.com/v1/chat/completions"

#: A small disk of its own, over a folder: that takes no root.
ON_A_SMALL_DISK = """
mount -t tmpfs -o size=400k tmpfs "$0"
exec "$@"
"""


@contextmanager
def on_a_small_disk(kind: str, folder: Path, config: Path, disk: Path) -> Iterator[Interceptor]:
    """An interceptor that saves its flows on a disk that only it has."""
    disk.mkdir()
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-euc", ON_A_SMALL_DISK]
    options = ["-w", str(disk / "flows"), "--set", f"vast_config={config}"]
    if kind == "mitmweb":
        options += ["--set", "web_open_browser=false", "--set", "web_port=0"]
    interceptor = Interceptor(
        [*unshare, str(disk), *harness.command_for(kind)],
        folder,
        *options,
        environ=harness.clean_environ(VAST_API_KEY=harness.VAST_KEY),
    )
    yield interceptor
    assert interceptor.stop() == 0, interceptor.output
    assert "Traceback" not in interceptor.output


def ask(name: str, size: int = 10) -> None:
    body = {"model": name, "messages": [{"role": "user", "content": "x" * size}]}
    assert requests.post(URL, json=body, timeout=30).status_code == 200


def saved(flows: Path) -> list[str]:
    """The models of the calls in a file, which can be read to its end."""
    with flows.open("rb") as file:
        found = list(FlowReader(file).stream())
    assert all(isinstance(flow, http.HTTPFlow) for flow in found)
    return [flow.request.json()["model"] for flow in found if isinstance(flow, http.HTTPFlow)]


@pytest.mark.parametrize("kind", ["serve", "mitmdump", "mitmweb"])
def test_serving_goes_on_and_saving_stops_and_resumes(
    kind: str,
    vast_section: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dashboard = Dashboard(harness.unused_port())
    path = tmp_path / "vast.yaml"
    config = harness.write_config(path, vast=vast_section, inspect={"port": dashboard.port})
    disk = tmp_path / "disk"
    with on_a_small_disk(kind, tmp_path, config, disk) as interceptor:
        use(interceptor, monkeypatch)
        seen = Path(f"/proc/{interceptor.process.pid}/root{disk}")
        flows = seen / "flows"
        dashboard.wait()
        ask("before")
        until(lambda: saved(flows) == ["before"])
        (seen / "other").write_bytes(bytes(300_000))
        ask("too-large", 200_000)
        interceptor.wait_for("Flows are not saved to .*flows: No space left on device")
        assert saved(flows) == ["before"]
        assert any("Flows are not saved" in each for each in dashboard.state()["notices"])
        assert dashboard.get("/readyz").text == "ok\n"
        ask("meanwhile")
        assert saved(flows) == ["before"]
        (seen / "other").unlink()

        def saved_again() -> bool:
            ask("after")
            return "Flows are saved again" in interceptor.output

        until(saved_again)
        assert saved(flows)[0] == "before"
        assert set(saved(flows)[1:]) == {"after"}
        assert dashboard.state()["notices"] == []
        assert interceptor.output.count("Flows are not saved") == 1


@pytest.mark.parametrize("kind", ["serve", "mitmdump"])
def test_a_log_on_a_full_disk_does_not_end_it(
    kind: str,
    vast_section: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = harness.write_config(tmp_path / "vast.yaml", vast=vast_section)
    port, log = harness.unused_port(), tmp_path / "log"
    process = harness.Process(
        *("sh", "-c", 'exec "$@" >"$0"', str(log), *harness.command_for(kind), "-p", str(port)),
        *("--set", f"confdir={tmp_path}", "--set", f"vast_config={config}"),
        environ=harness.clean_environ(VAST_API_KEY=harness.VAST_KEY),
    )
    until(lambda: listens(port), 30)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "mitmproxy-ca-cert.pem"))
    ask("m")
    until(lambda: "chat/completions: m" in log.read_text())
    # No file may grow any more.
    limit = log.stat().st_size
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    size = log.stat().st_size
    for _ in range(3):
        ask("m")
    assert process.process.poll() is None
    process.stop()
    assert log.stat().st_size == size
    assert "Traceback" not in process.output


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
