"""Other scripts beside the addon: they get their hooks, also when they are edited meanwhile."""

import os
from pathlib import Path
from typing import Any

import pytest
import requests

from .. import harness
from ..harness import StandIn, use

URL = "https://api.openai.com/v1/chat/completions"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello there"}]}
SCRIPT = """\
import logging

logging.warning("{0} script is there")

def request(flow):
    logging.warning("{0} saw %s", flow.metadata["vast"]["provider"])

async def response(flow):
    flow.response.headers["x-seen-by"] = "{0}"
"""


@pytest.mark.parametrize("kind", ["mitmdump", "mitmweb", "serve"])
def test_a_script_is_edited_while_it_runs(
    kind: str,
    vast_section: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = tmp_path / "theirs.py"
    script.write_text(SCRIPT.format("first"))
    config = {"vast": vast_section}
    options = ["-s", str(script)]
    if kind == "mitmweb":
        options += ["--set", "web_open_browser=false", "--set", "web_port=0"]
    with harness.intercept(tmp_path / "confdir", config, *options, kind=kind) as interceptor:
        interceptor.wait_for("first script is there")
        use(interceptor, monkeypatch)
        answer = requests.post(URL, json=BODY, timeout=30)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-seen-by"] == "first"
        interceptor.wait_for("first saw openai")

        before = script.stat().st_mtime
        script.write_text(SCRIPT.format("second"))
        os.utime(script, (before + 10, before + 10))
        interceptor.wait_for("second script is there")
        answer = requests.post(URL, json=BODY, timeout=30)
        assert answer.headers["x-seen-by"] == "second"
        interceptor.wait_for("second saw openai")
        assert interceptor.output.count("saw openai") == 2


ANSWERING = """\
from mitmproxy import http

def {hook}(flow):
    flow.response = http.Response.make(200, b"of the script", {{"server": "theirs"}})
"""


@pytest.mark.parametrize(
    ("first", "hook", "body"),
    [
        ("ours", "request", b"{}"),
        ("ours", "requestheaders", b"{}"),
        ("theirs", "request", b"{}"),
        ("theirs", "requestheaders", b"{}"),
        ("theirs", "requestheaders", [b"{", b"}"]),  # of no declared length
    ],
)
def test_a_script_answers_itself(
    first: str,
    hook: str,
    body: bytes | list[bytes],
    vast_section: dict[str, Any],
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As mitmproxy's server replay, its block list and its local files do."""
    script = tmp_path / "theirs.py"
    script.write_text(ANSWERING.format(hook=hook))
    scripts = [str(harness.ADDON), str(script)]
    path = harness.write_config(
        tmp_path / "vast.yaml",
        vast=vast_section,
        inspect={"port": (port := harness.unused_port())},
    )
    process = harness.Interceptor(
        [harness.tool("mitmdump")],
        tmp_path / "confdir",
        *[word for each in scripts[:: 1 if first == "ours" else -1] for word in ("-s", each)],
        *("--listen-host", "127.0.0.1", "--set", f"vast_config={path}"),
        environ=harness.clean_environ(VAST_API_KEY=harness.VAST_KEY),
    )
    try:
        process.wait_for("Dashboard: ")
        use(process, monkeypatch)
        answer = requests.post(
            URL, data=body if isinstance(body, bytes) else iter(body), timeout=30
        )
        assert (answer.status_code, answer.content) == (200, b"of the script")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        state = requests.get(f"http://127.0.0.1:{port}/state", timeout=30).json()
        assert state["running"]["count"] == 0
        assert state["totals"]["calls"] == 0
    finally:
        code = process.stop()
    assert code == 0
    assert "Traceback" not in process.said
    assert harness.APP_KEY not in process.said
    assert not standin.calls()


def test_a_flow_is_loaded_that_has_the_id_of_a_running_call(
    vast_section: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = tmp_path / "theirs.py"
    script.write_text("""\
from mitmproxy import ctx, http

async def request(flow):
    if flow.live:
        loaded = http.HTTPFlow.from_state(flow.get_state())
        loaded.live = False
        loaded.response = http.Response.make(200, b"of the file")
        await ctx.master.load_flow(loaded)
        assert loaded.response.content == b"of the file"
        print("it was loaded", flush=True)
""")
    config = {"vast": vast_section}
    with harness.intercept(tmp_path / "c", config, "-s", str(script)) as interceptor:
        use(interceptor, monkeypatch)
        answer = requests.post(URL, json=BODY, timeout=30)
        assert answer.status_code == 200, answer.text
        interceptor.wait_for("it was loaded")
        interceptor.wait_for(r"m → .*; 200; .* in all")
        assert "invalid_request" not in interceptor.output


def test_the_addon_itself_is_loaded_anew(
    vast_section: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = {"vast": vast_section}
    theirs = tmp_path / "theirs.py"
    theirs.write_text(SCRIPT.format("first"))
    ours = tmp_path / "vast.py"
    ours.write_text("from vast_intercept.script import VastIntercept\naddons = [VastIntercept()]\n")
    path = harness.write_config(tmp_path / "vast.yaml", **config)
    process = harness.Interceptor(
        [harness.tool("mitmdump"), "-s", str(ours), "-s", str(theirs)],
        tmp_path / "confdir",
        *("--listen-host", "127.0.0.1", "--set", f"vast_config={path}"),
        environ=harness.clean_environ(VAST_API_KEY=harness.VAST_KEY),
    )
    try:
        use(process, monkeypatch)
        assert requests.post(URL, json=BODY, timeout=30).headers["x-seen-by"] == "first"
        loaded = process.output.count(f"Loading script {ours}")
        os.utime(ours, (ours.stat().st_mtime + 10,) * 2)
        process.wait_for(rf"(Loading script {ours}[\s\S]*){{{loaded + 1}}}")
        answer = requests.post(URL, json=BODY, timeout=30)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-seen-by"] == "first"
    finally:
        code = process.stop()
    assert code == 0
    assert "Traceback" not in process.said
