"""Transcriptions and translations: what came of a file, in vLLM's shapes."""

import json
import random
from hashlib import sha256
from typing import Any

import openai
import pytest

from vast_intercept.standin.model_server.listed.sound import mp3, seconds_of_file, wav

from ...conftest import Vast, complete

TRANSCRIPTIONS, TRANSLATIONS = "/v1/audio/transcriptions", "/v1/audio/translations"
SPEECH = wav("A speech of about two seconds: the stand-in takes 25 ms for each letter of it.")
FILE = ("speech.wav", SPEECH, "audio/wav")


async def heard(able: Vast, path: str = TRANSCRIPTIONS, **fields: str) -> Any:
    response, data = await able.upload(path, fields, file=FILE)
    assert response.status == 200, data
    return json.loads(data)


async def test_a_transcription_says_what_came(able: Vast) -> None:
    answer = await heard(able, language="en", prompt="Names: Ada")
    assert list(answer) == ["text", "usage"]
    text = answer["text"]
    assert text.startswith(f" Heard speech.wav, audio/wav, {len(SPEECH)} bytes, ")
    assert sha256(SPEECH).hexdigest() in text
    assert text.endswith(" Language: en. Prompt: Names: Ada.")
    assert answer["usage"] == {"type": "duration", "seconds": 2}


async def test_any_bytes_arrive_whole(able: Vast) -> None:
    data = random.Random(1).randbytes(3_000_000)
    file = ('a "file"\u00e9.mp3', data, "audio/mpeg")
    response, body = await able.upload(TRANSCRIPTIONS, {}, file=file)
    assert response.status == 200
    assert sha256(data).hexdigest() in body.decode()


async def test_a_translation_has_no_usage(able: Vast) -> None:
    answer = await heard(able, TRANSLATIONS)
    assert list(answer) == ["text"]
    assert answer["text"].startswith(" Translated speech.wav")


async def test_a_verbose_answer_has_segments_that_are_the_text(able: Vast) -> None:
    answer = await heard(able, response_format="verbose_json", temperature="0.5")
    assert list(answer) == ["duration", "language", "text", "segments", "words"]
    assert (answer["language"], answer["words"]) == ("en", None)
    assert float(answer["duration"]) == seconds_of_file(SPEECH)
    segments = answer["segments"]
    assert len(segments) > 1
    assert "".join(each["text"] for each in segments) == answer["text"]
    assert [each["start"] for each in segments[1:]] == [each["end"] for each in segments[:-1]]
    assert (segments[0]["start"], segments[-1]["end"]) == (0, float(answer["duration"]))
    assert {each["temperature"] for each in segments} == {0.5}


@pytest.mark.parametrize("response_format", ["json", "text"])
async def test_text_is_answered_as_json(able: Vast, response_format: str) -> None:
    assert "usage" in await heard(able, response_format=response_format)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"response_format": "srt"}, "Currently only support response_format"),
        ({"response_format": "vtt"}, "Currently only support response_format"),
        ({"response_format": "verbose_json", "stream": "true"}, "doesn't support streaming"),
        ({"response_format": "yaml"}, "Invalid enum value"),
        ({"temperature": "warm"}, "temperature"),
        ({"standin": "{"}, "truncated"),
        ({"standin": '{"fault": "split"}'}, "needs a stream"),
    ],
)
async def test_what_is_refused(able: Vast, fields: dict[str, str], message: str) -> None:
    response, data = await able.upload(TRANSCRIPTIONS, fields, file=FILE)
    assert response.status == 400
    assert message in json.loads(data)["error"]["message"]


async def test_a_form_without_a_file_is_refused(able: Vast) -> None:
    response, data = await able.upload(TRANSCRIPTIONS, {"model": ""})
    assert (response.status, json.loads(data)["error"]["param"]) == (400, "body.file")


@pytest.mark.parametrize(
    ("path", "kind"),
    [(TRANSCRIPTIONS, "transcription.chunk"), (TRANSLATIONS, "translation.chunk")],
)
async def test_a_stream_has_chunks_without_indexes(able: Vast, path: str, kind: str) -> None:
    fields = {"stream": "true", "stream_include_usage": "true"}
    response, data = await able.upload(path, fields, file=FILE)
    assert response.content_type == "text/event-stream"
    *chunks, end, usage = complete(data)
    assert {each["object"] for each in (*chunks, end, usage)} == {kind}
    assert {len(each["choices"]) for each in chunks} == {1}
    text = "".join(each["choices"][0]["delta"]["content"] for each in chunks)
    assert sha256(SPEECH).hexdigest() in text
    (last,) = end["choices"]
    assert last == {"delta": {"content": ""}, "finish_reason": "stop", "stop_reason": None}
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == len(chunks) + 1


async def test_instructions_are_followed(able: Vast) -> None:
    answer = await heard(able, standin='{"text": "Good morning."}')
    assert answer["text"] == " Good morning."
    fields = {"stream": "true", "standin": '{"chunks": 2}'}
    _, data = await able.upload(TRANSCRIPTIONS, fields, file=FILE)
    texts = [each["choices"][0]["delta"]["content"] for each in complete(data)]
    assert texts == [" w0", " w1", ""]


async def test_the_openai_package_reads_it(able: Vast) -> None:
    async with openai.AsyncOpenAI(base_url=f"{able.url}/v1", api_key="any") as client:
        answer = await client.audio.transcriptions.create(
            model="", file=FILE, response_format="verbose_json"
        )
    assert answer.segments
    assert sha256(SPEECH).hexdigest() in answer.text


def test_how_long_files_last() -> None:
    assert seconds_of_file(wav("x" * 100)) == 2.5
    assert seconds_of_file(mp3("x" * 100)) == pytest.approx(2.5, rel=0.03)
    assert seconds_of_file(b"RIFF") == 4 / 16_000
