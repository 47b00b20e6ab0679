"""What requests of each API ask for."""

from typing import Any

import pytest

from vast_intercept.openai_api.operations import Operation
from vast_intercept.rehearsal.calls import RecordedCall
from vast_intercept.rehearsal.replies.reading import operation_of, read_wish
from vast_intercept.rehearsal.replies.reply import Wish

from .calls import call_to


def wish(path: str, **body: Any) -> Wish:
    """What a request asks for."""
    return read_wish(call_to(path, body))


@pytest.mark.parametrize(
    ("method", "url", "operation"),
    [
        ("POST", "https://api.openai.com/v1/chat/completions", Operation.CHAT_COMPLETIONS),
        ("POST", "https://api.openai.com/v1//chat/completions/?a=1", Operation.CHAT_COMPLETIONS),
        ("POST", "https://api.openai.com/v1/engines/a/completions", Operation.COMPLETIONS),
        ("POST", "https://h.openai.azure.com/openai/v1/responses", Operation.RESPONSES),
        ("POST", "https://api.anthropic.com/v1/messages", Operation.MESSAGES),
        ("POST", "https://openrouter.ai/api/v1/embeddings", Operation.EMBEDDINGS),
        ("POST", "https://a.b/v1beta/openai/chat/completions", Operation.CHAT_COMPLETIONS),
        ("POST", "https://a.b/openai/deployments/x/chat/completions", Operation.CHAT_COMPLETIONS),
        ("POST", "https://api.openai.com/v1/nothing/known", Operation.OTHER),
        ("DELETE", "https://api.openai.com/v1/responses/resp_1", Operation.RESPONSES),
        ("POST", "https://api.openai.com/v1/audio/speech", Operation.AUDIO_SPEECH),
        ("POST", "https://api.cohere.com/v2/rerank", Operation.RERANK),
        ("POST", "http://localhost:8000/chat/completions", Operation.CHAT_COMPLETIONS),
        ("GET", "https://api.openai.com/v1/models", Operation.MODELS),
        ("POST", "https://example.com/", None),
        ("POST", "nothing", None),
        ("POST", "", None),
    ],
)
def test_the_operation_is_told_by_the_path(
    method: str, url: str, operation: Operation | None
) -> None:
    assert operation_of(RecordedCall(place="", method=method, url=url)) == operation


@pytest.mark.parametrize(
    ("path", "asked", "json_schema"),
    [
        ("chat/completions", {"response_format": {"type": "json_object"}}, None),
        (
            "chat/completions",
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"a": 1}}}},
            {"a": 1},
        ),
        ("responses", {"text": {"format": {"type": "json_schema", "schema": {"a": 1}}}}, {"a": 1}),
        ("responses", {"text": {"format": {"type": "json_object"}}}, None),
        (
            "messages",
            {"output_config": {"format": {"type": "json_schema", "schema": {"a": 1}}}},
            {"a": 1},
        ),
    ],
)
def test_each_api_asks_for_json_in_its_own_words(path: str, asked: Any, json_schema: Any) -> None:
    read = wish(path, **asked)
    assert read.wants_json
    assert read.schema == json_schema


def test_text_is_no_wish_for_json() -> None:
    assert not wish("chat/completions", response_format={"type": "text"}).wants_json
    assert not wish("responses", text={"verbosity": "low"}, temperature=None).wants_json


def test_tools_have_the_schemas_of_their_arguments() -> None:
    schema = {"type": "object"}
    function = {"name": "a", "parameters": schema}
    chat = wish(
        "chat/completions",
        tools=[
            {"type": "function", "function": function},
            {"type": "function", "function": {"name": "b"}},
            {"type": "custom", "custom": {"name": "c"}},
            "no tool",
        ],
        functions=[{"name": "d", "parameters": schema}],
    )
    assert chat.tools == {"a": schema, "b": None, "c": None, "d": schema}
    assert chat.text_tools == {"c"}
    responses = wish(
        "responses",
        tools=[
            {"type": "function", **function},
            {"type": "custom", "name": "c"},
            {"type": "web_search"},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", **function}]},
        ],
    )
    assert responses.tools == {"a": schema, "c": None, "n.a": schema}
    assert responses.text_tools == {"c"}
    assert wish("messages", tools=[{"name": "a", "input_schema": schema}]).tools == {"a": schema}


def test_a_temperature_of_zero_asks_for_the_likeliest_answer() -> None:
    assert wish("chat/completions", temperature=0).greedy
    assert wish("responses", temperature=0.0).greedy
    for other in (None, 1, 0.1, False, "0"):
        assert not wish("chat/completions", temperature=other).greedy


def test_the_conversation_is_there_in_short() -> None:
    said = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
    chat = wish("chat/completions", model="m", messages=said, stream=True)
    assert (chat.model, chat.streamed) == ("m", True)
    assert chat.messages == (("system", "Be kind."), ("user", "Hello"))
    responses = wish("responses", instructions="Be kind.", input="Hello")
    assert responses.messages == (("instructions", "Be kind."), ("user", "Hello"))
    messages = wish("messages", system="Be kind.", messages=said[1:])
    assert messages.messages == (("system", "Be kind."), ("user", "Hello"))
    assert wish("completions", prompt="Once").messages == (("prompt", "Once"),)
    ((role, text),) = wish("embeddings", model="e", input=["a", "b"]).messages
    assert role == "request"
    assert "a" in text
    many = wish("chat/completions", messages=[{"role": "user", "content": "x" * 9_000}] * 60)
    assert len(many.messages) == 51
    assert many.messages[0] == ("", "10 earlier messages are not shown")
    assert sum(len(text) for _, text in many.messages) < 210_000


def test_an_upload_is_read_by_its_fields() -> None:
    form = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % each
        for each in ((b"model", b"own \xc2\xb7 1"), (b"language", b"de"), (b"stream", b"true"))
    )
    kind = "multipart/form-data; boundary=b"
    read = read_wish(call_to("audio/transcriptions", form + b"--b--\r\n", kind))
    assert (read.operation, read.model) == (Operation.AUDIO_TRANSCRIPTIONS, "own \N{MIDDLE DOT} 1")
    assert read.streamed
    assert "language=de" in read.messages[0][1]
    empty = read_wish(call_to("audio/transcriptions", b"--b--\r\n", kind))
    assert (empty.model, empty.streamed, empty.problem) == (None, False, "")
    assert read_wish(call_to("audio/transcriptions", b"x", "multipart/form-data")).problem


def test_a_request_that_cannot_be_read_says_why() -> None:
    assert read_wish(call_to("chat/completions", b"{")).problem
    assert read_wish(call_to("chat/completions", b"[]")).problem
    assert not wish("chat/completions").problem
