"""Calls of listed operations in the chat view: embeddings, rankings, speech, images, uploads."""

import base64
import json
import random
import struct
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.contentviews import Metadata
from mitmproxy.http import HTTPFlow

from vast_intercept.mitmweb.chat.contentview import ChatContentview
from vast_intercept.openai_api.operations import LISTED

from . import test_contentview as of_chats
from .recorded import flow_of, metadata_of
from .test_contentview import best_of, stream

VIEW = ChatContentview()
MEDIA = Path(__file__).parents[2] / "openai_api" / "media_files"
PNG, MP3, WAV = ((MEDIA / name).read_bytes() for name in ("picture.png", "tone.mp3", "tone.wav"))
OPERATIONS = sorted(LISTED)
FAST = of_chats.TestSpeed.LIMIT
JSON, EVENTS = "application/json", "text/event-stream"
FORM = "multipart/form-data; boundary=xx"


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def body_of(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def call(
    operation: str,
    request: Any,
    answer: Any = b"",
    kind: str = JSON,
    sent: str = JSON,
    **noted: Any,
) -> HTTPFlow:
    flow = flow_of(
        body_of(request), body_of(answer), kind=kind, path=f"/v1/{operation}", **noted
    )  # fmt: skip
    flow.request.headers["content-type"] = sent
    assert flow.response
    if not noted:
        flow.metadata["vast"] = {"outcome": "ok", "endpoint": "big-one", "duration": 0.4}
    return flow


def shown(flow: HTTPFlow, *, request: bool = False) -> list[str]:
    message = flow.request if request else flow.response
    assert message
    assert message.content
    metadata = metadata_of(flow, message)
    assert VIEW.render_priority(message.content, metadata) > 1
    return [line.rstrip() for line in VIEW.prettify(message.content, metadata).split("\n")]


def form(**fields: tuple[str, str, bytes] | str) -> bytes:
    made = b""
    for name, value in fields.items():
        filename, kind, content = value if isinstance(value, tuple) else ("", "", value.encode())
        made += f'--xx\r\nContent-Disposition: form-data; name="{name}"'.encode()
        made += f'; filename="{filename}"\r\nContent-Type: {kind}'.encode() if filename else b""
        made += b"\r\n\r\n" + content + b"\r\n"
    return made + b"--xx--\r\n"


END = ["", "0.40 s in all", "model m · answered by the endpoint big-one"]
END_WITHOUT_MODEL = ["", "0.40 s in all", "answered by the endpoint big-one"]


class TestEmbeddings:
    REQUEST: ClassVar = {"model": "text-embedding-3-small", "input": ["a fleet", "a harbour"]}
    VECTOR: ClassVar = [0.5, -0.25, 0.125, 1e-05, 2, 0.75, 0.0]

    def answer(self, *vectors: Any) -> dict[str, Any]:
        data = [{"index": n, "object": "embedding", "embedding": e} for n, e in enumerate(vectors)]
        return {"model": "m", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}

    def test_a_request_shows_its_texts(self) -> None:
        request = self.REQUEST | {"encoding_format": "base64", "dimensions": 256}
        assert shown(call("embeddings", request), request=True) == [
            "text-embedding-3-small · encoding_format=base64 · dimensions=256",
            "",
            "input 0",
            "  a fleet",
            "",
            "input 1",
            "  a harbour",
        ]

    def test_a_vector_is_its_length_and_first_numbers_beside_its_text(self) -> None:
        packed = in_base64(struct.pack("<7f", *self.VECTOR))
        lines = shown(call("embeddings", self.REQUEST, self.answer(self.VECTOR, packed)))
        numbers = "7 numbers: 0.5, -0.25, 0.125, 1e-05, 2, …"
        end = ["", "4 tokens", *END[1:]]
        assert lines == [
            f"0: {numbers}", "  a fleet", "", f"1: {numbers}, in base64", "  a harbour", *end
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "beside"),
        [
            ("a fleet", "  a fleet"),
            ([1, 2, 3], "  3 tokens: [1,2,3]"),
            ([[4, 5]], "  2 tokens: [4,5]"),
        ],
    )
    def test_the_only_input_may_be_a_text_or_tokens(self, text: Any, beside: str) -> None:
        flow = call("embeddings", {"model": "m", "input": text}, self.answer([1.0]))
        assert shown(flow)[:2] == ["0: 1 number: 1", beside]

    @pytest.mark.parametrize("encoded", [False, True])
    def test_of_many_long_vectors_the_first_are_shown_fast(self, *, encoded: bool) -> None:
        numbers = [random.Random(1).uniform(-1, 1) for _ in range(1_536)]
        vector: Any = in_base64(struct.pack("<1536f", *numbers)) if encoded else numbers
        flow = call("embeddings", {"input": ["x"] * 250}, self.answer(*[vector] * 250))
        assert flow.response
        assert flow.response.content
        lines = shown(flow)
        assert lines[0].startswith(f"0: 1,536 numbers: {numbers[0]:.4g}, ")
        assert "199: 1,536 numbers" in "\n".join(lines)
        assert "and 50 more" in lines
        metadata = metadata_of(flow, flow.response)
        data = flow.response.content
        assert len(data) > 1_900_000
        assert best_of(3, lambda: VIEW.prettify(data, metadata)) < FAST

    @pytest.mark.parametrize(
        ("vector", "expected"),
        [
            ([], "0 numbers"),
            ("", "0 numbers, in base64"),
            ("no base64!", "no base64"),
            (None, "null"),
            ([[1.0], [2.0]], "[[1.0]"),
            (["a"], '[\\"a\\"]'),
            ({}, "{}"),
        ],
        ids=str,
    )
    def test_a_vector_of_another_kind_is_shown_as_what_it_is(
        self, vector: Any, expected: str
    ) -> None:
        assert expected in shown(call("embeddings", self.REQUEST, self.answer(vector)))[0]

    def test_an_error_is_shown_as_one(self) -> None:
        error = {"error": {"message": "Too long.", "code": "context_length_exceeded"}}
        lines = shown(call("embeddings", self.REQUEST, error))
        assert lines[:2] == ["error: context_length_exceeded", "  Too long."]


