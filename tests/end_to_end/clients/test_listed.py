"""Programs that embed, speak, listen and draw, unchanged, with all of it served by Vast's workers.

The stand-in plays an endpoint for each model. Its answers follow from what it gets, so that they
say whether that is what the program has sent.
"""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ... import harness
from ...docs.page import blocks
from ...harness import APP_KEY, ENDPOINT, PROJECT, VAST_KEY, Certificates, Interceptor, StandIn
from . import environments
from .environments import PROGRAMS, InstallationError
from .test_matrix import app_environ

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),  # on first use, a client is installed
]

LISTED = PROGRAMS / "listed"
RAG = PROJECT / "docs" / "examples" / "rag.py"
MEDIA = PROJECT / "tests" / "openai_api" / "media_files"
SOUND, PICTURE = MEDIA / "tone.wav", MEDIA / "picture.png"
PNG, RIFF, MP3 = "89504e470d0a1a0a", b"RIFF".hex(), "fffb90c4"
ROUTES = {
    "embedder": "/v1/embeddings",
    "media": "/v1/audio/speech,/v1/audio/transcriptions,/v1/audio/translations"
    ",/v1/images/generations,/v1/images/edits",
}
SERVED = {
    name: {"serves": routes.replace("/v1/", "").split(",")} for name, routes in ROUTES.items()
}


@pytest.fixture(scope="module")
def able(certs: Certificates) -> Iterator[StandIn]:
    """A stand-in with endpoints that serve more than chats."""
    ca, certificate, key = certs
    options = [
        part for name in (*ROUTES, "my-chat", "my-embedder") for part in ("--endpoint", name)
    ]
    routes = ROUTES | {"my-embedder": "/v1/embeddings"}
    options += [part for each in routes.items() for part in ("--routes", "=".join(each))]
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    standin = StandIn(*tls, *options, "--input-modality", "image", scheme="https")
    standin.trust(ca)
    yield standin
    standin.stop()


@pytest.fixture(scope="module")
def vast(able: StandIn, certs: Certificates) -> dict[str, Any]:
    """Where the stand-in plays Vast."""
    urls = {"console_url": able.url, "route_url": able.url, "ca_file": str(certs.ca)}
    return {"interface": "serverless", "timeout": {"total": 30}, **urls}


@pytest.fixture(scope="module")
def interceptor(
    vast: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interceptor]:
    """A `mitmdump -s addon/vast.py`, which all programs use."""
    config = {
        "vast": vast | {"endpoint": ENDPOINT},
        "endpoints": SERVED | {"big-one": {"input_modalities": ["image"]}},
        "routes": [{"model": "gpt-4o", "endpoint": "big-one"}],
    }
    with harness.intercept(tmp_path_factory.mktemp("listed"), config) as interceptor:
        yield interceptor


@pytest.fixture
def standin(able: StandIn) -> StandIn:
    """The stand-in, with no calls yet."""
    able.forget_calls()
    return able


