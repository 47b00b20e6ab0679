"""Calls as curl commands: what bash makes of them reaches whom it should."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vast_intercept.config import Config, EndpointId, UpstreamKind, load_config
from vast_intercept.intercept.curl import CurlCall, curl_command
from vast_intercept.openai_api.operations import Operation

from .. import harness
from ..fixtures.workers import serverless, standin_with
from ..harness import ENDPOINT, VAST_KEY, Certificates, StandIn

KEY = "the-machines-own-0123456789abcdefghijklmnop"
#: What a shell would run, expand or end at, if it were not quoted.
NASTY = "it's $(touch ran) `touch ran` ${HOME} \"\\n\" é\nVAST_BODY\n'%s' !!"


@pytest.fixture(scope="module")
def served(certs: Certificates) -> Iterator[StandIn]:
    routes = ("--routes", "/v1/embeddings,/v1/audio/speech")
    with standin_with(certs, *routes, "--machine-key", KEY) as standin:
        yield standin


def config_of(folder: Path, served: StandIn, ca: Path) -> Config:
    machine = {"url": served.url, "api_key": "env:MY_BOX_KEY", "serves": ["embeddings"]}
    sections: Any = {
        "vast": serverless(served, ca),
        "endpoints": {ENDPOINT: {"serves": ["embeddings"]}, "my-box": machine},
    }
    return load_config(harness.write_config(folder / "vast.yaml", **sections), {"MY_BOX_KEY": KEY})


def run(command: str, folder: Path, ca: Path, **variables: str) -> bytes:
    environ = harness.clean_environ(CURL_CA_BUNDLE=str(ca), **variables)
    done = subprocess.run(
        ["bash", "-o", "pipefail"],
        input=command.encode(),
        env=environ,
        cwd=folder,
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert not (folder / "ran").exists()
    return done.stdout


@pytest.mark.parametrize("text", ["hello", NASTY, "x" * 200_000], ids=["short", "nasty", "long"])
@pytest.mark.parametrize("kind", [UpstreamKind.SERVERLESS, UpstreamKind.MACHINE])
def test_embeddings_are_computed_where_the_interceptor_sends_them(
    served: StandIn, certs: Certificates, tmp_path: Path, kind: UpstreamKind, text: str
) -> None:
    served.forget_calls()
    config = config_of(tmp_path, served, certs.ca)
    body = json.dumps({"model": "", "input": text}, ensure_ascii=False)
    call = CurlCall(operation=Operation.EMBEDDINGS, body=body, cost=123.0)
    if kind is UpstreamKind.MACHINE:
        destination, variables = EndpointId(kind, "my-box"), {"MY_BOX_KEY": KEY}
    else:
        destination = EndpointId(kind, ENDPOINT)
        variables = {"VAST_ENDPOINT_KEY": served.new_key(ENDPOINT)}
    command = curl_command(call, destination, config)
    for secret in variables.values():
        assert secret not in command
    answer = json.loads(run(command, tmp_path, certs.ca, **variables))
    assert answer["data"][0]["object"] == "embedding"
    (sent,) = served.calls(path="/v1/embeddings")
    received = json.loads(harness.body_of(sent))
    if kind is UpstreamKind.SERVERLESS:
        (routed,) = served.calls(path="/route/")
        assert json.loads(harness.body_of(routed))["cost"] == 123.0
        received = received["payload"]
    assert received == json.loads(body)


def test_speech_becomes_a_file(served: StandIn, certs: Certificates, tmp_path: Path) -> None:
    body = json.dumps({"input": "hello", "voice": "alloy", "response_format": "wav"})
    call = CurlCall(operation=Operation.AUDIO_SPEECH, body=body, cost=50.0, file="speech.wav")
    destination = EndpointId(UpstreamKind.SERVERLESS, ENDPOINT)
    command = curl_command(call, destination, config_of(tmp_path, served, certs.ca))
    run(command, tmp_path, certs.ca, VAST_ENDPOINT_KEY=served.new_key(ENDPOINT))
    assert (tmp_path / "speech.wav").read_bytes().startswith(b"RIFF")


def test_a_chat_completion_needs_no_route(
    served: StandIn, certs: Certificates, tmp_path: Path
) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "hello"}]})
    call = CurlCall(operation=Operation.CHAT_COMPLETIONS, body=body)
    config = config_of(tmp_path, served, certs.ca)
    for kind, name, variables in (
        (UpstreamKind.SERVERLESS, ENDPOINT, {"VAST_API_KEY": VAST_KEY}),
        (UpstreamKind.MACHINE, "my-box", {"MY_BOX_KEY": KEY}),
    ):
        command = curl_command(call, EndpointId(kind, name), config)
        assert json.loads(run(command, tmp_path, certs.ca, **variables))["choices"]


@pytest.mark.parametrize(
    ("name", "reference", "header"),
    [
        ("my-box", None, None),
        ("my-box", "env:MY_OWN", '"Authorization: Bearer $MY_OWN"'),
        ("2 x", "a-key-that-stands-in-the-file", '"Authorization: Bearer $_2_X_API_KEY"'),
    ],
)
def test_a_machine_s_key_is_a_variable(
    tmp_path: Path, name: str, reference: str | None, header: str | None
) -> None:
    name = name.replace(" ", "_")
    machine = {"url": "http://127.0.0.1:8000"} | ({"api_key": reference} if reference else {})
    path = harness.write_config(tmp_path / "vast.yaml", endpoints={name: machine})
    call = CurlCall(operation=Operation.CHAT_COMPLETIONS, body="{}")
    command = curl_command(call, EndpointId(UpstreamKind.MACHINE, name), load_config(path, {}))
    assert command.startswith("curl http://127.0.0.1:8000/v1/chat/completions ")
    assert (header in command) if header else ("Authorization" not in command)
    assert os.linesep not in command