class TestRankings:
    RERANK: ClassVar = {
        "model": "m", "query": "Where?", "documents": ["Rome", {"text": "Paris"}], "top_n": 2
    }  # fmt: skip

    def test_a_request_shows_what_is_compared(self) -> None:
        assert shown(call("rerank", self.RERANK), request=True) == [
            "m · top_n=2", "", "query", "  Where?", "", "documents 0", "  Rome", "", "documents 1",
            "  Paris",
        ]  # fmt: skip

    def test_a_rerank_has_the_best_document_first(self) -> None:
        results = [
            {"index": 0, "relevance_score": 0.25, "document": {"text": "Rome"}},
            {"index": 1, "relevance_score": 0.875},
        ]
        answer = {"model": "m", "results": results, "usage": {"total_tokens": 9}}
        assert shown(call("rerank", self.RERANK, answer)) == [
            "1. 0.875 · documents 1", "  Paris", "", "2. 0.25 · documents 0", "  Rome", "",
            "9 tokens", *END[1:]
        ]  # fmt: skip

    def test_documents_are_known_without_the_request(self) -> None:
        results = [{"index": 0, "relevance_score": 1, "document": {"text": "Rome"}}]
        assert shown(call("rerank", b"", {"results": results}))[:2] == ["1. 1 · 0", "  Rome"]

    @pytest.mark.parametrize(
        ("request_", "texts"),
        [
            ({"text_1": "q", "text_2": ["a", "b"]}, "text_2"),
            ({"text_1": ["a", "b"], "text_2": "q"}, "text_1"),
        ],
    )
    def test_a_score_has_the_text_that_it_is_of(self, request_: Any, texts: str) -> None:
        data = [{"index": 0, "score": -0.5}, {"index": 1, "score": 0.5}]
        lines = shown(call("score", request_, {"model": "m", "data": data}))
        assert lines == [f"1. 0.5 · {texts} 1", "  b", "", f"2. -0.5 · {texts} 0", "  a", *END]

    def test_a_single_token_is_no_tokens(self) -> None:
        answer = {"results": [{"index": 0, "relevance_score": 1}], "usage": {"total_tokens": 1}}
        assert "1 token" in shown(call("rerank", self.RERANK, answer))


