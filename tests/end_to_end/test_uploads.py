"""Files that apps upload: transcriptions, translations, edits of images, through mitmproxy."""

import base64
import io
import json
import threading
import wave
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import openai
import pytest
import requests

from .. import harness
from ..fixtures.provider import Provider
from ..fixtures.watching import until
from ..fixtures.workers import serverless, standin_with
from ..harness import APP_KEY, ENDPOINT, Certificates, Interceptor, StandIn, error_of, use

TRANSCRIPTIONS = "https://api.openai.com/v1/audio/transcriptions"
SERVES = ["audio/transcriptions", "audio/translations", "images/edits"]
MACHINE_KEY = "key-of-the-box-0123456789"

# Changes a body, as a person does in mitmweb, once mitmproxy has all of it.
EDIT = """\
def request(flow):
    if flow.request.headers.get("x-edit"):
        flow.request.content = flow.request.content.replace(b"json", b"text")
"""


def wav(seconds: float) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(bytes(2 * int(seconds * 16_000)))
    return written.getvalue()


WAV = wav(6)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(1_000)
DIGEST = sha256(WAV).hexdigest()


@pytest.fixture(scope="module")
def _standin(certs: Certificates) -> Iterator[StandIn]:
    routes = ",".join(f"/v1/{each}" for each in SERVES)
    with standin_with(certs, "--routes", routes, "--machine-key", MACHINE_KEY) as standin:
        yield standin


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def recorded_by(
    _standin: StandIn,
    provider: Provider,
    certs: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Interceptor, Path]]:
    folder = tmp_path_factory.mktemp("uploads")
    (folder / "edit.py").write_text(EDIT)
    own = {"name": "lab", "host": "127.0.0.1", "port": provider.server_port, "scheme": "http"}
    config: dict[str, Any] = {
        "vast": serverless(_standin, certs.ca, timeout={"total": 20, "queue": 0.2}),
        "providers": ["openai", own],
        "endpoints": {
            ENDPOINT: {"serves": SERVES},
            "box": {"url": _standin.url, "api_key": MACHINE_KEY, "serves": SERVES},
        },
        "routes": [
            {"model": "box-*", "endpoint": "box"},
            {"model": "fall-*", "endpoint": ENDPOINT, "fallback": ["provider"]},
        ],
    }
    flows = folder / "flows"
    options = ("-w", str(flows), "-s", str(folder / "edit.py"))
    with harness.intercept(folder, config, *options) as running:
        yield running, flows


