"""Speech: a tone for a text, whole, in pieces or in events."""

import base64
import io
import json
import wave
from typing import Any

import aiohttp
import openai
import pytest

from vast_intercept.standin.model_server.listed.sound import mp3, pcm, seconds_of_speech, wav

from ...conftest import RawCall, Vast

PATH = "/v1/audio/speech"
TEXT = "The trains to the coast leave every hour."


async def spoken(able: Vast, **fields: Any) -> tuple[aiohttp.ClientResponse, bytes]:
    response, data = await able.post({"input": TEXT, **fields}, PATH)
    assert response.status == 200, data
    return response, data


async def test_without_a_format_it_is_a_whole_wav(able: Vast) -> None:
    response, data = await spoken(able)
    assert response.headers["content-type"] == "audio/wav"
    assert response.headers["content-length"] == str(len(data))
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        assert file.getnframes() / file.getframerate() == pytest.approx(seconds_of_speech(TEXT))
        assert file.readframes(1_000_000) == pcm(TEXT)


async def test_the_same_text_sounds_the_same_and_another_does_not(able: Vast) -> None:
    assert (await spoken(able))[1] == (await spoken(able))[1]
    assert wav("one") != wav("two")


@pytest.mark.parametrize(
    ("response_format", "content_type", "sound"),
    [("wav", "audio/wav", wav), ("pcm", "audio/pcm", pcm), ("mp3", "audio/mpeg", mp3)],
)
async def test_other_formats(
    able: Vast, response_format: str, content_type: str, sound: Any
) -> None:
    response, data = await spoken(able, response_format=response_format)
    assert (response.headers["content-type"], data) == (content_type, sound(TEXT))


async def test_bytes_come_in_pieces(able: Vast) -> None:
    body = {"input": TEXT, "stream_format": "audio", "standin": {"gate": "speech", "chunks": 3}}
    async with RawCall(able.url, body, PATH) as call:
        head = (await call.head()).lower()
        assert b"transfer-encoding: chunked" in head
        assert b"content-type: audio/wav" in head
        pieces = [await call.chunk()]
        for _ in range(2):
            await able.control("POST", "gates/speech")
            pieces.append(await call.chunk())
        assert await call.chunk() == b""
    assert b"".join(pieces) == wav(TEXT)


@pytest.mark.parametrize("fields", [{"stream": True}, {"stream_format": "sse"}])
async def test_events_hold_the_sound(able: Vast, fields: dict[str, Any]) -> None:
    response, data = await spoken(able, response_format="pcm", **fields)
    assert response.content_type == "text/event-stream"
    *deltas, done, end = data.decode().split("\n\n")
    assert end == ""
    parts = [json.loads(delta.partition("\ndata: ")[2]) for delta in deltas]
    assert {part["type"] for part in parts} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(part["audio"]) for part in parts) == pcm(TEXT)
    assert done.startswith('event: speech.audio.done\ndata: {"type":"speech.audio.done"')


@pytest.mark.parametrize("chunks", [0, 1, 7, 100_000])
async def test_as_many_pieces_as_told_or_as_there_can_be(able: Vast, chunks: int) -> None:
    _, data = await spoken(able, standin={"chunks": chunks, "text": "."})
    assert data == (wav(".") if chunks else b"")


async def test_a_stream_that_breaks_off(able: Vast) -> None:
    told = {"fault": "cut", "after": 2, "chunks": 4}
    with pytest.raises(aiohttp.ClientPayloadError):
        await spoken(able, standin=told)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": " "}, "input"),
        ({"input": None}, "body.input"),
        ({"response_format": "aac"}, "body.response_format"),
        ({"response_format": "flac"}, "response_format"),
        ({"response_format": "mp3", "stream_format": "audio"}, "response_format"),
        ({"response_format": "mp3", "stream": True}, "response_format"),
        ({"speed": 9}, "body.speed"),
        ({"stream_format": "audio", "standin": {"fault": "no_done"}}, "standin.fault"),
    ],
)
async def test_what_is_refused(able: Vast, fields: dict[str, Any], param: str) -> None:
    response, data = await able.post({"input": TEXT, **fields}, PATH)
    assert (response.status, json.loads(data)["error"]["param"]) == (400, param)


async def test_a_worker_passes_it_on(able: Vast) -> None:
    payload = {"input": TEXT, "messages": ..., "standin": {"chunks": 3}}
    response, data = await able.work(await able.route(), PATH, **payload)
    assert (response.headers["content-type"], data) == ("audio/wav", wav(TEXT))


async def test_a_worker_refuses_voices_that_it_would_not_fetch(able: Vast) -> None:
    for voice in ("file:///etc/passwd", ["https://example.com/a.wav", 7]):
        payload = {"input": TEXT, "messages": ..., "ref_audio": voice}
        response, data = await able.work(await able.route(), PATH, **payload)
        assert response.status == 422
        assert list(json.loads(data)["payload"]) == ["ref_audio"]


async def test_the_openai_package_writes_it_to_a_file(able: Vast) -> None:
    async with openai.AsyncOpenAI(base_url=f"{able.url}/v1", api_key="any") as client:
        answer = await client.audio.speech.create(
            model="", input=TEXT, voice="alloy", response_format="wav"
        )
    assert answer.content == wav(TEXT)
