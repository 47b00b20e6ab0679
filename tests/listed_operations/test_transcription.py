import base64
import io
import json
import struct
import time
import wave
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.listed_operations.form_reader import FormReader
from vast_intercept.listed_operations.listed_call import EventsCall, ListedAnswer, WholeCall
from vast_intercept.openai_api.error_codes import ErrorCode
from vast_intercept.openai_api.errors import ApiError, bad_gateway
from vast_intercept.openai_api.operations import Operation

from .uploads import done, field, file, form, read

MIB = 1024 * 1024
TRANSLATION = Operation.AUDIO_TRANSLATIONS


def wav(seconds: float, rate: int = 16_000) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(bytes(2 * int(seconds * rate)))
    return written.getvalue()


WAV = wav(3)


def for_worker(*parts: bytes, operation: Operation = Operation.AUDIO_TRANSCRIPTIONS) -> Any:
    return json.loads(b"".join(done(read(form(*parts), operation).for_worker())))


def refusal(*parts: bytes, operation: Operation = Operation.AUDIO_TRANSCRIPTIONS) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read(form(*parts), operation)
    assert caught.value.status == 400
    return caught.value


def answer(
    format_: str, body: object, operation: Operation = Operation.AUDIO_TRANSCRIPTIONS
) -> ListedAnswer:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return done(read(form(file(WAV), field("response_format", format_)), operation).answer(encoded))


def test_a_worker_gets_json_with_the_file_as_base64() -> None:
    got = for_worker(
        field("model", "whisper-1"),
        file(WAV),
        field("language", "de"),
        field("prompt", 'Größe "x"'),
        field("temperature", "0.2"),
        field("timestamp_granularities[]", "word"),
        field("timestamp_granularities[]", "segment"),
        field("include[]", "logprobs"),
        field("x", "y"),
    )
    assert base64.b64decode(got.pop("file"), validate=True) == WAV
    assert got == {
        "filename": "a.wav",
        "response_format": "json",
        "language": "de",
        "prompt": 'Größe "x"',
        "temperature": "0.2",
        "timestamp_granularities[]": ["word", "segment"],
        "include[]": ["logprobs"],
        "x": "y",
    }


@given(st.integers(0, 3).flatmap(lambda more: st.just(98_304 * 2 - 1 + more)))
def test_base64_of_several_pieces_is_that_of_the_whole(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    got = for_worker(file(data[:size]))
    assert base64.b64decode(got["file"], validate=True) == data[:size]


def test_a_server_gets_a_form_with_the_same_file_and_no_model() -> None:
    call = read(form(field("model", "m"), field("a[]", "1"), file(WAV, "b.oga"), field("a[]", "2")))
    made = call.for_server()
    assert made
    assert any(isinstance(piece, memoryview) and piece == WAV for piece in made.pieces)
    reader = FormReader(made.content_type, {"file": 1})
    done(reader.feed(b"".join(made.pieces)))
    found = reader.end()
    assert found.texts() == {"a[]": ["1", "2"], "response_format": ["json"]}
    (part,) = [part for part in found.parts if part.is_file]
    assert (part.filename, part.content_type) == ("b.ogg", "audio/ogg")
    assert found.data(part) == WAV


def test_the_model_is_known_and_reserved_fields_are_left_out() -> None:
    call = read(form(field("model", "m"), field("input", "x"), field("filename", "y"), file(WAV)))
    assert (call.model, call.left_out) == ("m", ("input", "filename"))
    assert isinstance(call, WholeCall)
    assert not isinstance(call, EventsCall)
    assert read(form(file(WAV))).model is None


@pytest.mark.parametrize(
    ("name", "kind", "data", "sent"),
    [
        ("talk.mp3", None, b"x", "talk.mp3"),
        ("TALK.MP3", "text/plain", b"x", "TALK.mp3"),
        ("C:\\me\\talk.m4a", None, b"x", "talk.m4a"),
        ("a/b/../talk.flac", None, b"x", "talk.flac"),
        (" .. .wav", None, b"x", "file.wav"),
        ("...talk.wav", None, b"x", "talk.wav"),
        ("voice.oga", None, b"x", "voice.ogg"),
        ("blob", "audio/webm;codecs=opus", b"x", "blob.webm"),
        ("blob", "Audio/X-WAV", b"x", "blob.wav"),
        ("at 3.12 pm", "audio/mpeg", b"x", "at 3.12 pm.mp3"),
        (None, "audio/mpeg", b"x", "file.mp3"),
        ("", "audio/mpeg", b"x", "file.mp3"),
        ("blob", "application/octet-stream", WAV, "blob.wav"),
        (None, None, b"OggS....", "file.ogg"),
        ("blob", None, b"fLaC", "blob.flac"),
        ("blob", None, b"ID3\x04", "blob.mp3"),
        ("blob", None, b"\xff\xfb\x90\xc4", "blob.mp3"),
        ("blob", None, b"\0\0\0\x20ftypM4A \0", "blob.m4a"),
        ("blob", None, b"\0\0\0\x20ftypisom", "blob.mp4"),
        ("blob", None, b"\x1a\x45\xdf\xa3\x01", "blob.webm"),
        ("x" * 500 + ".wav", None, b"x", "x" * 100 + ".wav"),
    ],
)
def test_a_file_is_named_so_that_the_worker_knows_its_type(
    name: str | None, kind: str | None, data: bytes, sent: str
) -> None:
    assert for_worker(file(data, name, kind))["filename"] == sent


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.txt", "audio/wav"), ("a.aac", None), ("blob", "text/plain"), (None, None), ("a.", None)],
)
def test_a_file_of_a_type_that_the_worker_refuses_is_refused(
    name: str | None, kind: str | None
) -> None:
    error = refusal(file(b"some text", name, kind))
    assert (error.code, error.param) == ("invalid_value", "file")
    assert error.message == (
        "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga',"
        " 'oga', 'ogg', 'wav', 'webm']"
    )