@pytest.fixture
def mitmdump(
    recorded_by: tuple[Interceptor, Path], standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> Interceptor:
    standin.set_worker(0, "ready")
    use(recorded_by[0], monkeypatch)
    return recorded_by[0]


def ask(url: str = TRANSCRIPTIONS, **fields: str) -> requests.Response:
    headers = {"authorization": f"Bearer {APP_KEY}"}
    if "edit" in fields:
        headers["x-edit"] = fields.pop("edit")
    return requests.post(
        url, data=fields, files={"file": ("a.wav", WAV)}, headers=headers, timeout=60
    )


def to_workers(standin: StandIn) -> list[dict[str, Any]]:
    """The calls that workers got, each with its `payload`."""
    return [
        {**call, "payload": json.loads(harness.body_of(call))["payload"]}
        for call in standin.calls()
        if call["path"].startswith(("/v1/audio/", "/v1/images/"))
    ]


@pytest.mark.usefixtures("mitmdump")
class TestOfTheOpenAIPackage:
    def test_a_file_is_transcribed(self, standin: StandIn) -> None:
        got = openai.OpenAI().audio.transcriptions.create(
            model="whisper-1",
            file=("talk.wav", WAV),
            language="de",
            timestamp_granularities=["word", "segment"],
        )
        assert DIGEST in got.text
        assert "audio/wav" in got.text
        (call,) = to_workers(standin)
        payload = call["payload"]
        assert base64.b64decode(payload.pop("file")) == WAV
        assert payload == {
            "language": "de",
            "timestamp_granularities[]": ["word", "segment"],
            "response_format": "json",
            "filename": "talk.wav",
        }
        assert call["load"] == call["cost"] == 100  # a fifth of 30 seconds

    def test_every_format_is_what_the_package_expects(self) -> None:
        client = openai.OpenAI().audio
        text = client.transcriptions.create(
            model="whisper-1", file=("a.wav", WAV), response_format="text"
        )
        assert text.startswith("Heard a.wav")
        assert text.endswith(".\n")
        srt = client.transcriptions.create(
            model="whisper-1", file=("a.wav", WAV), response_format="srt"
        )
        assert srt.startswith("1\n00:00:00,000 --> 00:00:")
        verbose = client.transcriptions.create(
            model="whisper-1", file=("a.wav", WAV), response_format="verbose_json"
        )
        assert verbose.duration == 6.0
        assert verbose.segments
        assert DIGEST in verbose.text

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_a_file_is_translated(self) -> None:
        vtt = openai.OpenAI().audio.translations.create(
            model="whisper-1", file=("a.wav", WAV), response_format="vtt"
        )
        assert str(vtt).startswith("WEBVTT\n\n00:00:00.000 --> 00:00:")
        assert "Translated a.wav" in str(vtt)

    def test_a_stream_comes_as_openai_s_events(self) -> None:
        stream = openai.OpenAI().audio.transcriptions.create(
            model="gpt-4o-transcribe", file=("a.wav", WAV), stream=True
        )
        events = list(stream)
        text = "".join(e.delta for e in events if e.type == "transcript.text.delta")
        assert events[-1].type == "transcript.text.done"
        assert events[-1].text == text
        assert DIGEST in text
        assert events[-1].usage

    def test_images_are_edited(self, standin: StandIn) -> None:
        got = openai.OpenAI().images.edit(
            model="gpt-image-1",
            image=[("a.png", PNG), ("b.png", PNG[:-1])],
            mask=("m.png", PNG),
            prompt="with a hat",
            size="512x512",
        )
        assert got.data
        picture = base64.b64decode(got.data[0].b64_json or "")
        assert picture.startswith(PNG[:8])
        assert b"with a hat" in picture
        assert sha256(PNG[:-1]).hexdigest().encode() in picture
        (call,) = to_workers(standin)
        assert call["payload"]["filename"] == ["a.png", "b.png"]
        assert call["load"] == call["cost"] == 125

    def test_what_is_refused_is_an_exception_with_its_place(self) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            openai.OpenAI().audio.transcriptions.create(model="m", file=("a.txt", b"text"))
        assert caught.value.param == "file"
        assert "Supported formats: ['flac'" in caught.value.message


@pytest.mark.usefixtures("mitmdump")
class TestOfABrokenOne:
    @pytest.mark.parametrize(
        ("content_type", "body", "param"),
        [
            ("multipart/form-data", b"x", None),
            ("application/json", b"{}", None),
            ("multipart/form-data; boundary=b", b"--b\r\nContent-Disp", None),
            ("multipart/form-data; boundary=b", b"--b--\r\n", "file"),
        ],
    )
    def test_is_a_400(
        self, content_type: str, body: bytes, param: str | None, standin: StandIn
    ) -> None:
        headers = {"content-type": content_type, "authorization": f"Bearer {APP_KEY}"}
        answer = requests.post(TRANSCRIPTIONS, data=body, headers=headers, timeout=30)
        assert answer.status_code == 400
        assert error_of(answer)["param"] == param
        assert not standin.calls()

    def test_two_files_are_a_400(self) -> None:
        files = [("file", ("a.wav", WAV)), ("file", ("b.wav", WAV))]
        answer = requests.post(TRANSCRIPTIONS, files=files, timeout=30)
        assert (answer.status_code, error_of(answer)["param"]) == (400, "file")

    def test_a_compressed_one_is_a_400(self) -> None:
        answer = requests.post(
            TRANSCRIPTIONS,
            data=b"x",
            headers={"content-encoding": "gzip", "content-type": "multipart/form-data; boundary=b"},
            timeout=30,
        )
        assert (answer.status_code, error_of(answer)["code"]) == (400, "unsupported_encoding")


def test_a_machine_gets_a_form_with_the_same_file(mitmdump: Interceptor, standin: StandIn) -> None:
    answer = ask(model="box-whisper", prompt="Grüße")
    assert answer.status_code == 200, answer.text
    assert DIGEST in answer.json()["text"]
    assert answer.headers["x-vast-endpoint"] == "box"
    (call,) = standin.calls()
    body = harness.body_of(call)
    assert WAV in body
    assert "Grüße".encode() in body
    assert b"box-whisper" not in body


def test_a_provider_that_a_call_falls_back_to_gets_the_app_s_own_bytes(
    mitmdump: Interceptor, standin: StandIn, provider: Provider
) -> None:
    standin.set_worker(0, "cold")
    provider.answer, provider.kind = (200, b"WEBVTT\n\n"), "text/vtt"
    request = requests.Request(
        "POST",
        f"http://127.0.0.1:{provider.server_port}/v1/audio/transcriptions",
        data={"model": "fall-1", "response_format": "vtt"},
        files={"file": ("a.wav", WAV)},
        headers={"authorization": f"Bearer {APP_KEY}"},
    ).prepare()
    with mitmdump.session() as session:
        answer = session.send(request, timeout=60, proxies=session.proxies)
    assert (answer.status_code, answer.content) == (200, b"WEBVTT\n\n"), answer.text
    _, headers, body = provider.received.pop()
    assert headers["content-type"] == request.headers["content-type"]
    assert body == request.body


def test_a_stream_of_a_provider_reaches_the_app_as_it_is(
    mitmdump: Interceptor, standin: StandIn, provider: Provider
) -> None:
    standin.set_worker(0, "cold")
    delta = b'data: {"type":"transcript.text.delta","delta":"Hi"}\n\n'
    done = b'data: {"type":"transcript.text.done","text":"Hi"}\n\n'
    provider.kind = "text/event-stream"
    url = f"http://127.0.0.1:{provider.server_port}/v1/audio/transcriptions"
    with mitmdump.session() as session:
        for sent, error in ((delta + done, b""), (delta, b'"code":"vast_disconnected"')):
            provider.answer = (200, sent)
            data = {"model": "fall-1", "stream": "true"}
            answer = session.post(url, data=data, files={"file": ("a.wav", WAV)}, timeout=60)
            assert answer.content.startswith(sent)
            assert error in answer.content.removeprefix(sent)
            assert bool(error) == (answer.content != sent)


def test_a_provider_that_streams_nothing_is_passed_on_as_it_is(
    mitmdump: Interceptor, standin: StandIn, provider: Provider
) -> None:
    """OpenAI's whisper-1 ignores `stream`."""
    standin.set_worker(0, "cold")
    provider.answer, provider.kind = (200, b'{"text": "Hi"}'), "application/json"
    url = f"http://127.0.0.1:{provider.server_port}/v1/audio/transcriptions"
    with mitmdump.session() as session:
        data = {"model": "fall-1", "stream": "true"}
        answer = session.post(url, data=data, files={"file": ("a.wav", WAV)}, timeout=60)
    assert (answer.status_code, answer.content) == (200, b'{"text": "Hi"}')
    assert answer.headers["content-type"] == "application/json"


def test_an_edited_one_is_sent_as_edited(mitmdump: Interceptor, standin: StandIn) -> None:
    answer = ask(response_format="json", edit="yes")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith("Heard a.wav")


def test_a_saved_one_is_replayed(
    recorded_by: tuple[Interceptor, Path],
    mitmdump: Interceptor,
    standin: StandIn,
    certs: Certificates,
    tmp_path: Path,
) -> None:
    assert ask(prompt="to be replayed").status_code == 200
    flows = tmp_path / "flows"
    flows.write_bytes(recorded_by[1].read_bytes())
    standin.forget_calls()
    config: dict[str, Any] = {
        "vast": serverless(standin, certs.ca),
        "endpoints": {ENDPOINT: {"serves": SERVES}},
    }
    options = ("-C", str(flows), "--set", "keepserving=true")
    with harness.intercept(tmp_path / "replay", config, *options):
        until(lambda: replayed(standin))
    (call,) = replayed(standin)
    assert base64.b64decode(call["payload"]["file"]) == WAV


def replayed(standin: StandIn) -> list[dict[str, Any]]:
    return [
        call for call in to_workers(standin) if call["payload"].get("prompt") == "to be replayed"
    ]
