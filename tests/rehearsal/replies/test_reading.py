"""Answers of each API, in the form in which they are compared."""

import base64
from typing import Any

import pytest

from vast_intercept.rehearsal.calls import Answer
from vast_intercept.rehearsal.replies.reading import read_reply, read_wish
from vast_intercept.rehearsal.replies.reply import Reply, ReplyError, ToolCall

from ..recorded import recorded
from .calls import as_stream, call_to, reply_to

STREAM = "text/event-stream; charset=utf-8"
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000400000002008060000000000000000")

CALL = ToolCall(name="f", arguments='{"a":1}')
FUNCTION = {"name": "f", "arguments": '{"a":1}'}


def choice(message: Any, reason: str, index: int = 0) -> Any:
    """A choice of a chat completion."""
    return {"index": index, "message": message, "finish_reason": reason}


@pytest.mark.parametrize(
    ("path", "body", "reply"),
    [
        (
            "chat/completions",
            {
                "model": "m",
                "choices": [choice({"content": "Hi", "reasoning_content": "So."}, "stop")],
                "usage": {
                    "prompt_tokens": 9,
                    "completion_tokens": 2,
                    "prompt_tokens_details": {"cached_tokens": 4},
                },
            },
            Reply(
                text="Hi",
                reasoning="So.",
                finish_reason="stop",
                model="m",
                prompt_tokens=9,
                cached_tokens=4,
                completion_tokens=2,
            ),
        ),
        (
            "chat/completions",
            {"choices": [choice({"tool_calls": [{"function": FUNCTION}]}, "tool_calls")]},
            Reply(tool_calls=(CALL,), finish_reason="tool_calls"),
        ),
        (
            "chat/completions",
            {"choices": [choice({"function_call": FUNCTION}, "function_call")]},
            Reply(tool_calls=(CALL,), finish_reason="tool_calls"),
        ),
        (
            "chat/completions",
            {"choices": [choice({"content": None, "refusal": "No."}, "stop")]},
            Reply(refusal="No.", finish_reason="stop"),
        ),
        (
            "chat/completions",
            {"choices": [choice({"content": "b"}, "stop", 1), choice({"content": "a"}, "length")]},
            Reply(
                text="a",
                finish_reason="length",
                form="2 choices, of which the first is compared",
            ),
        ),
        (
            "completions",
            {"choices": [{"index": 0, "text": " upon", "finish_reason": "length"}]},
            Reply(text=" upon", finish_reason="length"),
        ),
        (
            "responses",
            {
                "object": "response",
                "status": "completed",
                "output": [
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "So."}]},
                    {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]},
                ],
                "usage": {
                    "input_tokens": 9,
                    "input_tokens_details": {"cached_tokens": 4},
                    "output_tokens": 2,
                },
            },
            Reply(
                text="Hi",
                reasoning="So.",
                finish_reason="stop",
                prompt_tokens=9,
                cached_tokens=4,
                completion_tokens=2,
            ),
        ),
        (
            "responses",
            {
                "object": "response",
                "status": "completed",
                "output": [{"type": "function_call", "call_id": "1", **FUNCTION}],
            },
            Reply(tool_calls=(CALL,), finish_reason="tool_calls"),
        ),
        (
            "responses",
            {
                "object": "response",
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
                "output": [{"type": "message", "content": [{"type": "refusal", "refusal": "N"}]}],
            },
            Reply(refusal="N", finish_reason="length"),
        ),
        (
            "messages",
            {
                "type": "message",
                "content": [
                    {"type": "text", "text": "Hi"},
                    {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}},
                    {"type": "tool_use", "id": "2", "name": "g", "input": {}},
                ],
                "stop_reason": "tool_use",
                "usage": {
                    "input_tokens": 1,
                    "cache_read_input_tokens": 4,
                    "cache_creation_input_tokens": 2,
                    "output_tokens": 3,
                },
            },
            Reply(
                text="Hi",
                tool_calls=(CALL, ToolCall(name="g", arguments="{}")),
                finish_reason="tool_calls",
                prompt_tokens=7,
                cached_tokens=4,
                cache_write_tokens=2,
                completion_tokens=3,
            ),
        ),
        (
            "responses",
            {
                "object": "response",
                "status": "completed",
                "output": [
                    {"type": "web_search_call", "id": "1", "status": "completed"},
                    {"type": "message", "content": [{"type": "output_text", "text": "{}"}]},
                ],
            },
            Reply(text="{}", finish_reason="stop"),
        ),
        (
            "messages",
            {
                "type": "message",
                "content": [
                    {"type": "web_search_tool_result", "content": []},
                    {"type": "text", "text": "Hi"},
                ],
                "stop_reason": "stop_sequence",
                "stop_sequence": "!",
            },
            Reply(text="Hi", finish_reason="stop"),
        ),
        (
            "embeddings",
            {
                "data": [{"embedding": [0.1, 0.2, 0.3]}, {"embedding": [1, 2, 3]}],
                "model": "e",
                "usage": {"prompt_tokens": 5, "total_tokens": 5},
            },
            Reply(
                form="2 embeddings of 3 numbers", model="e", prompt_tokens=5, completion_tokens=0
            ),
        ),
        (
            "embeddings",
            {"data": [{"embedding": base64.b64encode(bytes(12)).decode()}]},
            Reply(form="1 embedding of 3 numbers, in base64"),
        ),
        ("rerank", {"results": [{"index": 0}, {"index": 1}]}, Reply(form="2 results")),
        ("score", {"data": [{"score": 1}]}, Reply(form="1 score")),
        (
            "images/generations",
            {"data": [{"b64_json": base64.b64encode(PNG).decode()}, {"url": "https://a"}]},
            Reply(form="2 images: 1 of PNG 64x32, 1 of a URL"),
        ),
        ("audio/transcriptions", {"text": "Hello."}, Reply(text="Hello.", form="JSON")),
        (
            "audio/transcriptions",
            {"text": "Hello.", "segments": [{"id": 0}]},
            Reply(text="Hello.", form="JSON with segments"),
        ),
        ("models", {"data": []}, Reply(form="application/json")),
    ],
)
def test_a_whole_answer_is_read(path: str, body: Any, reply: Reply) -> None:
    assert reply_to(path, body) == reply


