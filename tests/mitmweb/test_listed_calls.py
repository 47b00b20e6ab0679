"""Calls of operations that an endpoint is said to serve, in mitmweb and on the dashboard."""

import io
import re
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

from .. import harness
from ..fixtures.workers import serverless, standin_with
from ..harness import ENDPOINT, Certificates, StandIn
from .conftest import Watching

SERVES = ["embeddings", "rerank", "audio/speech", "audio/transcriptions", "images/generations"]


@pytest.fixture(scope="module")
def _standin(certs: Certificates) -> Iterator[StandIn]:
    routes = ",".join(f"/v1/{each}" for each in SERVES)
    with standin_with(certs, "--routes", routes) as standin:
        yield standin


def wav(seconds: float) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(bytes(2 * int(seconds * 16_000)))
    return written.getvalue()


def test_calls_are_shown_as_what_was_embedded_spoken_heard_and_painted(
    mitmweb: Watching, standin: StandIn, certs: Certificates, tmp_path: Path
) -> None:
    port = harness.unused_port()
    web = mitmweb(
        kind="serve",
        sections={"endpoints": {ENDPOINT: {"serves": SERVES}}, "inspect": {"port": port}},
        **serverless(standin, certs.ca, timeout={"total": 20}),
    )
    texts = ["a fleet of boats", "a harbour"]
    for encoding in ("base64", "float"):
        web.call("embeddings", model="small", input=texts, encoding_format=encoding)
    web.call("rerank", model="r", query="Where?", documents=texts)
    web.call("images/generations", model="p", prompt="a cat", size="64x48")
    web.call("audio/speech", model="t", input="Hello there.", voice="alloy", response_format="wav")
    upload = web.interceptor.session().post(
        "https://api.openai.com/v1/audio/transcriptions",
        data={"model": "w", "language": "de"},
        files={"file": ("talk.wav", wav(6.0), "audio/wav")},
        timeout=60,
    )
    assert upload.status_code == 200, upload.text
    comments = web.rows().locator(".col-comment")
    expect(comments).to_contain_text(
        [
            *[re.compile(r"2 texts; [\d,]+ tokens")] * 2,
            re.compile(r"2 texts; [\d,]+ tokens"),
            re.compile(r"1 image"),
            re.compile(r"12 characters; [\d.]+ kB"),
            re.compile(r"6\.00 s of audio; 192 kB"),
        ]
    )

    for number, encoded in ((0, ", in base64"), (1, "")):
        web.select(number)
        expect(web.content()).to_contain_text(
            re.compile(rf"0: [\d,]+ numbers: [^\n]+, …{encoded}\s+a fleet of boats")
        )
        expect(web.content()).to_contain_text(f"answered by the endpoint {ENDPOINT}")
    web.select(0, "Request")
    expect(web.content()).to_contain_text("small · encoding_format=base64")
    web.choose_view("Sent to Vast")
    expect(web.content()).to_contain_text(re.compile(rf"embeddings, \d+ bytes, for {ENDPOINT}"))
    web.choose_view("auto")

    web.select(2)
    expect(web.content()).to_contain_text(re.compile(r"1\. [\d.e-]+ · documents \d\s+a "))
    web.select(3)
    expect(web.content()).to_contain_text(re.compile(r"0: PNG \d+x\d+, "))
    web.select(4)
    expect(web.content()).to_contain_text(re.compile(r"WAV, [\d.]+ (s|ms), "))
    web.select(5)
    expect(web.content()).to_contain_text("text")
    web.select(5, "Request")
    expect(web.content()).to_contain_text("w · language=de")
    expect(web.content()).to_contain_text("talk.wav · WAV, 6.00 s, 192 kB")
    web.choose_view("Sent to Vast")
    expect(web.content()).to_contain_text(f"base64 shortened, for {ENDPOINT}")
    expect(web.content()).to_contain_text(re.compile(r"…\[\+\d+ characters\]"))

    folder = tmp_path / "of a person"
    saved = web.command("vast.save.media", "@all", str(folder))["value"]
    assert sorted(Path(path).suffix for path in saved) == [".png", ".wav"]
    assert {path.read_bytes()[:4] for path in folder.iterdir()} == {b"\x89PNG", b"RIFF"}
    assert "neither images nor audio" in str(
        web.command("vast.save.media", "~bq language", str(folder))
    )
    (tmp_path / "file").write_text("")
    refused = web.command("vast.save.media", "@all", str(tmp_path / "file"))
    assert "They cannot be saved" in str(refused)

    dashboard = f"http://127.0.0.1:{port}"
    state = requests.get(f"{dashboard}/state", timeout=10).json()
    rows = {row["operation"]: row for row in state["operations"]}
    assert rows["embeddings"]["calls"] == 2
    assert rows["embeddings"]["amounts"]["texts"] == 4
    assert state["totals"]["uncounted_answers"] == 0
    metrics = requests.get(f"{dashboard}/metrics", timeout=10).text
    for line in (
        f'vast_intercept_texts_total{{endpoint="{ENDPOINT}"}} 6.0',
        f'vast_intercept_audio_seconds_total{{endpoint="{ENDPOINT}"}} 6.0',
        f'vast_intercept_images_total{{endpoint="{ENDPOINT}"}} 1.0',
    ):
        assert line in metrics
