"""Chats in mitmproxy's viewers."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import contentviews
from mitmproxy.contentviews import ContentviewRegistry, Metadata
from mitmproxy.http import HTTPFlow
from mitmproxy.test import taddons

from vast_intercept.mitmweb.chat.contentview import ChatContentview

from .recorded import NAMES, flow_of, metadata_of, recorded, recorded_flow

VIEW = ChatContentview()


def shown_request(body: Any, path: str = "/v1/chat/completions") -> str:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    flow = flow_of(data, b"", path=path)
    return without_blanks(VIEW.prettify(data, metadata_of(flow, flow.request)))


def without_blanks(text: str) -> str:
    """Without blanks at the end of lines. No line is empty: mitmweb would leave it out."""
    lines = text.split("\n")
    assert all(lines) or not text
    return "\n".join(line.rstrip() for line in lines)


def shown_answer(body: Any, kind: str = "application/json", **more: Any) -> str:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    flow = flow_of(b"{}", data, kind=kind, **more)
    flow.response.timestamp_start = flow.response.timestamp_end = None  # type: ignore[union-attr]
    if not more.get("running"):
        flow.response.timestamp_end = flow.response.timestamp_start  # type: ignore[union-attr]
    return without_blanks(VIEW.prettify(data, metadata_of(flow, flow.response)))


def stream(*events: Any, done: bool = True) -> bytes:
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return "".join(f"data: {text}\n\n" for text in [*texts, *(["[DONE]"] if done else [])]).encode()


def delta(index: int = 0, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


class TestRequests:
    def test_as_a_transcript(self) -> None:
        shown = shown_request(
            {
                "model": "gpt-4o",
                "stream": True,
                "temperature": 0.2,
                "top_p": 1,
                "n": 1,
                "seed": None,
                "response_format": {"type": "json_schema", "json_schema": {"name": "weather"}},
                "messages": [
                    {"role": "system", "content": "Be kind.\nBe short."},
                    {"role": "user", "name": "ann", "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    ]},
                    {"role": "assistant", "content": None, "tool_calls": [
                        {"id": "call_1", "type": "function",
                         "function": {"name": "look", "arguments": '{"closely": true, "n": 1.10}'}},
                    ]},
                    {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
                ],
                "tools": [
                    {"type": "function", "function": {
                        "name": "look",
                        "description": "Looks.\nFor long.",
                        "parameters": {"type": "object", "required": ["closely"], "properties": {
                            "closely": {"type": "boolean"},
                            "at": {"type": "array", "items": {"enum": ["cat", "dog"]}},
                        }},
                    }},
                ],
            }
        )  # fmt: skip
        assert shown.split("\n") == (
            [
                "gpt-4o · stream · temperature=0.2 · response_format=json_schema weather",
                "",
                "system",
                "  Be kind.",
                "  Be short.",
                "",
                "user (ann)",
                "  What is this?",
                "  [image: image/png, 3 bytes]",
                "",
                "assistant",
                "  → look (call_1)",
                "    {",
                '      "closely": true,',
                '      "n": 1.10',
                "    }",
                "",
                "tool (call_1)",
                "  a cat",
                "",
                "tools",
                '  look(closely: boolean, at?: "cat" | "dog"[]): Looks.',
            ]
        )

    @pytest.mark.parametrize(
        ("prompt", "expected"),
        [
            ("def a(", "prompt\n  def a("),
            (["a", "b"], "prompt 0\n  a\n\nprompt 1\n  b"),
            ([1, 2, 3], "prompt, 3 tokens\n  [1,2,3]"),
        ],
        ids=["text", "texts", "tokens"],
    )
    def test_of_a_text_completion(self, prompt: Any, expected: str) -> None:
        shown = shown_request({"model": "m", "prompt": prompt}, "/v1/completions")
        assert shown == f"m\n\n{expected}"

    @pytest.mark.parametrize("value", [True, 1.5, 0, "x"], ids=str)
    def test_shows_parameters_that_are_not_defaults(self, value: Any) -> None:
        assert f"n={json.dumps(value).strip(chr(34))}" in shown_request(
            {"messages": [], "n": value}
        )

    def test_edited_into_rubbish_is_shown_as_it_is(self) -> None:
        assert shown_request(b'{"messages": [') == '{"messages": ['


WHOLE = {
    "model": "Qwen/Qwen3-8B",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "reasoning": "hm",
                "content": "Hello.",
                "tool_calls": [
                    {"id": "c1", "function": {"name": "f", "arguments": '{"a":1}'}},
                    {"id": "c2", "function": {"name": "g", "arguments": "never JSON {"}},
                ],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 1_200,
        "completion_tokens": 34,
        "prompt_tokens_details": {"cached_tokens": 1_000},
        "completion_tokens_details": {"reasoning_tokens": 30},
    },
}
SHOWN_MESSAGE = """\
assistant · finished: tool_calls
  reasoning
    hm

  Hello.

  → f (c1)
    {
      "a": 1
    }

  → g (c2)
    never JSON {"""
STREAMED = stream(
    delta(role="assistant", content=""),
    delta(reasoning="h"),
    delta(reasoning="m"),
    delta(content="Hel"),
    delta(content="lo."),
    delta(content=None),
    delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f"}}]),
    delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]),
    delta(tool_calls=[{"index": 1, "id": "c2", "function": {"name": "g", "arguments": "never "}}]),
    delta(tool_calls=[{"index": 0, "function": {"arguments": ":1}"}}]),
    delta(tool_calls=[{"index": 1, "function": {"arguments": "JSON {"}}]),
    delta(finish="tool_calls"),
    {"model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
)


class TestAnswers:
    def test_whole(self) -> None:
        noted = {"outcome": "ok", "endpoint": "big-one", "duration": 3.4, "tokens_per_second": 10.0}
        assert shown_answer(WHOLE, **noted) == (
            f"{SHOWN_MESSAGE}\n\n"
            "1,200 + 34 tokens (1,000 cached, 30 of reasoning)\n10 tokens/s · 3.40 s in all\n"
            "model Qwen/Qwen3-8B · answered by the endpoint big-one"
        )

    def test_streamed_is_shown_as_the_same(self) -> None:
        shown = shown_answer(
            STREAMED,
            "text/event-stream",
            outcome="ok",
            endpoint="big-one",
            time_to_first_token=0.21,
            tokens_per_second=52.4,
            longest_gap=0.4,
            duration=3.4,
        )
        assert shown == (
            f"{SHOWN_MESSAGE}\n\n"
            "3 + 4 tokens\nfirst token after 0.21 s · 52 tokens/s · longest gap 0.40 s"
            " · 3.40 s in all\n"
            "model m · answered by the endpoint big-one"
        )

    def test_of_a_flow_that_the_interceptor_has_not_seen(self) -> None:
        flow = flow_of(b"{}", STREAMED, kind="text/event-stream")
        flow.request.timestamp_end = 100.0
        assert flow.response
        flow.response.timestamp_start, flow.response.timestamp_end = 100.5, 102.5
        shown = VIEW.prettify(STREAMED, metadata_of(flow, flow.response))
        assert "answer began after 0.50 s · 2.0 tokens/s · 2.50 s in all" in shown
        assert shown.endswith("answered by api.openai.com")

    def test_several_choices_each_by_its_number(self) -> None:
        shown = shown_answer(
            stream(
                delta(1, content="b"), delta(0, content="a"), delta(1, "length"), delta(0, "stop")
            ),
            "text/event-stream",
        )
        assert shown.startswith(
            "0: assistant · finished: stop\n  a\n\n1: assistant · finished: length\n  b\n\n"
        )

    def test_a_thousand_choices(self) -> None:
        events = [delta(index, "stop", content=f"t{index}") for index in range(1_000)]
        shown = shown_answer(stream(*events), "text/event-stream")
        assert shown.count("finished: stop") == 1_000

    def test_broken_off(self) -> None:
        cut = stream(delta(content="Hel"), delta(content="lo"), done=False)
        ended = flow_of(b"{}", cut, kind="text/event-stream")
        shown = VIEW.prettify(cut, metadata_of(ended, ended.response))
        assert "Hello" in shown
        assert "broken off: the stream ended without [DONE]" in shown
        assert ended.response
        ended.response.timestamp_end = None
        shown = VIEW.prettify(cut, metadata_of(ended, ended.response))
        assert "still being generated" in shown
        assert "broken off" not in shown

    def test_complete_without_a_closing_event(self) -> None:
        both = [delta(0, content="a"), delta(1, content="b"), delta(0, "stop")]
        for events, complete in ((both, False), ([*both, delta(1, "length")], True)):
            body = stream(*events, done=False)
            flow = flow_of(b"{}", body, kind="text/event-stream")
            shown = VIEW.prettify(body, metadata_of(flow, flow.response))
            assert ("broken off" not in shown) is complete

    @pytest.mark.parametrize("end_of_line", [b"\r", b"\r\n", b"\n"])
    @pytest.mark.parametrize("left_off", [0, 1, 2])
    def test_with_any_ends_of_line(self, end_of_line: bytes, left_off: int) -> None:
        whole = stream(delta(content="Hel"), delta(content="lo"), delta(finish="stop"))
        lines = whole.replace(b"\n", end_of_line)
        shown = shown_answer(lines[: len(lines) - left_off * len(end_of_line)], "text/event-stream")
        assert shown == shown_answer(whole, "text/event-stream")
        assert "Hello" in shown
        assert "broken off" not in shown

    @pytest.mark.parametrize(
        "data",
        [
            b'{"code": "E7", "message": "It fell."}',
            b'{"error": {"code": "E7", "message": "It fell."}}',
            b'{"code": "E7",\ndata: "message": "It fell."}',
        ],
    )
    @pytest.mark.parametrize("end", [b"\n\n", b""])
    def test_an_event_of_the_kind_error(self, data: bytes, end: bytes) -> None:
        told = stream(delta(content="Hel"), done=False) + b"event: error\ndata: " + data + end
        shown = shown_answer(told, "text/event-stream")
        assert "Hel" in shown
        assert "error: E7" in shown
        assert "It fell." in shown
        assert "broken off" not in shown

    def test_an_error_in_words(self) -> None:
        shown = shown_answer(
            b"event: error\r\rdata: x\r\revent: error\rdata: It fell.\r\r", "text/event-stream"
        )
        assert "It fell." in shown

    def test_an_error_at_its_end(self) -> None:
        shown = shown_answer(
            stream(
                delta(content="Hel"),
                {
                    "error": {
                        "message": "It fell.",
                        "code": "vast_disconnected",
                        "type": "server_error",
                    }
                },
                done=False,
            ),
            "text/event-stream",
            outcome="broken_off",
            endpoint="e",
            error="vast_disconnected",
        )
        assert "  Hel\n" in shown
        assert "error: vast_disconnected\n  It fell.\n\n  type server_error" in shown
        assert "answered by the interceptor, for the endpoint e" in shown
        assert "broken off" not in shown

    @pytest.mark.parametrize(
        ("body", "noted", "expected"),
        [
            (
                {"message": "No.", "code": "unsupported_content", "param": "messages[0]",
                 "type": "invalid_request_error"},
                {"outcome": "refused"},
                ("error: unsupported_content (status 400)\n  No.\n\n"
                 "  param messages[0] · type invalid_request_error\n\nanswered by the interceptor"),
            ),
            (
                {"message": "Down.", "code": 500, "type": "InternalServerError", "param": None},
                {"outcome": "failed", "endpoint": "e", "error": "server_error"},
                ("error: 500 (status 400)\n  Down.\n\n  type InternalServerError\n\n"
                 "answered by the endpoint e"),
            ),
            (
                "Unauthorized",
                {"outcome": "passed_on", "endpoint": "openai"},
                "error (status 400)\n  Unauthorized\n\nanswered by the provider openai",
            ),
            (
                "Unauthorized",
                {},
                "error (status 400)\n  Unauthorized\n\nanswered by api.openai.com",
            ),
        ],
        ids=["refused", "of-the-endpoint", "of-the-provider", "text"],
    )  # fmt: skip
    def test_errors(self, body: Any, noted: dict[str, Any], expected: str) -> None:
        assert shown_answer({"error": body}, status=400, **noted) == expected

    def test_invalid_utf8(self) -> None:
        data = (
            stream(delta(content="before"))
            + b'data: {"choices":[{"delta":{"content":"\xff!"}}]}\n\n'
        )
        assert "before\N{REPLACEMENT CHARACTER}!" in shown_answer(data, "text/event-stream")

    def test_events_that_are_none(self) -> None:
        shown = shown_answer(stream(delta(content="a"), "no JSON", "[]"), "text/event-stream")
        assert "2 events are not of OpenAI's kind, and left out" in shown

    def test_members_of_other_types_are_left_out(self) -> None:
        shown = shown_answer(
            stream(
                {"model": 7, "choices": [{"delta": {"role": 1, "content": "kept"}, "index": 0}, 3]},
                {"choices": {"no": "list"}, "usage": [1]},
            ),
            "text/event-stream",
        )
        assert "kept" in shown


class TestWhatItUnderstands:
    @pytest.mark.parametrize(
        ("path", "method", "data", "understood"),
        [
            ("/v1/chat/completions", "POST", b'{"messages": []}', True),
            ("/v1/chat/completions?x=1", "POST", b'\xef\xbb\xbf {"messages": []}', True),
            ("/openai/deployments/d/chat/completions", "POST", b"{", True),
            ("/my-endpoint/v1/completions", "POST", b"{", True),
            ("/v1/chat/completions", "GET", b"{", False),
            ("/v1/chat/completions", "POST", b"<html>", False),
            ("/v1/chat/completions", "POST", b"", False),
            ("/v1/moderations", "POST", b"{", False),
        ],
    )
    def test_of_requests(self, path: str, method: str, data: bytes, *, understood: bool) -> None:
        flow = flow_of(data, b"", path=path, method=method)
        priority = VIEW.render_priority(data, metadata_of(flow, flow.request))
        assert (priority > 1) is understood
        assert understood or priority < 0

    @pytest.mark.parametrize(
        ("data", "noted", "understood"),
        [
            (b'{"error": {}}', True, True),
            (b'{"error": {}}', False, False),
            (b'{"data": []}', True, False),
        ],
    )
    def test_of_other_calls_it_is_the_refusals(
        self, data: bytes, *, noted: bool, understood: bool
    ) -> None:
        flow = flow_of(b"{}", data, path="/v1/moderations")
        if noted:
            flow.metadata["vast"] = {"outcome": "refused"}
        assert (VIEW.render_priority(data, metadata_of(flow, flow.response)) > 1) is understood

    @pytest.mark.parametrize(
        "noted", ["text", ["list"], {"outcome": 3}, {"endpoint": {}}, 7], ids=str
    )
    def test_a_file_may_say_anything(self, noted: Any) -> None:
        flow = flow_of(b"{}", json.dumps(WHOLE).encode())
        flow.metadata["vast"] = noted
        assert flow.response
        assert flow.response.content
        metadata = metadata_of(flow, flow.response)
        assert VIEW.render_priority(flow.response.content, metadata) > 1
        assert "Hello." in VIEW.prettify(flow.response.content, metadata)

    def test_nothing_is_known(self) -> None:
        assert VIEW.render_priority(b"{}", Metadata()) < 0
        assert VIEW.prettify(b"{}", Metadata()) == "{}"


def expected_texts(body: str) -> Iterator[str]:
    """The texts of a real answer, joined in the plainest way."""
    joined: dict[Any, str] = {}
    chunks = (
        [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]
        if body.startswith(("data:", "event:"))
        else [json.loads(body)]
    )
    for chunk in chunks:
        for choice in chunk.get("choices", []):
            message = choice.get("delta") or choice.get("message") or {}
            text = message.get("content") or choice.get("text") or ""
            joined[choice["index"]] = joined.get(choice["index"], "") + text
        if chunk.get("type") == "response.output_text.delta":
            joined["text"] = joined.get("text", "") + chunk["delta"]
        for item in chunk.get("output", []):
            joined["whole"] = "".join(part["text"] for part in item.get("content", []))
        if chunk.get("type") == "content_block_delta":
            joined["text"] = joined.get("text", "") + chunk["delta"]["text"]
        for block in chunk.get("content", []):
            joined["whole"] = block["text"]
    yield from joined.values()


def asked_texts(request: dict[str, Any]) -> Iterator[str]:
    """The texts of a real request."""
    said = request.get("input", request.get("messages", []))
    for each in [said] if isinstance(said, str) else said:
        content = each if isinstance(each, str) else each.get("content", each.get("output"))
        if isinstance(content, str):
            yield content
    yield request.get("instructions") or ""


class TestRealAnswers:
    @pytest.mark.parametrize("name", NAMES)
    def test_is_shown_sensibly(self, name: str) -> None:
        flow = recorded_flow(name)
        call = recorded(name)
        assert flow.response
        for message in (flow.request, flow.response):
            data = message.raw_content or b""
            metadata = metadata_of(flow, message)
            shown = VIEW.prettify(data, metadata)
            if VIEW.render_priority(data, metadata) < 0:
                continue
            if message is flow.request:
                self.check_request(data, shown)
            elif call["response"]["status"] == 200:
                self.check_answer(data.decode(), shown)
            else:
                self.check_error(data, shown)

    @staticmethod
    def check_request(data: bytes, shown: str) -> None:
        try:
            request = json.loads(data)
        except ValueError:
            assert shown == data.decode(errors="replace")
            return
        if not isinstance(request, dict) or not request.keys() & {"messages", "prompt", "input"}:
            return
        assert shown.startswith(request.get("model") or "no model")
        for text in asked_texts(request):
            for line in text.splitlines():
                assert f"  {line}".rstrip() in shown

    @staticmethod
    def check_answer(body: str, shown: str) -> None:
        assert '"choices"' not in shown
        assert '"output"' not in shown
        assert "data:" not in shown
        assert "finished: " in shown
        assert " tokens" in shown or "usage" not in body
        assert "broken off" not in shown
        for text in expected_texts(body):
            for line in text.split("\n"):
                assert f"  {line}".rstrip() in shown

    @staticmethod
    def check_error(data: bytes, shown: str) -> None:
        body = json.loads(data)
        error = body.get("error")
        if isinstance(error, dict):
            assert error["message"].splitlines()[0] in shown
            assert f"error: {error.get('code') or error['type']}" in shown
        elif isinstance(error, str):
            assert error in shown

    def test_there_are_some_of_each_kind(self) -> None:
        understood = [
            name
            for name in NAMES
            if (flow := recorded_flow(name)).response
            and VIEW.render_priority(
                flow.response.raw_content or b"", metadata_of(flow, flow.response)
            )
            > 0
        ]
        assert len(understood) > 50


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
MEMBERS = st.sampled_from(
    [
        "role",
        "content",
        "reasoning",
        "refusal",
        "tool_calls",
        "function_call",
        "name",
        "id",
        "index",
    ]
)
MESSAGES = st.dictionaries(MEMBERS, JSON | st.lists(st.dictionaries(MEMBERS, JSON)))
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "index": JSON | st.integers(0, 3),
        "delta": MESSAGES | JSON,
        "message": MESSAGES | JSON,
        "text": JSON,
        "finish_reason": JSON,
    },
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(CHOICES) | JSON,
        "messages": st.lists(MESSAGES) | JSON,
        "prompt": JSON,
        "tools": st.lists(st.fixed_dictionaries({"function": MESSAGES})) | JSON,
        "temperature": JSON,
        "response_format": JSON,
        "model": JSON,
        "usage": JSON | st.dictionaries(st.sampled_from(["prompt_tokens", "x"]), JSON),
        "error": JSON,
    },
)


def show_both(data: bytes) -> None:
    """As request, as answer and as stream."""
    for kind in ("application/json", "text/event-stream"):
        flow = flow_of(data, data, kind=kind, outcome="failed", endpoint="e")
        for message in (flow.request, flow.response, None):
            metadata = metadata_of(flow, message)
            VIEW.render_priority(data, metadata)
            assert isinstance(VIEW.prettify(data, metadata), str)


class TestNeverFails:
    @given(st.binary())
    def test_on_bytes(self, data: bytes) -> None:
        show_both(data)

    @given(BODIES)
    def test_on_json_of_any_kind(self, body: dict[str, Any]) -> None:
        show_both(json.dumps(body, ensure_ascii=True).encode())

    @given(st.lists(BODIES | st.text(max_size=20)))
    def test_on_streams_of_any_kind(self, events: list[Any]) -> None:
        show_both(stream(*events))

    @given(st.data())
    def test_on_a_stream_that_is_still_coming(self, data: st.DataObject) -> None:
        end = data.draw(st.integers(0, len(STREAMED)))
        shown = shown_answer(STREAMED[:end], "text/event-stream")
        if b"lo." in STREAMED[:end].rpartition(b"\n\n")[0]:
            assert "Hello." in shown

    @pytest.mark.parametrize("data", [b"[" * 100_000, b'{"messages":' * 50_000, b'{"a":' * 100_000])
    def test_on_depth(self, data: bytes) -> None:
        show_both(data)


def best_of(runs: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(runs):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return min(times)


WORST = {
    "events": b"data: {}\n\n" * 800_000,
    "events without use": b'data:{"choices":7}\n\n' * 400_000,
    "choices": (b'data:{"choices":[' + b"{}," * 100_000 + b"{}]}\n\n") * 20,
    "ends of line": b"\n" * 8_000_000,
    "ends of line of another kind": b"\r" * 8_000_000,
}


class TestVeryLarge:
    """Laying it out would hold up calls: less is shown, and it says so."""

    def test_of_a_stream_both_ends_are_shown(self) -> None:
        words = [f" word-{number}" for number in range(40_000)]
        shown = shown_answer(
            stream(*[delta(content=word) for word in words], delta(finish="stop")),
            kind="text/event-stream",
        )
        assert " word-0 word-1 " in shown
        assert " […] " in shown
        assert " word-39998 word-39999" in shown
        assert "word-20000" not in shown
        assert "finished: stop" in shown
        assert "bytes in the middle are not shown" in shown
        assert "left out" not in shown  # no event is cut
        assert "broken off" not in shown

    @pytest.mark.parametrize("role", ["request", "answer"])
    @pytest.mark.parametrize("content", ["x" * 2_000_000, [{}] * 40_000], ids=["long", "many"])
    def test_of_json_the_beginning_is_shown(self, role: str, content: Any) -> None:
        body = {"messages": [{"content": content}], "choices": [{"message": {"content": content}}]}
        data = json.dumps(body)
        shown = shown_request(body) if role == "request" else shown_answer(body)
        assert shown.startswith(f"too large to be shown as a chat: {len(data):,} bytes")
        assert data[:60_000] in shown
        assert len(shown) < 70_000

    @pytest.mark.parametrize("data", WORST.values(), ids=WORST.keys())
    def test_it_is_shown_fast(self, data: bytes) -> None:
        flow = flow_of(b"{}", data, kind="text/event-stream")
        metadata = metadata_of(flow, flow.response)
        before = time.thread_time()
        VIEW.prettify(data, metadata)
        assert time.thread_time() - before < TestSpeed.LIMIT


class TestSpeed:
    """The best of several runs: others use the machine, too."""

    LIMIT = 0.05

    def test_of_a_long_stream(self) -> None:
        event = (
            b'data: {"id":"chatcmpl-0123456789abcdef0123456789abcdef","object":'
            b'"chat.completion.chunk","created":1700000000,"model":"Qwen/Qwen3-8B-Instruct",'
            b'"choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,'
            b'"finish_reason":null}]}\n\n'
        )
        data = event * (2_000_000 // len(event)) + b"data: [DONE]\n\n"
        flow = flow_of(b"{}", data, kind="text/event-stream")
        metadata = metadata_of(flow, flow.response)
        assert VIEW.prettify(data, metadata).count(" token") == data.count(b" token")
        assert best_of(10, lambda: VIEW.prettify(data, metadata)) < self.LIMIT

    def test_of_one_huge_event(self) -> None:
        data = stream(delta(content="x" * 5_000_000))
        flow = flow_of(b"{}", data, kind="text/event-stream")
        metadata = metadata_of(flow, flow.response)
        shown = VIEW.prettify(data, metadata)
        assert shown.startswith(f"too large to be shown as a chat: {len(data):,} bytes")
        assert "x" * 60_000 in shown
        assert best_of(5, lambda: VIEW.prettify(data, metadata)) < 2 * self.LIMIT

    def test_of_arguments_in_many_pieces(self) -> None:
        call = [{"index": 0, "function": {"arguments": "[1,"}}]
        data = stream(*[delta(tool_calls=call)] * 10_000)
        flow = flow_of(b"{}", data, kind="text/event-stream")
        metadata = metadata_of(flow, flow.response)
        assert best_of(5, lambda: VIEW.prettify(data, metadata)) < 2 * self.LIMIT

    @pytest.mark.parametrize("size", [1_000, 90_000, 5_000_000])
    def test_of_arguments_that_would_grow_too_much(self, size: int) -> None:
        data = stream(delta(tool_calls=[{"function": {"arguments": "[" * size + "]" * size}}]))
        flow = flow_of(b"{}", data, kind="text/event-stream")
        metadata = metadata_of(flow, flow.response)
        assert len(VIEW.prettify(data, metadata)) < 2 * len(data) + 1_000
        assert best_of(3, lambda: VIEW.prettify(data, metadata)) < 3 * self.LIMIT

    def test_of_arguments_that_are_wide_and_deep(self) -> None:
        arguments = "[" * 99 + "1," * 90_000 + "1" + "]" * 99
        data = stream(delta(tool_calls=[{"function": {"arguments": arguments}}]))
        flow = flow_of(b"{}", data, kind="text/event-stream")
        metadata = metadata_of(flow, flow.response)
        assert arguments in VIEW.prettify(data, metadata)

    def test_of_a_name_in_many_pieces(self) -> None:
        names = ["x" * 2_000_000, *["y"] * 5_000]
        data = stream(*[delta(tool_calls=[{"index": 0, "function": {"name": n}}]) for n in names])
        flow = flow_of(b"{}", data, kind="text/event-stream")
        metadata = metadata_of(flow, flow.response)
        assert "".join(names) in VIEW.prettify(data, metadata)
        assert best_of(3, lambda: VIEW.prettify(data, metadata)) < 2 * self.LIMIT

    def test_of_a_tool_with_many_parameters(self) -> None:
        schema = {
            "properties": {f"p{number}": {} for number in range(9_000)},
            "required": [f"q{number}" for number in range(9_000)],
        }
        tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
        data = json.dumps({"messages": [], "tools": tools}).encode()
        flow = flow_of(data, b"")
        metadata = metadata_of(flow, flow.request)
        assert "p8999?: any" in VIEW.prettify(data, metadata)
        assert best_of(3, lambda: VIEW.prettify(data, metadata)) < 2 * self.LIMIT

    def test_looking_is_cheap(self) -> None:
        data = b"{" + b" " * 5_000_000
        flow = flow_of(data, b"")
        metadata = metadata_of(flow, flow.request)
        assert best_of(5, lambda: VIEW.render_priority(data, metadata)) < 0.001


class TestInMitmproxy:
    @pytest.fixture
    def registry(self) -> Iterator[ContentviewRegistry]:
        registry = ContentviewRegistry()
        for view in contentviews.registry.values():
            registry.register(view)
        registry.register(VIEW)
        with taddons.context():
            yield registry

    def shown(self, flow: HTTPFlow, registry: ContentviewRegistry) -> str:
        assert flow.response
        result = contentviews.prettify_message(flow.response, flow, registry=registry)
        assert result.view_name == "Chat"
        return result.text

    def test_is_chosen_by_itself(self, registry: ContentviewRegistry) -> None:
        assert "Hello." in self.shown(flow_of(b"{}", json.dumps(WHOLE).encode()), registry)

    def test_a_compressed_body(self, registry: ContentviewRegistry) -> None:
        flow = flow_of(b"{}", gzip.compress(STREAMED), kind="text/event-stream")
        assert flow.response
        flow.response.headers["content-encoding"] = "gzip"
        assert "Hello." in self.shown(flow, registry)
