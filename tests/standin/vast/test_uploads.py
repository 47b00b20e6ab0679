"""Uploads to a worker: base64 in JSON, which the model server gets as a form."""

import base64
import json
import random
from hashlib import sha256
from typing import Any

import pytest

from vast_intercept.standin.model_server.listed.form import FormFile
from vast_intercept.standin.model_server.listed.sound import wav
from vast_intercept.standin.vast.uploads import InvalidUpload, read_audio, read_images

from ..conftest import Vast, complete, worker_call

PATH = "/v1/audio/transcriptions"
LIMIT = 25 * 1024 * 1024


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def refused(able: Vast, path: str = PATH, **payload: Any) -> Any:
    response, data = await able.work(await able.route(), path, messages=..., **payload)
    assert response.status == 422, data
    return json.loads(data)


async def test_the_model_server_gets_every_byte_and_field(able: Vast) -> None:
    data = random.Random(1).randbytes(2_000_000)
    payload = {"file": encoded(data), "filename": "talk.mp3", "language": "de", "prompt": None}
    text = (await able.serve(PATH, payload))["text"]
    assert f"talk.mp3, audio/mpeg, {len(data)} bytes, SHA-256 {sha256(data).hexdigest()}" in text
    assert text.endswith("Language: de.")


async def test_a_stream_passes_through(able: Vast) -> None:
    payload = {"file": encoded(b"x"), "stream": True, "messages": ..., "standin": {"chunks": 3}}
    response, data = await able.work(await able.route(), PATH, **payload)
    assert response.headers["content-type"] == "text/event-stream"
    assert len(complete(data)) == 4


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({}, {"file": "field missing"}),
        ({"file": 7}, {"file": "must be a base64 string"}),
        ({"file": "not base64!"}, {"file": "not valid base64"}),
        ({"file": "é"}, {"file": "not valid base64"}),
        ({"file": ""}, {"file": "decoded to zero bytes"}),
        ({"file": "data:audio/wav;base64"}, {"file": "malformed data: URI"}),
        ({"file": encoded(bytes(LIMIT + 1))}, {"file": f"larger than {LIMIT} bytes"}),
        (
            {"file": "eA==", "filename": "notes.txt"},
            {
                "filename": "unsupported file type 'txt'; expected one of "
                "flac, m4a, mp3, mp4, mpeg, mpga, ogg, wav, webm"
            },
        ),
    ],
    ids=["none", "number", "text", "letters", "empty", "uri", "large", "type"],
)
async def test_what_a_worker_refuses(
    able: Vast, payload: dict[str, Any], error: dict[str, str]
) -> None:
    assert await refused(able, **payload) == {"payload": error}


async def test_all_that_is_wrong_is_told_at_once(able: Vast) -> None:
    body = worker_call(await able.route(), messages=..., file="!")
    del body["auth_data"]
    url = (await able.route())["url"]
    async with able.session.post(url + PATH, json=body) as response:
        assert await response.json() == {
            "auth_data": "field missing",
            "payload": {"file": "not valid base64"},
        }


async def test_as_large_as_the_limit_is_served(able: Vast) -> None:
    answer = await able.serve(PATH, {"file": encoded(bytes(LIMIT))})
    assert f"audio.wav, audio/wav, {LIMIT} bytes" in answer["text"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (None, "audio.wav"),
        ("", "audio.wav"),
        ("../../etc/talk.ogg", "talk.ogg"),
        ("my talk (1).MP3", "my_talk__1_.MP3"),
        (".hidden.wav", "hidden.wav"),
        ("x" * 500 + ".wav", "x" * 128 + ".wav"),
    ],
)
def test_names_are_made_harmless(given: str | None, name: str) -> None:
    (file,) = read_audio({"file": "eA==", "filename": given}).files["file"]
    assert file.name == name


def test_a_data_uri_and_lines_are_decoded() -> None:
    lines = base64.encodebytes(wav("hello")).decode()
    (file,) = read_audio({"file": f"data:audio/wav;base64,{lines}"}).files["file"]
    assert file == FormFile("audio.wav", "audio/wav", wav("hello"))


def test_other_fields_become_texts() -> None:
    form = read_audio(
        {
            "file": "eA==",
            "stream": True,
            "temperature": 0.5,
            "prompt": None,
            "timestamp_granularities[]": ["word", "segment"],
            "standin": {"chunks": 1},
        }
    )
    assert form.texts == {
        "stream": ["true"],
        "temperature": ["0.5"],
        "timestamp_granularities[]": ["word", "segment"],
        "standin": ['{"chunks": 1}'],
    }


def test_images_have_names_of_their_own() -> None:
    form = read_images(
        {"image": ["eA==", "eQ=="], "filename": ["a.jpg"], "mask": "eg==", "prompt": "a cat"}
    )
    assert form.files == {
        "image": [FormFile("a.jpg", "image/jpeg", b"x"), FormFile("image.png", "image/png", b"y")],
        "mask": [FormFile("image.png", "image/png", b"z")],
    }
    assert form.texts == {"prompt": ["a cat"]}


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({}, "image"),
        ({"image": []}, "image"),
        ({"image": ["eA=="] * 17}, "image"),
        ({"image": ["x" * (24 * 1024 * 1024)] * 4}, "image"),
        ({"image": "eA==", "filename": "a.gif"}, "filename"),
        ({"image": "eA==", "mask": "!"}, "mask"),
        ({"image": "eA==", "mask": "eA==", "mask_filename": "a"}, "mask_filename"),
    ],
    ids=["none", "empty", "many", "large", "type", "mask", "mask type"],
)
def test_images_that_are_refused(payload: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidUpload) as refused:
        read_images(payload)
    assert list(refused.value.error) == [field]


def test_a_url_does_for_an_image() -> None:
    assert read_images({"url": "https://example.com/a.png"}).files == {"image": []}
