"""What is read of a call for speech, and what the worker gets of it."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.listed_operations.listed_call import BytesCall
from vast_intercept.listed_operations.speech import SpeechCall, read_speech
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.requests import outline_of

from ..openai_api.test_outline import in_steps
from .reading_calls import LONGEST_STEP

TEXT = "The quick brown fox."


def read(body: bytes) -> SpeechCall:
    return read_speech(body)


def read_in_steps(body: bytes) -> SpeechCall:
    """As a large body is read."""
    steps = outline_of(body)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return read_speech(body, done.value)


def asking(**fields: Any) -> bytes:
    fields = {"model": "tts-1", "input": TEXT, "voice": "alloy"} | fields
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def sent(call: SpeechCall) -> bytes:
    try:
        next(call.for_worker())
    except StopIteration as done:
        return b"".join(done.value)
    raise AssertionError("it needs steps")


@pytest.mark.parametrize("reading", [read, read_in_steps])
def test_everything_but_the_model_is_sent_as_it_came(reading: Any) -> None:
    body = (
        b'\n{ "voice" : {"id": "v\\u00e9"},"model": "tts-1" ,"input":"h\xc3\xa9 \\/ \\u00e9",'
        b'"response_format":"opus", "speed": 1.10e0, "n": [1, 2, 3, 4]} '
    )
    call = reading(body)
    assert sent(call) == body.replace(b'"tts-1"', b'""')
    assert (call.model, call.amounts.characters) == ("tts-1", 6)
    assert isinstance(call, BytesCall)
    assert call.for_server() is None


@pytest.mark.parametrize("reading", [read, read_in_steps])
def test_an_app_that_names_no_format_gets_mp3_as_from_openai(reading: Any) -> None:
    body = asking()
    emptied = body.replace(b'"tts-1"', b'""')
    assert sent(reading(body + b" ")) == emptied[:-1] + b',"response_format":"mp3"} '
    null = asking(response_format=None)
    assert sent(reading(null)) == null.replace(b'"tts-1"', b'""').replace(b"null", b'"mp3"')


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": "wav"},
        # Of these, vLLM-Omni takes WAV and PCM alone.
        {"stream_format": "audio"},
        {"stream_format": "sse"},
        {"stream": True},
    ],
)
def test_a_format_is_added_only_where_the_app_leaves_it_to_the_server(fields: Any) -> None:
    body = asking(**fields)
    assert sent(read(body)) == body.replace(b'"tts-1"', b'""')


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"input": ...}, "missing_required_parameter", "input"),
        ({"input": None}, "missing_required_parameter", "input"),
        ({"input": 7}, "invalid_type", "input"),
        ({"input": ["a"]}, "invalid_type", "input"),
        ({"model": 7}, "invalid_type", "model"),
        ({"voice": 7}, "invalid_type", "voice"),
        ({"voice": ["alloy"]}, "invalid_type", "voice"),
        ({"voice": {}}, "invalid_type", "voice"),
        ({"voice": {"id": 7}}, "invalid_type", "voice.id"),
        ({"response_format": "MP3"}, "invalid_value", "response_format"),
        ({"response_format": "ogg"}, "invalid_value", "response_format"),
        ({"response_format": 1}, "invalid_type", "response_format"),
        ({"stream_format": "json"}, "invalid_value", "stream_format"),
        ({"stream_format": True}, "invalid_type", "stream_format"),
        ({"stream": "yes"}, "invalid_type", "stream"),
    ],
)
def test_what_cannot_be_spoken_is_refused_with_its_place(
    fields: Any, code: str, param: str
) -> None:
    with pytest.raises(ApiError) as raised:
        read(asking(**fields))
    assert (raised.value.status, raised.value.code, raised.value.param) == (400, code, param)


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"{", b'{"input": "\\ud800"}', b"\xff"])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        read(body)
    assert (raised.value.status, raised.value.code) == (400, "invalid_json")


@pytest.mark.parametrize("voice", [..., None, "vivian", {"id": "voice_1"}])
def test_a_voice_may_be_left_to_the_model(voice: Any) -> None:
    assert read(asking(voice=voice)).amounts.characters == len(TEXT)


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        ({"input": ""}, 50),
        ({"input": "a" * 49}, 50),
        ({"input": "a" * 51}, 51),
        ({"input": "é" * 500}, 500),
        ({"input": "😀" * 500}, 500),
        ({"input": "a" * 3_999}, 3_999),
        ({"input": "a" * 4_001}, 4_000),
        ({"input": "a" * 100, "ref_audio": "data:audio/wav;base64,AAAA"}, 600),
        ({"input": "a" * 100, "ref_audio": ["https://a", "https://b", None, 7]}, 1_100),
        ({"input": "a" * 100, "ref_audio": "", "ref_audio_2": "https://a"}, 600),
        ({"input": "a" * 100, "ref_audio": {"no": "text"}}, 100),
        ({"input": "a" * 100, "references": [{"audio_path": "https://a", "text": "b"}]}, 600),
        ({"input": "a" * 100, "references": ["https://a", None, {"audio_path": 7}]}, 600),
        ({"input": "a" * 100, "references": "https://a"}, 600),
        ({"input": "a" * 100, "references": 7}, 100),
    ],
)
def test_the_cost_is_what_the_worker_counts(fields: Any, cost: float) -> None:
    body = asking(**fields)
    assert read(body).cost == pytest.approx(cost)
    assert read_in_steps(body).cost == pytest.approx(cost)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=2_000))
def test_characters_are_counted_in_small_and_in_large_bodies(text: str) -> None:
    for ascii_only in (True, False):
        body = json.dumps({"input": text}, ensure_ascii=ascii_only).encode()
        assert read(body).amounts.characters == len(text)
        assert read_in_steps(body).amounts.characters == len(text)


def test_a_large_recording_costs_no_more_than_a_small_one() -> None:
    body = asking(input="a" * 300, ref_audio="data:audio/wav;base64," + "A" * 3_000_000)
    call = read_in_steps(body)
    assert call.cost == 800
    assert b"".join(bytes(piece) for piece in call.pieces).count(b"A") == 3_000_000


@pytest.mark.parametrize(
    "fields",
    [
        {"ref_audio": [[[[[{}] * 1_000_000]]]]},
        {"references": [{"audio_path": {"a": [{}] * 1_000_000}}]},
    ],
)
def test_recordings_that_are_no_text_are_not_decoded(fields: Any) -> None:
    body = asking(input="a" * 300, **fields)
    made = in_steps(outline_of(body))[0]
    begun = time.thread_time()
    assert read_speech(body, made).cost == 300
    assert time.thread_time() - begun < LONGEST_STEP


def test_a_text_of_more_than_a_megabyte_is_refused() -> None:
    read_in_steps(asking(input="a" * (1024 * 1024 - 2)))
    with pytest.raises(ApiError) as raised:
        read_in_steps(asking(input="a" * (1024 * 1024 - 1)))
    assert (raised.value.status, raised.value.code) == (413, "request_too_large")
    assert raised.value.param == "input"


def test_a_large_body_that_has_a_member_twice_is_refused() -> None:
    with pytest.raises(ApiError) as raised:
        read_in_steps(b'{"input": "a", "input": "b"}')
    assert raised.value.code == "invalid_json"


def test_of_a_member_that_comes_twice_the_last_one_counts() -> None:
    body = b'{"input":"a","response_format":"ogg","input":"bb","response_format":"wav"}'
    call = read(body)
    assert call.amounts.characters == 2
    assert json.loads(sent(call)) == {"input": "bb", "response_format": "wav"}


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({}, {"audio"}),
        ({"stream_format": "audio"}, {"audio"}),
        ({"stream_format": "audio", "stream": True}, {"audio"}),
        ({"stream_format": "sse"}, {"events"}),
        ({"stream": True}, {"audio", "events"}),  # vLLM-Omni's own: events, of others audio
    ],
)
def test_an_answer_is_of_the_kind_that_was_asked_for(fields: Any, due: set[str]) -> None:
    call = read(asking(**fields))
    for kind, types in {
        "audio": ["audio/mpeg", "audio/wav", "audio/pcm", "application/octet-stream"],
        "events": ["text/event-stream"],
        "other": ["application/json", "text/html", "text/plain"],
    }.items():
        for each in types:
            assert call.is_due(each) == (kind in due), each