@pytest.mark.parametrize(
    ("path", "body", "kind", "reply"),
    [
        ("audio/speech", b"fLaC" + bytes(60), "audio/flac", Reply(form="FLAC audio")),
        ("audio/speech", bytes(60), "audio/pcm", Reply(form="audio (audio/pcm)")),
        ("audio/speech", b"", "audio/pcm", Reply(form="no audio")),
        (
            "audio/speech",
            as_stream({"type": "speech.audio.delta", "audio": "AA"}, {"type": "speech.audio.done"}),
            STREAM,
            Reply(form="audio in events"),
        ),
        (
            "audio/speech",
            b'data: {"type":"speech.audio.delta","audio":"AA"}\n\n',
            STREAM,
            Reply(form="audio in events", complete=False),
        ),
        (
            "audio/transcriptions",
            b"1\n00:00:00,000 --> 00:00:01,000\nHello.\n\n2\n00:00:01,000 --> 00:00:02,000\nYou.\n",
            "text/plain",
            Reply(text="Hello.\nYou.", form="SubRip subtitles"),
        ),
        (
            "audio/translations",
            b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello.\n",
            "text/vtt",
            Reply(text="Hello.", form="WebVTT subtitles"),
        ),
        ("audio/transcriptions", b"Hi.\n", "text/plain", Reply(text="Hi.", form="plain text")),
        (
            "audio/transcriptions",
            as_stream(
                {"type": "transcript.text.delta", "delta": "Hi"},
                {"type": "transcript.text.done", "text": "Hi"},
            ),
            STREAM,
            Reply(text="Hi", form="events"),
        ),
    ],
)
def test_an_answer_that_is_no_json_is_read(path: str, body: bytes, kind: str, reply: Reply) -> None:
    assert reply_to(path, body, kind) == reply


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chat_regex_text_stream", {"text": "Hello, world. This is a short answer."}),
        ("chat_n2_stream", {"form": "2 choices, of which the first is compared"}),
        (
            "chat_tool_call_auto_two_calls_stream",
            {
                "tool_calls": (
                    ToolCall(name="get_weather", arguments='{"city": "Oslo"}'),
                    ToolCall(name="get_time", arguments='{"tz": "UTC"}'),
                ),
                "finish_reason": "tool_calls",
            },
        ),
        ("chat_tool_call_auto_with_text_stream", {"text": "Let me look."}),
        ("responses_regex_text_stream", {"finish_reason": "stop"}),
        ("anthropic_messages_stream", {"finish_reason": "length", "completion_tokens": 8}),
        ("completions_stream", {"finish_reason": "length"}),
        ("chat_stream_include_usage", {"prompt_tokens": 16, "completion_tokens": 8}),
    ],
)
def test_a_stream_is_read_as_the_answer_that_it_is(name: str, expected: dict[str, Any]) -> None:
    reply = read_reply(*recorded(name))
    assert {each: getattr(reply, each) for each in expected} == expected
    assert reply.complete
    assert reply.error is None


