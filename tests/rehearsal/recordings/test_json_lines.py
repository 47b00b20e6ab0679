"""Calls read from JSON lines: bodies of requests, and requests of batches."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.rehearsal.calls import RecordedCall, Unusable
from vast_intercept.rehearsal.recordings import json_lines

from .files import CHAT, CHAT_URL, read, the_call, why

V1 = "https://api.openai.com/v1"
INPUT = {"input": "Hi", "model": "gpt-4o"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


def lines(*values: Any) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in values)


def test_a_body_is_a_call_without_an_answer(path: Path) -> None:
    found = the_call(path, lines(CHAT))
    assert (found.place, found.method, found.url) == ("line 1", "POST", CHAT_URL)
    assert json.loads(found.body) == CHAT
    assert found.headers == (("content-type", "application/json"),)
    assert (found.answer, found.problem, found.time) == (None, "", None)


@pytest.mark.parametrize(
    ("body", "operation"),
    [
        (CHAT, "chat/completions"),
        (CHAT | {"max_tokens": 5}, "chat/completions"),
        ({"prompt": "Hi", "model": "gpt-3.5-turbo-instruct"}, "completions"),
        ({"prompt": "a cat", "model": "gpt-image-1"}, "images/generations"),
        ({"prompt": "a cat", "size": "512x512"}, "images/generations"),
        (INPUT, "responses"),
        ({"prompt": {"id": "pmpt_1"}}, "responses"),
        (INPUT | {"model": "text-embedding-3-small"}, "embeddings"),
        (INPUT | {"encoding_format": "float"}, "embeddings"),
        (INPUT | {"model": "omni-moderation-latest"}, "moderations"),
        (INPUT | {"voice": "alloy", "model": "tts-1"}, "audio/speech"),
        ({"query": "q", "documents": ["d"], "model": "m"}, "rerank"),
        ({"text_1": "a", "text_2": "b"}, "score"),
    ],
)
def test_what_a_body_asks_for_is_told_by_its_members(
    path: Path, body: dict[str, Any], operation: str
) -> None:
    assert the_call(path, lines(body)).url == f"{V1}/{operation}"


@pytest.mark.parametrize("member", ["system", "stop_sequences", "anthropic_version"])
def test_a_body_for_anthropic_is_told_by_its_members(path: Path, member: str) -> None:
    found = the_call(path, lines(CHAT | {member: "x"}))
    assert found.url == "https://api.anthropic.com/v1/messages"
    assert ("anthropic-version", "2023-06-01") in found.headers


def test_a_body_with_a_model_of_anthropics_is_for_anthropic(path: Path) -> None:
    found = the_call(path, lines(CHAT | {"model": "claude-haiku-4-5", "max_tokens": 9}))
    assert found.url == "https://api.anthropic.com/v1/messages"


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ({"method": "POST", "url": "/v1/chat/completions", "body": CHAT}, CHAT_URL),
        ({"method": "POST", "url": "/chat/completions", "body": CHAT}, CHAT_URL),
        ({"url": "/v1/embeddings", "body": INPUT}, f"{V1}/embeddings"),
        ({"url": "https://api.groq.com/openai/v1/chat/completions", "body": CHAT}, None),
        ({"custom_id": "1", "body": CHAT}, CHAT_URL),
        ({"custom_id": "1", "params": CHAT | {"system": "x"}}, None),
    ],
    ids=["openai", "azure", "no-method", "whole-url", "mistral", "anthropic"],
)
def test_a_request_of_a_batch_is_a_call(path: Path, line: dict[str, Any], url: str | None) -> None:
    found = the_call(path, lines(line))
    if url is None:
        url = line.get("url") or "https://api.anthropic.com/v1/messages"
    assert found.url == url
    assert json.loads(found.body) == line.get("body", line.get("params"))


def test_bad_lines_are_told_in_their_places(path: Path) -> None:
    content = lines(CHAT) + '{\n\n[]\n{}\n{"body": 1}\n' + lines(CHAT)
    found = read(path, content)
    assert [(each.place, type(each)) for each in found] == [
        ("line 1", RecordedCall),
        ("line 2", Unusable),
        ("line 4", Unusable),
        ("line 5", Unusable),
        ("line 6", Unusable),
        ("line 7", RecordedCall),
    ]
    reasons = [each.why for each in found if isinstance(each, Unusable)]
    assert reasons[0].startswith("It is not valid JSON")
    assert reasons[1] == "It is not a JSON object."
    assert "which operation" in reasons[2]
    assert reasons[3] == "Its body is not a JSON object."


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"id": "b", "custom_id": "1", "response": {"body": {}}, "messages": []}, "is an answer"),
        ({"body": CHAT, "method": 1}, "method is not a text"),
        ({"body": CHAT, "method": "\x1b[2J"}, "method is not valid"),
        ({"body": CHAT, "url": "https://[x/"}, "url is not valid"),
        ({"body": CHAT, "url": "https://example.com/v1"}, "example.com"),
    ],
)
def test_a_line_that_is_no_request_says_why(path: Path, line: Any, reason: str) -> None:
    last = read(path, lines(CHAT, line))[-1]
    assert isinstance(last, Unusable)
    assert reason in last.why


def test_a_bad_first_line_and_a_byte_order_mark_are_passed_over(path: Path) -> None:
    found = read(path, "\ufeff# calls of today\n" + lines(CHAT))
    assert [(each.place, type(each)) for each in found] == [
        ("line 1", Unusable),
        ("line 2", RecordedCall),
    ]
    assert the_call(path, "\ufeff" + lines(CHAT)).body == json.dumps(CHAT).encode()


def test_a_line_that_is_too_long_does_not_take_the_others_with_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "MAX_LINE", 200)
    monkeypatch.setattr(json_lines, "_PIECE", 64)
    found = read(path, lines(CHAT, CHAT | {"user": "x" * 1_000}, CHAT))
    assert [(each.place, type(each)) for each in found] == [
        ("line 1", RecordedCall),
        ("line 2", Unusable),
        ("line 3", RecordedCall),
    ]
    assert "more than the 200 bytes" in getattr(found[1], "why", "")


def test_a_last_line_needs_no_line_break_and_lines_may_end_as_in_windows(path: Path) -> None:
    content = lines(CHAT, CHAT).replace("\n", "\r\n").removesuffix("\r\n")
    assert [each.place for each in read(path, content)] == ["line 1", "line 2"]


def test_a_line_that_is_nested_deeply_is_told(path: Path) -> None:
    deep = '{"messages": ' + "[" * 100_000 + "]" * 100_000 + "}"
    found = read(path, lines(CHAT) + deep)
    assert "nested too deeply" in getattr(found[1], "why", "")


@given(st.binary(max_size=100))
def test_any_line_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, line: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "any.jsonl"
    first, *more = read(path, lines(CHAT).encode() + line)
    assert isinstance(first, RecordedCall)
    assert all(isinstance(each, Unusable) for each in more)


def test_a_body_that_continues_a_response_asks_for_one(path: Path) -> None:
    body = {"previous_response_id": "resp_1", "model": "gpt-4o"}
    assert why(path, lines(body)).startswith("It continues the response 'resp_1'")


def test_each_reason_is_a_sentence(path: Path) -> None:
    assert why(path, lines({"body": CHAT, "url": 5})) == "Its url is not a text."