def test_what_is_missing_or_unknown_is_refused_with_its_place() -> None:
    assert refusal(field("model", "m")).param == "file"
    assert refusal(field("model", "m")).code == "missing_required_parameter"
    assert refusal(file(b"")).param == "file"
    error = refusal(file(WAV), field("response_format", "docx"))
    assert (error.code, error.param) == ("invalid_value", "response_format")
    error = refusal(file(WAV), field("stream", "perhaps"))
    assert (error.code, error.param) == ("invalid_value", "stream")


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("", "json"),
        ("json", "json"),
        ("text", "json"),
        ("srt", "verbose_json"),
        ("vtt", "verbose_json"),
        ("verbose_json", "verbose_json"),
    ],
)
def test_the_worker_is_asked_for_what_vllm_serves(asked: str, sent: str) -> None:
    got = for_worker(file(WAV), field("response_format", asked))
    assert got["response_format"] == sent


@pytest.mark.parametrize(
    ("name", "data", "cost", "seconds"),
    [
        ("a.wav", wav(30), 500.0, 30.0),
        ("a.wav", wav(60, 8_000), 1_000.0, 60.0),
        ("a.wav", wav(0.1), 50.0, 0.1),
        ("a.mp3", bytes(16_000 * 60), 1_000.0, 60.0),
        ("a.ogg", bytes(8_000 * 15), 250.0, 15.0),
        ("a.webm", bytes(8_000 * 15), 250.0, 15.0),
        ("a.flac", bytes(12_000 * 15), 250.0, 15.0),
        ("a.mp3", bytes(20 * MIB), 4_000.0, 20 * MIB / 16_000),
    ],
)
def test_the_cost_is_seconds_of_audio_as_the_worker_counts_them(
    name: str, data: bytes, cost: float, seconds: float
) -> None:
    call = read(form(file(data, name)))
    assert call.cost == pytest.approx(cost)
    assert call.amounts.audio_seconds == pytest.approx(seconds, rel=0.01)
    assert (call.amounts.bytes, call.amounts.images) == (len(data), 0)


HEADER = st.tuples(
    st.sampled_from([b"fmt ", b"data", b"LIST", b""]), st.integers(0, 2**32 - 1), st.binary()
).map(lambda chunk: chunk[0] + struct.pack("<I", chunk[1]) + chunk[2])


@given(st.lists(HEADER).map(lambda chunks: b"RIFF\xff\xff\xff\xffWAVE" + b"".join(chunks)))
def test_a_hostile_wav_gives_no_absurd_numbers(data: bytes) -> None:
    call = read(form(file(data)))
    assert 50 <= call.cost <= 4_000
    assert 0 <= call.amounts.audio_seconds <= len(data) / 300


@given(st.integers(0, 60), st.binary(min_size=1, max_size=8))
def test_a_wav_with_wrong_bytes_gives_no_absurd_numbers(at: int, bytes_: bytes) -> None:
    data = WAV[:at] + bytes_ + WAV[at + len(bytes_) :]
    call = read(form(file(data)))
    assert 50 <= call.cost <= 4_000
    assert 0 <= call.amounts.audio_seconds <= len(data) / 300