class TestImages:
    def test_a_picture_is_described(self) -> None:
        data = [
            {"b64_json": in_base64(PNG), "revised_prompt": "A red cat."},
            {"url": "https://example.com/cat.png"},
            {},
        ]
        answer = {"created": 1, "data": data, "usage": {"input_tokens": 3, "output_tokens": 5}}
        assert shown(call("images/generations", {"prompt": "a cat", "n": 3}, answer)) == [
            f"0: PNG 31x17, {len(PNG)} bytes", "  revised prompt", "    A red cat.", "",
            "1: https://example.com/cat.png", "", "2: no image", "", "3 + 5 tokens",
            *END_WITHOUT_MODEL[1:],
        ]  # fmt: skip

    def test_a_request_shows_its_prompt(self) -> None:
        request = {"model": "m", "prompt": "a cat", "size": "1024x1024", "n": 1}
        lines = shown(call("images/generations", request), request=True)
        assert lines == ["m · size=1024x1024", "", "prompt", "  a cat"]

    def test_a_very_large_picture_is_described_fast(self) -> None:
        size = 6_000_000
        data = [{"b64_json": in_base64(PNG + random.Random(1).randbytes(size - len(PNG)))}]
        flow = call("images/edits", form(prompt="a cat"), {"data": data}, sent=FORM)
        assert shown(flow)[0] == "0: PNG 31x17, 6.0 MB"
        assert flow.response
        body = flow.response.content or b""
        metadata = metadata_of(flow, flow.response)
        assert best_of(3, lambda: VIEW.prettify(body, metadata)) < FAST

    def test_an_edit_shows_its_files(self) -> None:
        body = form(
            model="m", image=("cat.png", "image/png", PNG), mask=("m.png", "image/png", PNG),
            prompt="a hat", size="auto",
        )  # fmt: skip
        assert shown(call("images/edits", body, sent=FORM), request=True) == [
            "m · size=auto", "", "image", f"  cat.png · PNG 31x17, {len(PNG)} bytes", "",
            "mask", f"  m.png · PNG 31x17, {len(PNG)} bytes", "", "prompt", "  a hat",
        ]  # fmt: skip


class TestSpeech:
    def test_what_is_timed_is_the_first_byte(self) -> None:
        noted = {"outcome": "ok", "time_to_first_token": 0.2, "duration": 0.4}
        lines = shown(call("audio/speech", self.REQUEST, MP3, "audio/mpeg", **noted))
        assert "first byte after 0.20 s · 0.40 s in all" in lines

    REQUEST: ClassVar = {
        "model": "tts-1", "input": "Hello.", "voice": "alloy", "response_format": "pcm"
    }  # fmt: skip

    def test_a_request_shows_text_and_voice(self) -> None:
        lines = shown(call("audio/speech", self.REQUEST), request=True)
        assert lines == ["tts-1 · voice=alloy · response_format=pcm", "", "input", "  Hello."]

    @pytest.mark.parametrize(
        ("sound", "kind", "expected"),
        [
            (WAV, "audio/wav", "WAV, 0.25 s, 8.0 kB"),
            (MP3, "audio/mpeg", "MP3, 0.32 s, 1.7 kB"),
            (bytes(range(1, 101)), "application/octet-stream", "PCM, 100 bytes"),
        ],
    )
    def test_an_answer_is_its_format_and_length(
        self, sound: bytes, kind: str, expected: str
    ) -> None:
        flow = call("audio/speech", self.REQUEST, sound, kind)
        assert flow.response
        text = VIEW.prettify(sound, metadata_of(flow, flow.response))
        assert text.splitlines()[0] == expected
        if kind.startswith("audio/"):
            assert shown(flow) == [expected, *END_WITHOUT_MODEL]

    def test_events_are_counted(self) -> None:
        delta = {"type": "speech.audio.delta", "audio": in_base64(bytes(3_000))}
        done = {"type": "speech.audio.done", "usage": {"input_tokens": 2, "output_tokens": 7}}
        whole = stream(delta, delta, done, done=False)
        lines = shown(call("audio/speech", self.REQUEST, whole, EVENTS))
        assert lines[:3] == ["2 events with audio, 6.0 kB", "", "2 + 7 tokens"]
        cut = stream(delta, done=False)
        lines = shown(call("audio/speech", self.REQUEST, cut, EVENTS))
        assert "broken off: the answer has no end" in lines


