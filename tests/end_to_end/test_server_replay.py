"""Recordings answer the calls that they are of: mitmproxy's server replay, without Vast."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from .. import harness
from ..harness import Certificates, Interceptor, StandIn, http2_only

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello there"}]}
STREAMED = {**CHAT, "stream": True}
BASE = "https://api.openai.com/v1"

# Has a recording show the URLs that apps asked for.
CONVERT = """\
from mitmproxy import ctx

def response(flow):
    ctx.master.commands.call("vast.asked", [flow])
"""


def calls(interceptor: Interceptor) -> list[tuple[int, bytes]]:
    """Calls of several kinds, as status and body of their answers."""
    with interceptor.session() as session:
        return _calls(session)


def _calls(session: requests.Session) -> list[tuple[int, bytes]]:
    headers = {"content-type": "application/json"}
    raw = json.dumps({**STREAMED, "seed": 1}).encode()
    answers = [
        session.post(f"{BASE}/chat/completions", json=CHAT, timeout=30),
        session.post(f"{BASE}/chat/completions?key=sk-of-the-app-0123456789", json=CHAT),
        session.post(f"{BASE}/chat/completions", json=STREAMED, timeout=30),
        session.post(
            f"{BASE}/chat/completions", data=iter((raw[:9], raw[9:])), headers=headers, timeout=30
        ),
        session.post(f"{BASE}/completions", json={"model": "m", "prompt": "hi"}, timeout=30),
        session.get(f"{BASE}/models", timeout=30),
        session.post(f"{BASE}/embeddings", json={"input": "x"}, timeout=30),
    ]
    return [(answer.status_code, answer.content) for answer in answers]


@pytest.fixture(scope="module")
def recorded(
    _standin: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[tuple[int, bytes]]]:
    """A flow file, and the answers that are in it."""
    folder = tmp_path_factory.mktemp("recorded")
    config = {"vast": harness.vast_section(_standin, certs.ca)}
    with harness.intercept(folder / "c", config, "-w", str(folder / "flows")) as interceptor:
        answers = calls(interceptor)
    assert [status for status, _ in answers] == [200] * 6 + [404]
    return folder / "flows", answers


@pytest.mark.parametrize("way", [("mitmdump",), ("serve", "--full")], ids=["mitmdump", "serve"])
def test_with_the_addon(
    way: tuple[str, ...],
    recorded: tuple[Path, list[tuple[int, bytes]]],
    vast_section: dict[str, Any],
    standin: StandIn,
    tmp_path: Path,
) -> None:
    file, answers = recorded
    config = {"vast": vast_section}
    kind, *options = way
    # mitmdump ends by itself once all is replayed, and no connection is open.
    options += ["-S", str(file), "--set", "keepserving=true"]
    with harness.intercept(tmp_path, config, *options, kind=kind) as interceptor:
        assert calls(interceptor) == answers
        assert standin.calls() == []
        # Each is used once: from now on, calls go to Vast.
        assert [status for status, _ in calls(interceptor)] == [200] * 6 + [404]
        assert len(standin.calls()) == 5


def test_nothing_else_is_needed(
    recorded: tuple[Path, list[tuple[int, bytes]]], tmp_path: Path
) -> None:
    """Neither a key nor an endpoint, whatever HTTP an app speaks."""
    file, answers = recorded
    options = ["-S", str(file), "--set", "server_replay_reuse=true"]
    with harness.intercept(tmp_path, {}, *options, environ={"VAST_API_KEY": ""}) as interceptor:
        for _ in range(2):
            assert calls(interceptor) == answers
        with httpx.Client(http2=True, verify=http2_only(interceptor), proxy=interceptor.url) as h2:
            answer = h2.post(f"{BASE}/chat/completions", content=json.dumps(STREAMED))
            assert answer.http_version == "HTTP/2"
            assert answer.content.endswith(b"data: [DONE]\n\n")


def test_without_the_addon(recorded: tuple[Path, list[tuple[int, bytes]]], tmp_path: Path) -> None:
    file, answers = recorded
    script, converted = tmp_path / "convert.py", tmp_path / "converted"
    script.write_text(CONVERT)
    process = harness.Process(
        *harness.command_for("mitmdump"),
        *("-s", str(script), "-n", "-r", str(file), "-w", str(converted)),
        *("--set", f"confdir={tmp_path / 'c'}"),
    )
    assert process.process.wait(30) == 0, process.output
    plain = Interceptor(
        [harness.tool("mitmdump"), "--listen-host", "127.0.0.1"],
        tmp_path / "c",
        *("-S", str(converted), "--set", "server_replay_extra=500"),
        *("--set", "connection_strategy=lazy", "--set", "upstream_cert=false"),
        environ=harness.clean_environ(),
    )
    try:
        got = calls(plain)
    finally:
        plain.stop()
    # One has a key in its URL, which the recording has not.
    assert got[:1] + got[2:] == answers[:1] + answers[2:]
    assert got[1][0] == 500
