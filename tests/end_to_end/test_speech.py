"""Speech, from the worker's first byte to the app's file, with a real mitmdump and real clients."""

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import openai
import pytest
import requests
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowWriter

from .. import harness
from ..fixtures.watching import saved_flow
from ..fixtures.workers import serverless
from ..harness import APP_KEY, ENDPOINT, Certificates, Interceptor, StandIn, error_of, use

URL = "https://api.openai.com/v1/audio/speech"
HELLO = {"model": "tts-1", "input": "hello there", "voice": "alloy"}
IMPATIENT = {"total": 3, "first_byte": 1, "between_bytes": 1, "queue": 1}


class Served(NamedTuple):
    standin: StandIn
    interceptor: Interceptor


@pytest.fixture(scope="module")
def _served(certs: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    ca, certificate, key = certs
    options = ["--workers", "2", "--routes", f"{ENDPOINT}=/v1/audio/speech", "--root-cert", str(ca)]
    options += ["--tls-cert", str(certificate), "--tls-key", str(key)]
    standin = StandIn(*options, scheme="https")
    standin.trust(ca)
    config = {
        "vast": serverless(standin, ca, timeout=IMPATIENT),
        "endpoints": {ENDPOINT: {"serves": ["audio/speech"]}},
    }
    folder = tmp_path_factory.mktemp("speech")
    with harness.intercept(folder, config, "-w", str(folder / "flows")) as interceptor:
        yield Served(standin, interceptor)
    standin.stop()


@pytest.fixture
def served(_served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    use(_served.interceptor, monkeypatch)
    for worker in _served.standin.workers():
        _served.standin.set_worker(worker["number"], "ready")
    _served.standin.forget_calls()
    return _served


def ask(told: Any = None, *, stream: bool = False, **fields: Any) -> requests.Response:
    """The answer to an app. `told` is what the stand-in is to do."""
    body = {**HELLO, **fields, **({"standin": told} if told else {})}
    headers = {"authorization": f"Bearer {APP_KEY}"}
    return requests.post(URL, json=body, headers=headers, timeout=30, stream=stream)


def test_the_openai_package_writes_it_to_a_file(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "speech.wav"
    with openai.OpenAI(max_retries=0) as client:
        speak = client.audio.speech.with_streaming_response.create
        with speak(model="tts-1", voice="alloy", input="héllo", response_format="wav") as answer:
            answer.stream_to_file(file)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["x-vast-endpoint"] == ENDPOINT
    assert file.read_bytes().startswith(b"RIFF")
    (call,) = served.standin.calls(path="/v1/audio/speech")
    sent = json.loads(harness.body_of(call))["payload"]
    assert sent == {"model": "", "voice": "alloy", "input": "héllo", "response_format": "wav"}
    assert call["load"] == call["cost"] == 50
    served.interceptor.wait_for("speech")


@pytest.mark.parametrize("http", ["1.1", "1.0", "2"])
def test_the_first_bytes_are_with_the_app_before_there_are_more(served: Served, http: str) -> None:
    gate = f"first-{http}"
    served.standin.shut_gate(gate)
    told = {"gate": gate, "chunks": 3}
    if http == "1.0":
        check_http_1_0(served, told, gate)
        return
    body = {**HELLO, "standin": told, "response_format": "wav"}
    with (
        httpx.Client(
            proxy=served.interceptor.url,
            verify=harness.http2_only(served.interceptor)
            if http == "2"
            else ssl.create_default_context(cafile=str(served.interceptor.ca)),
            http2=http == "2",
            trust_env=False,
            timeout=20,
        ) as client,
    ):
        served.standin.open_gate(gate)
        with client.stream("POST", URL, json=body, headers={"authorization": "Bearer x"}) as answer:
            assert answer.http_version == f"HTTP/{http}"
            pieces = answer.iter_raw()
            first = next(pieces)
            assert first.startswith(b"RIFF")
            served.standin.wait_for_calls("running", path="/v1/audio/speech")
            served.standin.open_gate(gate)
            served.standin.open_gate(gate)
            served.standin.open_gate(gate)
            rest = b"".join(pieces)
    assert rest


def tunnel(interceptor: Interceptor) -> ssl.SSLSocket:
    """A connection to api.openai.com through the interceptor."""
    raw = socket.create_connection(("127.0.0.1", interceptor.port), timeout=20)
    raw.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n")
    assert raw.recv(4096).startswith(b"HTTP/1.1 200")
    context = ssl.create_default_context(cafile=str(interceptor.ca))
    return context.wrap_socket(raw, server_hostname="api.openai.com")


def request_1_0(told: Any) -> bytes:
    body = json.dumps({**HELLO, "standin": told, "response_format": "wav"}).encode()
    head = (
        "POST /v1/audio/speech HTTP/1.0\r\nhost: api.openai.com\r\nauthorization: Bearer x\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def read_to_end(app: ssl.SSLSocket) -> bytes:
    received = b""
    while piece := app.recv(4096):
        received += piece
    return received


def check_http_1_0(served: Served, told: Any, gate: str) -> None:
    with tunnel(served.interceptor) as app:
        app.sendall(request_1_0(told))
        served.standin.open_gate(gate)
        received = b""
        while b"RIFF" not in received:
            received += app.recv(4096)
        for _ in range(3):
            served.standin.open_gate(gate)
        received += read_to_end(app)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body.startswith(b"RIFF")


@pytest.mark.parametrize("http", ["1.1", "2"])
def test_audio_that_breaks_off_is_never_taken_for_a_whole(served: Served, http: str) -> None:
    told = {"chunks": 5, "fault": "cut"}
    with (
        httpx.Client(
            proxy=served.interceptor.url,
            verify=harness.http2_only(served.interceptor)
            if http == "2"
            else ssl.create_default_context(cafile=str(served.interceptor.ca)),
            http2=http == "2",
            trust_env=False,
            timeout=20,
        ) as client,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        client.post(URL, json={**HELLO, "standin": told, "response_format": "wav"})
    served.interceptor.wait_for("broken off: vast_disconnected")


def test_over_http_1_0_it_breaks_off_with_a_reset(served: Served) -> None:
    with tunnel(served.interceptor) as app:
        app.sendall(request_1_0({"chunks": 5, "fault": "cut"}))
        while b"RIFF" not in app.recv(64 * 1024):
            pass
        with pytest.raises(ConnectionResetError):
            read_to_end(app)


def test_audio_that_falls_silent_breaks_off(served: Served) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        _ = ask({"chunks": 3, "fault": "stall"}, response_format="wav").content
    served.interceptor.wait_for("broken off: vast_timeout")


def test_an_app_that_leaves_ends_the_call(served: Served) -> None:
    gate = "leaving"
    with ask({"chunks": 3, "gate": gate}, stream=True, response_format="wav") as answer:
        assert next(answer.iter_content(4))
    served.standin.wait_for_calls("cancelled", path="/v1/audio/speech")


def test_a_worker_that_fails_before_the_first_byte_is_replaced(served: Served) -> None:
    served.standin.set_worker(0, "dead")
    answers = [ask(response_format="wav") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert max(int(answer.headers["x-vast-attempts"]) for answer in answers) > 1


def test_it_is_saved_with_its_flow_and_replayed(
    served: Served, certs: Certificates, tmp_path: Path
) -> None:
    answer = ask(input="to be saved", response_format="wav")
    flow = saved_flow(served.interceptor.folder / "flows", b"to be saved")
    assert flow.response
    assert flow.response.content == answer.content
    assert flow.metadata["vast"]["operation"] == "audio/speech"
    (first,) = served.standin.calls(path="/v1/audio/speech")
    assert flow.request.url.startswith(served.standin.workers()[first["worker"]]["url"])
    with (tmp_path / "flows").open("wb") as file:
        FlowWriter(file).add(flow)
        FlowWriter(file).add(of_another_mitmproxy(flow))
    path = harness.write_config(
        tmp_path / "vast.yaml",
        vast=serverless(served.standin, certs.ca),
        endpoints={ENDPOINT: {"serves": ["audio/speech"]}},
    )
    replaying = harness.Process(
        *harness.command_for("mitmdump"),
        *("-p", "0", "--set", f"confdir={tmp_path}", "--set", f"vast_config={path}"),
        *("-C", str(tmp_path / "flows"), "--set", "keepserving=false"),
        environ=harness.clean_environ(VAST_API_KEY=harness.VAST_KEY),
    )
    assert replaying.process.wait(30) == 0, replaying.output
    assert replaying.output.count(f"audio/speech: tts-1 → {ENDPOINT}; 200") == 2
    _, *again = served.standin.calls(path="/v1/audio/speech")
    sent = [json.loads(harness.body_of(call))["payload"] for call in (first, *again)]
    assert sent == [sent[0]] * 3


def of_another_mitmproxy(flow: HTTPFlow) -> HTTPFlow:
    """The same call, as a mitmproxy without the addon would have recorded it."""
    other = flow.copy()
    other.metadata.clear()
    other.request.url = URL
    return other


def test_what_came_of_audio_that_breaks_off_is_saved(served: Served) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        ask({"chunks": 5, "fault": "cut"}, input="to be cut", response_format="wav")
    flow = saved_flow(served.interceptor.folder / "flows", b"to be cut")
    assert flow.response
    assert flow.response.raw_content
    assert flow.response.raw_content.startswith(b"RIFF")
    assert (flow.metadata["vast"]["outcome"], flow.marked) == ("broken_off", ":broken_heart:")


def test_audio_that_another_addon_waits_for_is_whole_or_an_error(
    served: Served, certs: Certificates, tmp_path: Path
) -> None:
    config = {
        "vast": serverless(served.standin, certs.ca, timeout=IMPATIENT),
        "endpoints": {ENDPOINT: {"serves": ["audio/speech"]}},
    }
    # mitmproxy then holds all of the answer.
    with harness.intercept(tmp_path, config, "--modify-body", "/~s/WAVE/EVAW") as interceptor:
        session = interceptor.session()
        told = {**HELLO, "response_format": "wav", "standin": {"chunks": 5}}
        answer = session.post(URL, json=told, timeout=30)
        assert answer.content[:12].endswith(b"EVAW")
        told["standin"] = {"chunks": 5, "fault": "cut"}
        answer = session.post(URL, json=told, timeout=30)
        assert answer.status_code == 502
        assert error_of(answer)["code"] == "bad_gateway"


EVENTS = 'event: speech.audio.delta\ndata: {"audio":"AAAA"}\n\nevent: speech.audio.done\n\n'


def test_events_reach_the_app_byte_for_byte(served: Served) -> None:
    del served
    told = {"status": 200, "body": EVENTS, "headers": {"content-type": "text/event-stream"}}
    answer = ask(told, stream_format="sse")
    assert answer.text == EVENTS
    assert answer.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize(
    ("told", "fields", "status", "code"),
    [
        ({"status": 200, "body": "{}"}, {}, 502, "bad_upstream_answer"),
        ({"status": 200, "body": "RIFF"}, {"stream_format": "sse"}, 502, "bad_upstream_answer"),
        ({"status": 200, "body": "<p>"}, {}, 502, "bad_upstream_answer"),
        (
            {"status": 200, "body": '{"error": {"message": "no such voice", "code": 400}}'},
            {},
            400,
            "invalid_request",
        ),
        (
            {"status": 400, "body": '{"error": {"message": "no such voice", "code": 400}}'},
            {},
            400,
            "invalid_request",
        ),
        (None, {"input": None}, 400, "missing_required_parameter"),
        (None, {"response_format": "midi"}, 400, "invalid_value"),
    ],
)
def test_what_is_no_audio_is_an_error(
    served: Served, told: Any, fields: Any, status: int, code: str
) -> None:
    del served
    if told:
        kind = {"RIFF": "audio/wav", "<p>": "text/html"}.get(told["body"], "application/json")
        told = {**told, "headers": {"content-type": kind}}
    answer = ask(told, **fields)
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