class TestTranscriptions:
    UPLOAD = form(
        model="whisper-1", language="de", file=("a b.wav", "audio/wav", WAV), prompt="Names."
    )

    def test_an_upload_shows_its_fields_and_what_its_file_is(self) -> None:
        lines = shown(call("audio/transcriptions", self.UPLOAD, sent=FORM), request=True)
        assert lines == [
            "whisper-1 · language=de", "", "file", "  a b.wav · WAV, 0.25 s, 8.0 kB", "",
            "prompt", "  Names.",
        ]  # fmt: skip

    @pytest.mark.parametrize("cut", [60, 300, 5_000])
    def test_one_that_was_cut_shows_what_there_is(self, cut: int) -> None:
        body = self.UPLOAD[:cut]
        lines = shown(call("audio/transcriptions", body, sent=FORM), request=True)
        assert lines[-1].startswith("broken: ")

    def test_one_without_a_boundary_is_shown_as_it_is(self) -> None:
        flow = call("audio/transcriptions", b"--xx rubbish", sent="multipart/form-data")
        assert shown(flow, request=True)[-1].endswith("--xx rubbish")

    def test_a_verbose_answer_has_the_segments(self) -> None:
        answer = {
            "text": "Hello there.", "language": "english", "duration": 2.5,
            "segments": [
                {"start": 0, "end": 1.25, "text": " Hello"}, {"start": 1.25, "text": "there."}
            ],
        }  # fmt: skip
        assert shown(call("audio/transcriptions", b"", answer)) == [
            "english · 2.50 s", "", "text", "  Hello there.", "", "0.00 to 1.25  Hello",
            "1.25 to ?  there.", *END_WITHOUT_MODEL,
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("1\n00:00:00,000 --> 00:00:01,000\nHello\n\n2\n", "application/x-subrip"),
            ("WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n", "text/vtt"),
            ("[Music] Hello\n", "text/plain; charset=utf-8"),
        ],
    )
    def test_subtitles_and_texts_are_shown_as_they_are(self, text: str, kind: str) -> None:
        lines = shown(call("audio/translations", b"", text.encode(), kind))
        for line in text.splitlines():
            assert line in [each.strip() for each in lines]

    def test_a_stream_is_put_together(self) -> None:
        openai = stream(
            {"type": "transcript.text.delta", "delta": "Hel"},
            {"type": "transcript.text.delta", "delta": "lo."},
            {"type": "transcript.text.done", "text": "Hello."},
        )
        vllm = stream(
            {"choices": [{"delta": {"content": "Hel"}}]},
            {"choices": [{"delta": {"content": "lo."}}]},
        )
        for events in (openai, vllm):
            flow = call("audio/transcriptions", b"", events, EVENTS)
            assert shown(flow) == ["text", "  Hello.", *END_WITHOUT_MODEL]
            flow = call("audio/transcriptions", b"", events[: events.index(b"lo.")], EVENTS)
            assert "broken off: the answer has no end" in shown(flow)


class TestPartsOfChats:
    @pytest.mark.parametrize(
        ("part", "expected"),
        [
            ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{in_base64(PNG)}"}},
             f"[image: PNG 31x17, {len(PNG)} bytes]"),
            ({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
             "[image: https://example.com/a.png]"),
            ({"type": "input_image", "image_url": f"data:image/x;base64,{in_base64(MP3)}"},
             "[image: MP3, 0.32 s, 1.7 kB]"),
            ({"type": "input_audio", "input_audio": {"data": in_base64(WAV), "format": "wav"}},
             "[audio: WAV, 0.25 s, 8.0 kB]"),
            ({"type": "image_url", "image_url": {"url": "data:,plain"}}, "[image: data:,plain]"),
            ({"type": "image_url", "image_url": {"url": "data:image/png;base64,ä!"}},
             "[image: image/png, 1 byte]"),
        ],
        ids=["png", "url", "what-it-is-and-not-said", "audio", "no-base64", "broken"],
    )  # fmt: skip
    def test_a_picture_or_sound_is_described(self, part: Any, expected: str) -> None:
        body = json.dumps({"messages": [{"role": "user", "content": [part]}]}).encode()
        flow = flow_of(body, b"")
        assert expected in VIEW.prettify(body, metadata_of(flow, flow.request))

    def test_a_chat_with_a_very_large_picture_is_shown_as_a_chat(self) -> None:
        url = "data:image/png;base64," + in_base64(PNG + random.Random(1).randbytes(5_000_000))
        parts = [
            {"type": "text", "text": "What?"},
            {"type": "image_url", "image_url": {"url": url}},
        ]
        body = json.dumps({"messages": [{"role": "user", "content": parts}]}).encode()
        flow = flow_of(body, b"")
        metadata = metadata_of(flow, flow.request)
        text = VIEW.prettify(body, metadata)
        assert "What?\n  [image: PNG 31x17, 5.0 MB]" in text
        assert best_of(3, lambda: VIEW.prettify(body, metadata)) < FAST


def test_a_call_that_was_refused_without_an_endpoint_is_shown_by_its_path() -> None:
    flow = call("embeddings", {"model": "m", "input": "a"}, outcome="refused")
    assert shown(flow, request=True)[0] == "m"


def test_a_path_that_only_ends_like_one_is_another_pages() -> None:
    flow = flow_of(b"{}", b"{}", path="/blog/embeddings")
    assert VIEW.render_priority(b"{}", metadata_of(flow, flow.request)) < 0