@pytest.mark.parametrize(
    "name", ["chat_regex_text", "chat_tool_call_auto", "responses_regex_text", "chat_nonstream"]
)
def test_a_whole_answer_and_a_stream_are_read_alike(name: str) -> None:
    stream = {"chat_nonstream": "chat_stream"}.get(name, f"{name}_stream")
    whole, streamed = read_reply(*recorded(name)), read_reply(*recorded(stream))
    assert whole.text == streamed.text
    assert whole.tool_calls == streamed.tool_calls
    assert whole.finish_reason == streamed.finish_reason


def test_a_long_stream_is_read_as_a_whole() -> None:
    chunk = b'data: {"choices":[{"index":0,"delta":{"content":"word "}}]}%b\n\n'
    body = (chunk % (b" " * 100)) * 30_000 + b"data: [DONE]\n\n"
    assert reply_to("chat/completions", body, STREAM).text == "word " * 30_000


@pytest.mark.parametrize(
    ("body", "kind", "status", "error"),
    [
        (
            {"error": {"message": "No.", "code": "model_not_found", "type": "x"}},
            "application/json",
            404,
            ReplyError(status=404, code="model_not_found", message="No."),
        ),
        (
            {"error": {"message": "No.", "code": 400, "type": "BadRequestError"}},
            "application/json",
            400,
            ReplyError(status=400, code="BadRequestError", message="No."),
        ),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "No."}},
            "application/json",
            529,
            ReplyError(status=529, code="overloaded_error", message="No."),
        ),
        (b"<html>", "text/html", 502, ReplyError(status=502, code=None, message="<html>")),
        (b"", "", 302, ReplyError(status=302, code=None, message="")),
        (
            as_stream({"choices": [{"delta": {"content": "a"}}]}, {"error": {"message": "No."}}),
            STREAM,
            200,
            ReplyError(status=500, code=None, message="No."),
        ),
    ],
)
def test_an_error_is_read_with_its_status_code_and_message(
    body: Any, kind: str, status: int, error: ReplyError
) -> None:
    assert reply_to("chat/completions", body, kind, status).error == error


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("embeddings", {"error": {"message": "No."}}, "application/json"),
        ("images/generations", {"error": "No."}, "application/json"),
        ("audio/speech", {"error": {"message": "No."}}, "application/json"),
        (
            "audio/transcriptions",
            as_stream({"choices": [{"delta": {"content": "a"}}]}, {"error": {"message": "No."}})
            + b"data: [DONE]\n\n",
            STREAM,
        ),
    ],
)
def test_an_error_with_the_status_of_an_answer_is_one(path: str, body: Any, kind: str) -> None:
    reply = reply_to(path, body, kind)
    assert reply.error == ReplyError(status=500, code=None, message="No.")
    assert not reply.complete


@pytest.mark.parametrize("value", [b"[]", b"{}", b"1"])
def test_a_body_of_very_many_values_is_not_read(value: bytes) -> None:
    """Each takes more memory than it has bytes."""
    many = b'{"choices": [%b]}' % b",".join([value] * 3_000_000)
    reply = reply_to("chat/completions", many)
    assert (reply.form, reply.complete) == ("an answer that holds too many values", False)
    wish = read_wish(call_to("chat/completions", many))
    assert wish.problem == "The request holds too many values."


def test_a_stream_that_comes_to_very_many_values_is_not_read() -> None:
    many = f"[{','.join(['[]'] * 2_000_000)}]"
    stream = as_stream({"choices": [{"index": 0, "delta": {"content": many}}]})
    reply = reply_to("chat/completions", stream, "text/event-stream")
    assert reply.form == "an answer that holds too many values"


def test_a_long_body_of_few_values_is_read() -> None:
    text = "One, two (three). " * 500_000
    reply = reply_to("chat/completions", {"choices": [{"message": {"content": text}}]})
    assert reply.text == text
    vectors = [{"index": each, "embedding": [0.0123456789] * 3_072} for each in range(200)]
    assert reply_to("embeddings", {"data": vectors}).form != "an answer that holds too many values"


def test_an_answer_without_its_end_is_not_complete() -> None:
    begun = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    assert not reply_to("chat/completions", begun, STREAM).complete
    ended = begun.replace(b"}]}", b',"finish_reason":"stop"}]}')
    # Some servers send no [DONE].
    assert reply_to("chat/completions", ended, STREAM).complete
    assert not reply_to("chat/completions", b"<html>", "text/html").complete
    cut = Answer(status=200, body=ended, content_type=STREAM, whole=False)
    assert not read_reply(call_to("chat/completions"), cut).complete