def run(interceptor: Interceptor, folder: Path, *command: str, **environ: str) -> list[Any]:
    """What a program prints, which is JSON on each line. It must end well."""
    launcher = [harness.tool("vast-intercept"), "run", "--attach", str(interceptor.port)]
    done = subprocess.run(
        [*launcher, "--quiet", "--", *command],
        env=app_environ() | {"HOME": str(folder)} | environ,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    print(done.stdout, done.stderr)  # which pytest shows if the test fails
    assert done.returncode == 0
    return [json.loads(line) for line in done.stdout.splitlines()]


def python(requirements: str) -> str:
    """The Python of an environment with these requirements."""
    try:
        return environments.python(requirements)
    except InstallationError as error:
        pytest.fail(str(error), pytrace=False)


def asked(standin: StandIn) -> list[str]:
    """The paths that workers were asked for, in order. No call had a key."""
    calls = [call for call in standin.calls() if call["path"].startswith("/v1/")]
    for call in calls:
        assert VAST_KEY not in str(call["headers"])
        assert APP_KEY not in str(call["headers"])
        assert APP_KEY not in harness.body_of(call).decode()
    return [call["path"].removeprefix("/v1/") for call in calls]


def payloads(standin: StandIn) -> list[dict[str, Any]]:
    """What workers were asked, in order."""
    calls = [call for call in standin.calls() if call["path"].startswith("/v1/")]
    return [json.loads(harness.body_of(call))["payload"] for call in calls]


def heard(verb: str = "Heard") -> str:
    """The stand-in's text of the sound, if it was sent unchanged."""
    data = SOUND.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return f"{verb} {SOUND.name}, audio/wav, {len(data)} bytes, SHA-256 {digest}."


def test_openai(interceptor: Interceptor, standin: StandIn, tmp_path: Path) -> None:
    """OpenAI's own package: embeddings in both encodings, speech to a file, files, images."""
    program = str(LISTED / "openai_app.py")
    lines = run(interceptor, tmp_path, python("current"), program, str(SOUND), str(PICTURE))
    results = dict(lines)
    texts = results.pop("transcriptions")
    seen = results.pop("pictures")
    assert results == {
        "embeddings": [True, [[0, 384], [1, 384]]],
        "short_embeddings": [64],
        "speech": [[MP3, True], [RIFF, True]],
        "streamed_transcription": [True, True, heard()],
        "translation": heard("Translated"),
        "image": ["data:image/png;base64", True, PNG],
        "image_edit": [PNG, True],
        "unserved": "unsupported_endpoint",
    }
    assert texts["json"] == heard()
    assert texts["text"] == heard() + "\n"
    text, duration, first = texts["verbose_json"]
    assert text == heard()
    assert duration == 0.25
    assert f" {heard()}".startswith(first)  # segments have Whisper's space, as at OpenAI
    assert texts["vtt"].startswith("WEBVTT\n")
    assert "00:00:00.000 --> 00:00:00." in texts["vtt"]
    assert texts["srt"].startswith("1\n00:00:00,000 --> 00:00:00,")
    for subtitles in (texts["srt"], texts["vtt"]):
        assert hashlib.sha256(SOUND.read_bytes()).hexdigest() in subtitles
    assert len(set(seen)) == 1
    assert seen[0].startswith("You said: What is it? (1 came: image ")
    assert seen[0].endswith(f", {PICTURE.stat().st_size} bytes.)")
    encodings = [body.get("encoding_format") for body in payloads(standin)[:3]]
    assert encodings == ["base64", "float", "float"]
    assert asked(standin) == [
        *["embeddings"] * 3,
        *["audio/speech"] * 2,
        *["audio/transcriptions"] * 6,
        "audio/translations",
        *["images/generations"] * 2,
        "images/edits",
        *["chat/completions"] * 2,
    ]


def test_openai_028(interceptor: Interceptor, standin: StandIn, tmp_path: Path) -> None:
    program = str(LISTED / "openai_028_app.py")
    lines = run(interceptor, tmp_path, python("openai_028"), program, str(SOUND), str(PICTURE))
    assert lines == [
        [384, 384],
        heard(),
        heard("Translated"),
        "data:image/png;base64,",
        "iVBORw0K",
    ]
    assert len(asked(standin)) == len(lines)


def test_openai_on_node(interceptor: Interceptor, standin: StandIn, tmp_path: Path) -> None:
    try:
        node = environments.runtime("node-24/bin/node")
        program = environments.node_program("openai_listed_app.mjs")
    except InstallationError as error:
        pytest.fail(str(error), pytrace=False)
    lines = run(interceptor, tmp_path, node, program, str(SOUND), str(PICTURE))
    assert lines == [[True, [384, 384]], "RIFF", heard(), "iVBORw0K"]
    assert len(asked(standin)) == 5


def test_langchain(interceptor: Interceptor, standin: StandIn, tmp_path: Path) -> None:
    """With tokens, for which tiktoken needs a file that it would fetch, and with texts (C44)."""
    packages = Path(python("llama_index")).parents[1] / "lib"
    (tokens,) = packages.glob("python3*/site-packages/llama_index/core/_static/tiktoken_cache")
    program = str(LISTED / "langchain_app.py")
    lines = run(interceptor, tmp_path, python("current"), program, TIKTOKEN_CACHE_DIR=str(tokens))
    assert lines == [[384, "The cat sleeps on the sofa."]] * 2
    with_tokens, query, with_texts, _ = (body["input"] for body in payloads(standin))
    assert all(isinstance(token, int) for text in (*with_tokens, *query) for token in text)
    assert with_texts == ["The train leaves at nine.", "The cat sleeps on the sofa."]


def test_llama_index(interceptor: Interceptor, standin: StandIn, tmp_path: Path) -> None:
    program = str(LISTED / "llama_index_app.py")
    lines = run(interceptor, tmp_path, python("llama_index"), program)
    assert lines == [["The cat sleeps on the sofa.", True]]
    assert asked(standin) == ["embeddings", "embeddings", "chat/completions"]


def test_a_rag_program_moves_with_one_file(
    vast: dict[str, Any], standin: StandIn, tmp_path: Path
) -> None:
    """The configuration and the program of the documentation, but for where Vast is."""
    _, example, *_ = blocks((PROJECT / "docs" / "configuration.md").read_text("utf-8"), "yaml")
    config = yaml.safe_load(example)
    config["vast"] = vast | config["vast"]
    path = harness.write_config(tmp_path / "vast.yaml", **config)
    command = [
        *(harness.tool("vast-intercept"), "run", "--config", str(path), "--quiet"),
        *("--set", f"confdir={tmp_path / 'ca'}", "--", python("current")),
        *(str(RAG), "Who knows about late invoices?"),
    ]
    done = subprocess.run(
        command, env=app_environ(), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    print(done.stdout, done.stderr)
    found, answer = done.stdout.splitlines()
    assert found.startswith("Found: Invoices are paid within thirty days")
    assert answer == "Answer: You said: Who knows about late invoices?"
    assert asked(standin) == ["embeddings", "embeddings", "chat/completions"]
    assert "Invoices are paid" in harness.body_of(standin.calls()[-1]).decode()
