"""Flows from a file: they are shown as they were saved, and replayed as any other."""

import json
from pathlib import Path

import pytest
from mitmproxy.http import Headers, HTTPFlow
from mitmproxy.io import FlowReader, FlowWriter, tnetstring
from mitmproxy.test import tflow, tutils

from .. import harness
from ..harness import APP_KEY, VAST_KEY, Certificates, StandIn

MESSAGES = [{"role": "user", "content": "from a file"}]
ANSWER = b'{"choices": [{"message": {"role": "assistant", "content": "of before"}}]}'


def plain_flow() -> HTTPFlow:
    """A call to OpenAI that went there, recorded by a mitmproxy without the addon."""
    body = json.dumps({"model": "gpt-4o", "messages": MESSAGES}).encode()
    request = tutils.treq(
        method=b"POST",
        scheme=b"https",
        host="api.openai.com",
        port=443,
        authority=b"",
        path=b"/v1/chat/completions",
        http_version=b"HTTP/1.1",
        headers=Headers(
            host="api.openai.com",
            content_type="application/json",
            authorization=f"Bearer {APP_KEY}",
            content_length=str(len(body)),
        ),
        content=body,
    )
    response = tutils.tresp(content=ANSWER, headers=Headers(content_type="application/json"))
    return tflow.tflow(req=request, resp=response)


@pytest.fixture(params=["of-today", "of-mitmproxy-10"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A flow file with that one call."""
    path = tmp_path / "plain.flows"
    with path.open("wb") as out:
        if request.param == "of-today":
            FlowWriter(out).add(plain_flow())
        else:
            state = plain_flow().get_state()
            state["version"] = 19
            state["client_conn"]["state"] = state["server_conn"]["state"] = 0
            tnetstring.dump(state, out)
    return path


def run_mitmdump(tmp_path: Path, standin: StandIn, ca: Path, *options: str) -> str:
    """Its output, once it has ended by itself."""
    config = {"vast": harness.vast_section(standin, ca)}
    path = harness.write_config(tmp_path / "vast.yaml", **config)
    process = harness.Process(
        *harness.command_for("mitmdump"),
        *("-p", "0", "--set", f"confdir={tmp_path}", "--set", f"vast_config={path}"),
        *options,
        environ=harness.clean_environ(VAST_API_KEY=VAST_KEY),
    )
    assert process.process.wait(30) == 0, process.output
    return process.output


def test_is_shown_as_it_was_saved_but_for_its_key(
    file: Path, standin: StandIn, certs: Certificates, tmp_path: Path
) -> None:
    saved = tmp_path / "again.flows"
    output = run_mitmdump(tmp_path, standin, certs.ca, "-n", "-r", str(file), "-w", str(saved))
    assert "200 OK" in output
    assert not standin.calls()
    assert APP_KEY.encode() not in saved.read_bytes()
    with saved.open("rb") as opened:
        (flow,) = FlowReader(opened).stream()
    assert isinstance(flow, HTTPFlow)
    assert flow.response
    assert flow.response.raw_content == ANSWER
    assert flow.request.url == "https://api.openai.com/v1/chat/completions"
    assert flow.request.headers["authorization"] == f"Bearer ***{APP_KEY[-4:]}"


def test_is_replayed_at_vast(
    file: Path, standin: StandIn, certs: Certificates, tmp_path: Path
) -> None:
    output = run_mitmdump(
        tmp_path, standin, certs.ca, "-C", str(file), "--set", "keepserving=false"
    )
    assert f"gpt-4o → {harness.ENDPOINT}" in output
    (call,) = standin.calls()
    assert call["outcome"] == "done"
    assert json.loads(harness.body_of(call))["messages"] == MESSAGES