SEGMENTS = [
    {"id": 0, "start": 0.0, "end": 1.0, "text": " Good evening."},
    {"id": 1, "start": 1.0, "end": 3661.5, "text": " A --> b\n\n\n c "},
]
VERBOSE = {"duration": "3661.5", "language": "en", "text": " Good evening. A", "segments": SEGMENTS}


def test_subtitles_are_made_of_the_segments() -> None:
    srt = answer("srt", VERBOSE)
    assert srt.content_type == "text/plain; charset=utf-8"
    assert bytes(srt.body).decode() == (
        "1\n00:00:00,000 --> 00:00:01,000\nGood evening.\n\n"
        "2\n00:00:01,000 --> 01:01:01,500\nA -> b\nc\n\n"
    )
    vtt = answer("vtt", VERBOSE)
    assert vtt.content_type == "text/vtt; charset=utf-8"
    assert bytes(vtt.body).decode() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nGood evening.\n\n"
        "00:00:01.000 --> 01:01:01.500\nA -> b\nc\n\n"
    )


def test_a_text_without_segments_becomes_one_subtitle() -> None:
    body = {"text": "Hello", "duration": "2.5", "segments": None}
    assert bytes(answer("srt", body).body) == b"1\n00:00:00,000 --> 00:00:02,500\nHello\n\n"
    assert bytes(answer("vtt", {"text": " "}).body) == b"WEBVTT\n\n"
    assert bytes(answer("srt", {"text": ""}).body) == b""


@pytest.mark.parametrize("duration", ["nan", "inf", "-inf", "x", "9" * 400, None, [1]])
@pytest.mark.parametrize("format_", ["srt", "vtt", "verbose_json"])
def test_a_duration_that_is_no_length_is_not_one(format_: str, duration: object) -> None:
    got = bytes(answer(format_, {"text": "Hello", "duration": duration}).body)
    if format_ == "verbose_json":
        assert json.loads(got)["duration"] == duration
    else:
        assert got.count(b"-->") == 1
        assert b"00:00:00" in got.partition(b"-->")[2]


@pytest.mark.parametrize("text", ["a --> b", "a ---> b", "a -----> b", "---->-->", "a -- > b"])
@pytest.mark.parametrize("format_", ["srt", "vtt"])
def test_no_text_has_an_arrow_of_times(format_: str, text: str) -> None:
    body = {"text": "", "segments": [{"start": 0, "end": 1, "text": text}]}
    assert bytes(answer(format_, body).body).count(b"-->") == 1


@given(st.lists(st.tuples(st.floats(), st.floats(), st.text())))
def test_any_segments_become_subtitles_that_can_be_read(
    segments: list[tuple[float, float, str]],
) -> None:
    body = {
        "text": "",
        "segments": [{"start": start, "end": end, "text": text} for start, end, text in segments],
    }
    made = bytes(answer("vtt", msgspec.json.encode(body)).body).decode()
    cues = made.removeprefix("WEBVTT\n\n").split("\n\n")[:-1]
    assert len(cues) == len(segments)
    assert all(cue.count("-->") == 1 for cue in cues)


def test_a_text_is_the_text_alone() -> None:
    text = answer("text", {"text": " Grüße."})
    assert (bytes(text.body).decode(), text.content_type) == (
        "Grüße.\n",
        "text/plain; charset=utf-8",
    )


def test_json_is_what_vllm_says_without_whisper_s_space() -> None:
    body = b'{"text": "a", "usage": {"type": "duration", "seconds": 3}}'
    assert answer("json", body).body == body
    spaced = bytes(answer("json", body.replace(b'"a"', b'" a"')).body)
    assert json.loads(spaced) == json.loads(body)


def test_verbose_json_has_a_number_as_duration_and_its_task() -> None:
    got = json.loads(bytes(answer("verbose_json", VERBOSE).body))
    text = "Good evening. A"
    assert got == {**VERBOSE, "task": "transcribe", "duration": 3661.5, "text": text}
    got = json.loads(bytes(answer("verbose_json", VERBOSE, TRANSLATION).body))
    assert got["task"] == "translate"


