"""`vast-intercept record`: an app with its own provider, and a file of what they said."""

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.contentviews import Metadata
from mitmproxy.io import FlowReader

from vast_intercept.mitmweb.chat.contentview import ChatContentview

from .. import harness
from ..end_to_end.rehearsal.provider import PROVIDER_KEY, Provider, provider_with
from ..fixtures.watching import until
from .test_jail import CALL, hosts
from .wrapped import gone, run, wrapped

__all__ = ["hosts"]

SECRET = "a-secret-of-another-service"
SCRIPT = {
    "hello": {"text": "hello, app"},
    "key": {
        "status": 401,
        "body": json.dumps(
            {"error": {"message": f"Incorrect API key provided: {harness.APP_KEY}"}}
        ),
    },
    "wait": {"text": "at last", "waits": True},
}
APP = """
import json, os, sys, requests
URL = "https://api.openai.com/v1/chat/completions"
def ask(text, **more):
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    key = os.environ["OPENAI_API_KEY"]
    return requests.post(URL, json=body, headers={"authorization": f"Bearer {key}"}, timeout=60)
"""
CALLS = f"""{APP}
print(ask("hello").json()["choices"][0]["message"]["content"])
print(ask("hello", stream=True).text.endswith("data: [DONE]\\n\\n"))
print(ask("Is this a key? " + os.environ["OTHER_TOKEN"]).json()["error"]["message"])
"""
WAITING = f"""{APP}
ask("hello")
print("ready", flush=True)
try:
    ask("wait")
except requests.RequestException:
    print("broken off", flush=True)
"""


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mitmproxy's folder."""
    return tmp_path_factory.mktemp("record")


@pytest.fixture
def openai(tmp_path: Path) -> Iterator[Provider]:
    """api.openai.com, where the proxy of the environment leads."""
    certs = harness.certificate(tmp_path, "api.openai.com")
    with provider_with(SCRIPT, certs) as server:
        yield server
        server.may_answer.set()


@pytest.fixture
def options(confdir: Path, openai: Provider, tmp_path: Path) -> list[str]:
    """Where the recording goes, and whom to trust. There is no configuration."""
    assert openai
    return [
        *("-w", str(tmp_path / "calls"), "--set", f"confdir={confdir}"),
        *("--set", f"ssl_verify_upstream_trusted_ca={tmp_path / 'test-ca.pem'}"),
    ]


@pytest.fixture
def environ(openai: Provider) -> dict[str, str]:
    """The app's environment: neither Vast nor its key is in it."""
    return harness.clean_environ(
        HTTPS_PROXY=openai.proxy, OPENAI_API_KEY=harness.APP_KEY, OTHER_TOKEN=SECRET
    )


def flows_in(path: Path) -> list[http.HTTPFlow]:
    """The file's flows, as mitmproxy reads them."""
    with path.open("rb") as file:
        flows = list(FlowReader(file).stream())
    assert all(isinstance(each, http.HTTPFlow) for each in flows)
    return flows  # type: ignore[return-value]


def test_an_app_works_as_ever_and_its_calls_are_recorded(
    options: list[str], environ: dict[str, str], openai: Provider, tmp_path: Path
) -> None:
    path = tmp_path / "calls"
    code, output, errors = run(
        sys.executable, "-c", CALLS, options=options, environ=environ, verb="record"
    )
    refusal = f"Incorrect API key provided: {harness.APP_KEY}"
    assert (code, output) == (0, f"hello, app\nTrue\n{refusal}\n"), errors
    assert errors == (
        f"vast-intercept: recorded 3 calls (3 chat/completions) in {path}. Next: vast-intercept"
        f" rehearse {path}\n"
    )
    assert {key for _, key in openai.received} == {f"Bearer {harness.APP_KEY}"}

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for key in (harness.APP_KEY, PROVIDER_KEY, SECRET):
        assert key.encode() not in path.read_bytes()
    whole, streamed, refused = flows_in(path)
    assert whole.response
    assert streamed.response
    assert refused.response
    assert json.loads(whole.response.content or b"")["choices"][0]["finish_reason"] == "stop"
    assert (streamed.response.content or b"").endswith(b"data: [DONE]\n\n")
    assert streamed.metadata["vast"]["time_to_first_token"] > 0
    assert json.loads(refused.request.content or b"")["messages"][0]["content"].endswith("***vice")
    assert refused.response.status_code == 401
    assert b"provided: ***wxyz" in (refused.response.content or b"")

    shown = ChatContentview().prettify(
        streamed.response.content or b"", Metadata(flow=streamed, http_message=streamed.response)
    )
    assert "hello, app" in shown
    mitmdump = [harness.tool("mitmdump"), "-n", "-r", str(path), "--set", f"confdir={tmp_path}"]
    listed = subprocess.run(mitmdump, capture_output=True, text=True, check=True, timeout=60)
    assert listed.stdout.count("POST https://api.openai.com/v1/chat/completions") == 3


def test_an_interceptor_that_is_killed_loses_the_call_in_flight_alone(
    options: list[str], environ: dict[str, str], openai: Provider, tmp_path: Path
) -> None:
    path = tmp_path / "calls"
    command = (sys.executable, "-c", WAITING)
    with wrapped(*command, options=options, environ=environ, verb="record") as started:
        started.wait_for_line()
        interceptor = started.child("engine.background")
        until(lambda: len(openai.received) == 2 and path.stat().st_size > 0)
        interceptor.send_signal(signal.SIGKILL)
        started.wait_for_line("broken off")
        assert gone(interceptor)
        started.end()
    (call,) = flows_in(path)
    assert b"hello" in (call.request.content or b"")

    # What it left is no reason not to go on, and is not overwritten.
    code, _, errors = run("true", options=options, environ=environ, verb="record")
    assert code == 125
    assert f"{path} exists already. Name another file, or append to it with +{path}." in errors
    assert len(flows_in(path)) == 1


def test_an_app_in_a_jail_reaches_its_provider_and_is_recorded(
    options: list[str], environ: dict[str, str], hosts: list[str], tmp_path: Path
) -> None:
    jailed = ["--jail", *options]
    code, output, errors = run(
        *(sys.executable, "-c", CALL),
        options=jailed,
        environ=environ,
        prefix=hosts,
        verb="record",
    )
    assert (code, output) == (0, "hello, app\n"), errors
    assert "recorded 1 call (1 chat/completions) in" in errors
    (call,) = flows_in(tmp_path / "calls")
    assert call.request.pretty_host == "api.openai.com"
