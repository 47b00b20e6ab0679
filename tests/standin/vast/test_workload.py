"""What a worker counts as the load of a call, beside what the router was told."""

import base64
from typing import Any

import pytest

from vast_intercept.standin.model_server.listed.sound import mp3, wav
from vast_intercept.standin.vast.uploads import read_audio
from vast_intercept.standin.vast.workload import load_of

from ..conftest import Vast

EMBEDDINGS, RERANK, SCORE = "/v1/embeddings", "/v1/rerank", "/v1/score"
SPEECH, IMAGES = "/v1/audio/speech", "/v1/images/generations"


@pytest.mark.parametrize(
    ("route", "payload", "load"),
    [
        ("/v1/chat/completions", {"max_tokens": 64}, 64),
        ("/v1/chat/completions", {"max_completion_tokens": 64}, 0),
        ("/v1/chat/completions", {"max_tokens": None}, 100),
        ("/v1/completions", {"max_tokens": -1}, 100),
        (EMBEDDINGS, {"input": "x" * 600}, 500),
        (EMBEDDINGS, {"input": ["x" * 300, "y" * 600]}, 750),
        (EMBEDDINGS, {"input": [1] * 150}, 500),
        (EMBEDDINGS, {"input": [[1] * 100, [2] * 50]}, 500),
        (EMBEDDINGS, {"input": "short"}, 50),
        (EMBEDDINGS, {"input": "x" * 100_000}, 4000),
        (EMBEDDINGS, {}, 50),
        (RERANK, {"query": "x" * 60, "documents": ["y" * 250] * 16}, 500),
        (RERANK, {"query": "x" * 60, "documents": [{"content": []}] * 16}, 500),
        (SCORE, {"text_1": "x" * 1000, "text_2": "y" * 1480}, 250),
        (SCORE, {"queries": ["x" * 620] * 2, "items": ["y" * 620] * 2}, 250),
        (SCORE, {"data_1": ["x" * 620], "data_2": ["y" * 620] * 2}, 250),
        (SPEECH, {"input": "x" * 250}, 250),
        (SPEECH, {"input": "x" * 250, "ref_audio": "https://example.com/voice.wav"}, 750),
        (SPEECH, {"references": [{"audio_path": "https://example.com/voice.wav"}]}, 500),
        (SPEECH, {"input": "x" * 250, "ref_audio": "", "ref_audio_2": None}, 250),
        (IMAGES, {"prompt": "a cat"}, 500),
        (IMAGES, {"size": "512x512", "n": 2}, 250),
        (IMAGES, {"size": "auto"}, 500),
        (IMAGES, {"size": "2048X2048", "n": 10}, 4000),
        ("/v1/images/edits", {"size": "1024x512"}, 250),
    ],
)
def test_loads(route: str, payload: dict[str, Any], load: float) -> None:
    assert load_of(route, payload, None) == pytest.approx(load)


@pytest.mark.parametrize(
    ("name", "data", "load"),
    [
        ("a.wav", wav("x" * 1200), 500),
        ("a.wav", wav("x"), 50),
        ("a.mp3", mp3("x" * 1200), 500),
        ("a.mp3", bytes(16_000 * 60), 1000),
        ("a.flac", bytes(12_000 * 30), 500),
        ("a.ogg", bytes(8_000 * 15), 250),
        ("a.wav", bytes(32_000 * 30), 500),
    ],
)
def test_loads_of_audio(name: str, data: bytes, load: float) -> None:
    payload = {"file": base64.b64encode(data).decode(), "filename": name}
    form = read_audio(payload)
    assert load_of("/v1/audio/transcriptions", payload, form) == pytest.approx(load, rel=0.01)


async def test_the_list_of_calls_has_load_and_cost(able: Vast) -> None:
    route = await able.route(cost=77.0)
    await able.work(route, EMBEDDINGS, messages=..., input="x" * 300)
    (call,) = await able.calls(f"path={EMBEDDINGS}")
    assert (call["load"], call["cost"]) == (250, 77)
    await able.serve(EMBEDDINGS, {"input": "x" * 600})
    assert [each["load"] for each in await able.control("GET", "workers")] == [750]


async def test_a_call_that_is_not_admitted_has_no_load(able: Vast) -> None:
    route = await able.route()
    await able.work({**route, "signature": "AAAA"}, EMBEDDINGS, messages=..., input="x")
    await able.work(route, EMBEDDINGS, messages=..., input="x", file="!")
    refused, admitted = await able.calls(f"path={EMBEDDINGS}")
    assert (refused["load"], refused["cost"]) == (None, None)
    assert admitted["load"] == 50