@pytest.mark.parametrize("format_", ["json", "text", "srt", "vtt", "verbose_json"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"text": 1}',
        b'{"segments": []}',
        b"<html>",
        b'{"text":"' + b"\xff" * 2 * MIB + b'"}',
        b'{"text":"","segments":[' + b"{}," * 3 * MIB + b"{}]}",
    ],
    ids=["empty", "list", "number", "no text", "HTML", "not UTF-8", "millions of segments"],
)
def test_what_is_no_transcription_is_a_502(format_: str, body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        answer(format_, body)
    assert caught.value.status == 502


@pytest.mark.parametrize("format_", ["json", "text", "srt", "vtt", "verbose_json"])
@pytest.mark.parametrize(
    "body",
    [
        {"text": "x" * 20 * MIB},
        {"text": "\n" * 2 * MIB},
        {"text": "", "segments": [{"text": "\r" * 60_000}] * 100},
        {"text": "", "segments": [{"start": 1, "end": 2, "text": "x"}] * 10_000},
        {"text": "", "segments": [[]] * 40_000},
        {"text": "", "segments": [{"text": "\n" * 1_000_000}] * 4},
        {"text": "", "words": [{"word": "x", "start": 1, "end": 2}] * 30_000},
        {"text": "", "segments": [0] * 2_500_000},
        {"text": "", "segments": [{"avg_logprob": [[{}] * 1_000_000]}]},
        {"text": "", "duration": [0] * 2_500_000},
        {"text": "", "duration": [[[[[{}] * 900_000]]]]},
        {" text": "", "text": " x"} | {f"{number}": 1 for number in range(190_000)},
    ],
    ids=[
        "a long text",
        "a text of lines",
        "segments of lines",
        "segments",
        "small segments",
        "blank lines",
        "words",
        "numbers for segments",
        "a segment of objects",
        "numbers for a duration",
        "a duration of objects",
        "members",
    ],
)
def test_no_step_of_an_answer_takes_long(format_: str, body: object) -> None:
    encoded = json.dumps(body).encode()
    steps = read(form(file(WAV), field("response_format", format_))).answer(encoded)
    longest = 0.0
    try:
        while True:
            begun = time.thread_time()
            next(steps)
            longest = max(longest, time.thread_time() - begun)
    except (StopIteration, ApiError):
        longest = max(longest, time.thread_time() - begun)
    assert longest < 0.05


def test_a_stream_is_asked_for_with_its_usage() -> None:
    call = read(form(file(WAV), field("stream", "true")))
    assert isinstance(call, EventsCall)
    assert not isinstance(call, WholeCall)
    got = json.loads(b"".join(done(call.for_worker())))
    assert (got["stream"], got["stream_include_usage"]) == ("true", "true")


@pytest.mark.parametrize(
    ("operation", "format_"),
    [(TRANSLATION, "json"), (Operation.AUDIO_TRANSCRIPTIONS, "srt")],
)
def test_a_stream_is_left_out_where_openai_does_not_stream(
    operation: Operation, format_: str
) -> None:
    call = read(
        form(file(WAV), field("stream", "True"), field("response_format", format_)), operation
    )
    assert isinstance(call, WholeCall)
    assert call.left_out == ("stream",)
    assert "stream" not in json.loads(b"".join(done(call.for_worker())))


def chunk(text: str, **more: object) -> bytes:
    choice = {"delta": {"content": text}, **more}
    body = {"id": "t", "object": "transcription.chunk", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(body).encode()


USAGE = {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}
STREAM = (
    chunk(" Good")
    + chunk(" evening")
    + chunk("", finish_reason="stop")
    + b"data: %b\n\n" % json.dumps({"choices": [], "usage": USAGE}).encode()
    + b"data: [DONE]\n\n"
)


def events_of(sent: bytes) -> list[Any]:
    return [json.loads(event.removeprefix(b"data: ")) for event in sent.split(b"\n\n")[:-1]]


@given(st.integers(1, len(STREAM)))
def test_chunks_become_events_of_openai_however_they_are_cut(size: int) -> None:
    events = read(form(file(WAV), field("stream", "1"))).events()
    sent = b"".join(events.feed(STREAM[at : at + size]) for at in range(0, len(STREAM), size))
    assert events_of(sent + events.end()) == [
        {"type": "transcript.text.delta", "delta": "Good"},
        {"type": "transcript.text.delta", "delta": " evening"},
        {
            "type": "transcript.text.done",
            "text": "Good evening",
            "usage": {"type": "tokens", "input_tokens": 4, "output_tokens": 3, "total_tokens": 7},
        },
    ]


def test_a_stream_ends_with_its_error() -> None:
    events = read(form(file(WAV), field("stream", "1"))).events()
    events.feed(chunk("Good"))
    error = bad_gateway("It broke.", ErrorCode.VAST_DISCONNECTED)
    for sent in (events.end(error), events.fail(error)):
        assert events_of(sent)[0]["error"]["code"] == "vast_disconnected"
    assert events_of(events.keep_alive()) == [{"type": "transcript.text.delta", "delta": ""}]
    with pytest.raises(ApiError):
        events.feed(b"data: nonsense\n\n")