BIG = "1" + "0" * 400
BIGGER = "1" + "0" * 4_200


@pytest.mark.parametrize("number", [BIG, BIGGER, "-" + BIG, "1e300", "1" + "0" * 5_000])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "body",
    [
        '{"results":[{"index":N,"score":N}]}',
        '{"data":[{"index":N,"embedding":[N,N],"score":N}],"usage":{"prompt_tokens":N}}',
        '{"text":"a","duration":N,"segments":[{"start":N,"end":N}],"usage":{"input_tokens":N}}',
    ],
)
def test_it_never_fails_on_a_number_of_any_size(operation: str, body: str, number: str) -> None:
    show_both(operation, body.replace("N", number).encode(), JSON)


@pytest.mark.parametrize("operation", ["embeddings", "rerank", "images/generations"])
def test_a_page_in_the_place_of_an_answer_is_left_to_other_views(operation: str) -> None:
    flow = call(operation, {}, b"<html></html>", "text/html")
    metadata = metadata_of(flow, flow.response)
    assert VIEW.render_priority(b"<html></html>", metadata) < 0


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["data", "results", "input", "prompt", "documents", "embedding", "b64_json", "image",
             "text", "index", "score", "segments", "start", "usage", "type", "delta", "choices"]
        ), inner, max_size=5,
    ),
    max_leaves=15,
)  # fmt: skip
KINDS = st.sampled_from([JSON, EVENTS, FORM, "audio/mpeg", "text/vtt", "multipart/x; boundary="])


def show_both(operation: str, body: bytes, kind: str) -> None:
    flow = call(operation, body, body, kind, kind)
    for message in (flow.request, flow.response):
        metadata = metadata_of(flow, message)
        assert isinstance(VIEW.render_priority(body, metadata), float)
        assert isinstance(VIEW.prettify(body, metadata), str)


@given(st.sampled_from(OPERATIONS), ANYTHING, KINDS)
def test_it_never_fails_on_json(operation: str, body: Any, kind: str) -> None:
    show_both(operation, json.dumps(body).encode(), kind)
    show_both(operation, stream(body), kind)


@given(st.sampled_from(OPERATIONS), st.binary(max_size=300), KINDS)
def test_it_never_fails_on_bytes(operation: str, body: bytes, kind: str) -> None:
    show_both(operation, body, kind)
    show_both(operation, b"--xx\r\n" + body + b"\r\n--xx--", kind)


PART = b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
WORST = {
    "vectors": (JSON, b'{"data":[' + b'{"embedding":[1]},' * 450_000 + b"{}]}"),
    "numbers": (JSON, b'{"data":[{"embedding":[' + b"1," * 4_000_000 + b"1]}]}"),
    "objects": (JSON, b'{"data":[' + b"{}," * 2_600_000 + b"{}]}"),
    "results": (JSON, b'{"results":[' + b'{"score":1},' * 14_000 + b"{}]}"),
    "pictures": (JSON, b'{"data":[' + b'{"b64_json":"iVBORw0KGgo="},' * 14_000 + b"{}]}"),
    "segments": (JSON, b'{"text":"a","segments":[' + b'{"start":1},' * 14_000 + b"{}]}"),
    "depth": (JSON, b'{"data":' * 100_000),
    "events": (EVENTS, b'data: {"type":"speech.audio.delta","audio":"UklG"}\n\n' * 160_000),
    "one event": (EVENTS, b'{"data":[' + b"{}," * 2_600_000 + b"{}]}"),
    "lines": ("text/plain", b"\n" * 8_000_000),
    "parts": (FORM, (PART + b"\r\n") * 150_000),
    "dashes": (FORM, b"\r\n--x" * 1_600_000),
    "one part": (FORM, PART + b"a" * 8_000_000),
    "continued headers": (FORM, (PART[:-2] + b" a\r\n" * 1_300 + b"\r\nx\r\n") * 490),
}


@pytest.mark.parametrize("name", WORST)
def test_it_is_shown_fast_whatever_it_is(name: str) -> None:
    kind, body = WORST[name]
    slow = {}
    for operation in OPERATIONS:
        flow = call(operation, body, body, kind, kind)
        for message in (flow.request, flow.response):
            metadata = metadata_of(flow, message)
            spent = show_once(body, metadata)
            if spent > FAST:
                spent = min(show_once(body, metadata) for _ in range(3))
            if spent > FAST:
                slow[operation, message is flow.request] = spent
    assert not slow


def show_once(body: bytes, metadata: Metadata) -> float:
    return best_of(1, lambda: VIEW.prettify(body, metadata))
