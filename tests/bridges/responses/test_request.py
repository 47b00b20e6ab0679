"""Fields of a request become fields of a chat completion, or are refused with their place."""

import json
from typing import Any

import linguafranca
import pytest

from vast_intercept.bridges.responses.request import read
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.requests import read_request

from ...harness import PROJECT
from .asking import RESPONSE_ID, call, chat, converted, echoed, function, output, refused, user

APPS = PROJECT / "tests" / "bridges" / "apps"
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
CHAT_SCHEMA = {"name": "answer", "schema": SCHEMA}
JSON_SCHEMA = {"type": "json_schema", "name": "answer", "schema": SCHEMA}

#: What an app asks for, what the chat completion has for it, and what the answer repeats.
FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}, {}),
    "max_output_tokens": (
        {"max_output_tokens": 8},
        {"max_completion_tokens": 8},
        {"max_output_tokens": 8},
    ),
    "temperature": ({"temperature": 0}, {"temperature": 0}, {"temperature": 0}),
    "top_p": ({"top_p": 0.5}, {"top_p": 0.5}, {"top_p": 0.5}),
    "penalties": (
        {"frequency_penalty": 1, "presence_penalty": -1},
        {"frequency_penalty": 1, "presence_penalty": -1},
        {"frequency_penalty": 1, "presence_penalty": -1},
    ),
    "logprobs": (
        {"include": ["message.output_text.logprobs"], "top_logprobs": 3},
        {"logprobs": True, "top_logprobs": 3},
        {"top_logprobs": 3},
    ),
    "logprobs of the chosen tokens alone": (
        {"include": ["message.output_text.logprobs"]},
        {"logprobs": True, "top_logprobs": 0},
        {},
    ),
    "logprobs that are not included": ({"top_logprobs": 3}, {}, {"top_logprobs": 3}),
    "reasoning": (
        {"reasoning": {"effort": "high", "summary": "auto", "context": "all_turns"}},
        {"reasoning_effort": "high"},
        {"reasoning": {"effort": "high", "summary": "auto"}},
    ),
    "no effort": (
        {"reasoning": {"effort": "none"}},
        {"reasoning_effort": "none"},
        {"reasoning": {"effort": "none", "summary": None}},
    ),
    "reasoning without effort": (
        {"reasoning": {"generate_summary": "concise", "mode": "pro"}},
        {},
        {"reasoning": {"effort": None, "summary": "concise"}},
    ),
    "text": (
        {"text": {"format": {"type": "text"}, "verbosity": "low"}},
        {"verbosity": "low"},
        {"text": {"format": {"type": "text"}, "verbosity": "low"}},
    ),
    "text without a form": (
        {"text": {}},
        {},
        {"text": {"format": {"type": "text"}, "verbosity": "medium"}},
    ),
    "json_object": (
        {"text": {"format": {"type": "json_object"}}},
        {"response_format": {"type": "json_object"}},
        {"text": {"format": {"type": "json_object"}, "verbosity": "medium"}},
    ),
    "json_schema": (
        {"text": {"format": JSON_SCHEMA}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA},
            }
        },
        {
            "text": {
                "format": {**JSON_SCHEMA, "description": None, "strict": False},
                "verbosity": "medium",
            }
        },
    ),
    "json_schema with all": (
        {"text": {"format": {**JSON_SCHEMA, "description": "An answer", "strict": True}}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {**CHAT_SCHEMA, "description": "An answer", "strict": True},
            }
        },
        {
            "text": {
                "format": {**JSON_SCHEMA, "description": "An answer", "strict": True},
                "verbosity": "medium",
            }
        },
    ),
    "stream": ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}, {}),
    "stream options": (
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        {"stream": True, "stream_options": {"include_usage": True}},
        {},
    ),
    "user": ({"user": "u"}, {"user": "u"}, {"user": "u"}),
    "what only the answer knows": (
        {
            "metadata": {"a": "b"},
            "prompt_cache_key": "k",
            "safety_identifier": "s",
            "max_tool_calls": 3,
            "truncation": "disabled",
            "store": False,
        },
        {},
        {
            "metadata": {"a": "b"},
            "prompt_cache_key": "k",
            "safety_identifier": "s",
            "max_tool_calls": 3,
            "truncation": "disabled",
            "store": False,
        },
    ),
    "what has no effect": (
        {
            "service_tier": "flex",
            "prompt_cache_retention": "24h",
            "client_metadata": {"x": 1},
            "background": False,
            "include": ["file_search_call.results"],
            "top_k": 5,
        },
        {},
        {},
    ),
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_those_of_the_chat_completion_and_are_repeated(name: str) -> None:
    fields, sent, repeated = FIELDS[name]
    assert chat(**fields) == {"model": "gpt-5.5", "messages": [user()], **sent}
    asked = converted(**fields).asked
    assert {name: echoed(asked, name) for name in asked.echoed} == {
        "model": "gpt-5.5",
        **repeated,
    }
    assert asked.include == set(fields.get("include", ()))
    assert asked.summary is bool(repeated.get("reasoning", {}).get("summary"))


@pytest.mark.parametrize("name", sorted({name for each, *_ in FIELDS.values() for name in each}))
def test_null_is_as_if_a_field_was_left_out(name: str) -> None:
    assert chat(**{name: None}) == {"model": "gpt-5.5", "messages": [user()]}


def test_what_a_request_says_of_other_responses() -> None:
    fields = {"model": "m", "input": [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_2"}]}
    request = read(json.dumps({**fields, "previous_response_id": "resp_1"}).encode())
    assert (request.model, request.store) == ("m", True)
    assert (request.previous, request.references) == ("resp_1", ("msg_1", "msg_2"))
    asked = converted(previous_response_id="resp_1").asked
    assert asked.previous == "resp_1"
    assert echoed(asked, "previous_response_id") == "resp_1"


@pytest.mark.parametrize("given", [{}, {"input": []}, {"input": ""}, {"input": None}])
def test_a_response_is_continued_without_input(given: dict[str, object]) -> None:
    request = read(json.dumps({"previous_response_id": "resp_1", **given}).encode())
    made = request.convert(RESPONSE_ID, [json.dumps([user("One")]).encode()])
    assert json.loads(made.chat)["messages"] == [user("One")]
    assert made.asked.items == b"[]"


def test_what_is_asked_for_in_vain_is_named() -> None:
    fields: dict[str, Any] = {
        "truncation": "auto",
        "context_management": [{"type": "compaction", "compact_threshold": 1}],
        "tools": [{"type": "web_search"}, function()],
        "input": [user(), {"type": "web_search_call", "id": "ws_1"}],
    }
    assert converted(**fields).left_out == (
        "truncation",
        "context_management",
        "tool web_search",
        "item web_search_call",
    )


WRONG: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "input missing": ({"input": None}, "missing_required_parameter", "input"),
    "input without items": ({"input": []}, "missing_required_parameter", "input"),
    "input without text": ({"input": ""}, "missing_required_parameter", "input"),
    "input a number": ({"input": 5}, "invalid_type", "input"),
    "input an object": ({"input": user()}, "invalid_type", "input"),
    "background": ({"background": True}, "unsupported_parameter", "background"),
    "background a text": ({"background": "yes"}, "invalid_type", "background"),
    "conversation": ({"conversation": "conv_1"}, "unsupported_parameter", "conversation"),
    "prompt": ({"prompt": {"id": "pmpt_1"}}, "unsupported_parameter", "prompt"),
    "input and messages": ({"messages": [user()]}, "unsupported_parameter", "messages"),
    "max_tokens": ({"max_tokens": 5}, "unsupported_parameter", "max_tokens"),
    "response_format": ({"response_format": {}}, "unsupported_parameter", "response_format"),
    "include unknown": ({"include": ["usage"]}, "invalid_value", "include[0]"),
    "include a text": ({"include": "usage"}, "invalid_type", "include"),
    "instructions a list": ({"instructions": []}, "invalid_type", "instructions"),
    "max_output_tokens 0": ({"max_output_tokens": 0}, "invalid_value", "max_output_tokens"),
    "max_output_tokens a half": ({"max_output_tokens": 0.5}, "invalid_type", "max_output_tokens"),
    "top_logprobs above 20": ({"top_logprobs": 21}, "invalid_value", "top_logprobs"),
    "metadata a text": ({"metadata": "x"}, "invalid_type", "metadata"),
    "metadata with a number": ({"metadata": {"a": 1}}, "invalid_type", "metadata[...]"),
    "too much metadata": (
        {"metadata": {str(number): "" for number in range(17)}},
        "invalid_value",
        "metadata",
    ),
    "model a number": ({"model": 1}, "invalid_type", "model"),
    "previous a number": ({"previous_response_id": 1}, "invalid_type", "previous_response_id"),
    "effort unknown": ({"reasoning": {"effort": "x"}}, "invalid_value", "reasoning.effort"),
    "reasoning a text": ({"reasoning": "high"}, "invalid_type", "reasoning"),
    "store a text": ({"store": "yes"}, "invalid_type", "store"),
    "stream a text": ({"stream": "yes"}, "invalid_type", "stream"),
    "stream options a flag": ({"stream_options": True}, "invalid_type", "stream_options"),
    "temperature a text": ({"temperature": "hot"}, "invalid_type", "temperature"),
    "truncation unknown": ({"truncation": "x"}, "invalid_value", "truncation"),
    "verbosity unknown": ({"text": {"verbosity": "x"}}, "invalid_value", "text.verbosity"),
    "format unknown": (
        {"text": {"format": {"type": "xml"}}},
        "invalid_value",
        "text.format.type",
    ),
    "format without type": (
        {"text": {"format": {}}},
        "missing_required_parameter",
        "text.format.type",
    ),
    "schema without name": (
        {"text": {"format": {"type": "json_schema", "schema": {}}}},
        "missing_required_parameter",
        "text.format.name",
    ),
    "schema missing": (
        {"text": {"format": {"type": "json_schema", "name": "x"}}},
        "missing_required_parameter",
        "text.format.schema",
    ),
    "schema a text": (
        {"text": {"format": {**JSON_SCHEMA, "schema": "x"}}},
        "invalid_type",
        "text.format.schema",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_fields_are_refused_with_their_place(name: str) -> None:
    fields, code, param = WRONG[name]
    error = refused(**fields)
    assert (error.status, error.code, error.param) == (400, code, param)


NOT_JSON = {
    "empty": b"",
    "blank": b" \n",
    "a text": b'"hi"',
    "a list": b"[]",
    "cut": b'{"input":"hi"',
    "two": b'{"input":"hi"}{}',
    "a byte order mark": b'\xef\xbb\xbf{"input":"hi"}',
    "not UTF-8": b'{"input":"\xff"}',
    "nested too deeply": b'{"input":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "half of a surrogate pair": b'{"input":"hi","model":"\\ud800"}',
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_not_json_is_refused(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        read(NOT_JSON[name])
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")


def test_what_codex_sends_becomes_a_chat_completion() -> None:
    fields = json.loads((APPS / "codex.json").read_text("utf-8"))
    for number, item in enumerate(fields["input"]):
        item["id"] += str(number)  # in the file all are the same
    made = converted(**fields)
    body = json.loads(made.chat)
    assert made.left_out == ()
    assert [message["role"] for message in body["messages"]] == [
        "system",
        "user",
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
    ]
    names = [tool["function"]["name"] for tool in body["tools"]]
    assert names[:3] == ["exec", "wait", "request_user_input"]
    assert "collaboration__list_agents" in names
    assert body["messages"][3]["tool_calls"][0]["function"]["name"] == "exec"
    assert made.asked.include == {"reasoning.encrypted_content"}
    read_request(Operation.CHAT_COMPLETIONS, made.chat)


#: Where two converters should agree.
AGREED: dict[str, dict[str, Any]] = {
    "a text": {"input": "Hi"},
    "messages": {
        "instructions": "Be brief.",
        "input": [
            user(),
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hello"}],
            },
            {"role": "user", "content": [{"type": "input_text", "text": "What?"}]},
        ],
    },
    "calls": {
        "input": [user(), call(), call("c2"), output(), output("c2", "x")],
        "tools": [function(description="Does.")],
        "tool_choice": {"type": "function", "name": "f"},
    },
    "fields": {
        "input": "Hi",
        "temperature": 0.5,
        "top_p": 0.5,
        "reasoning": {"effort": "low"},
        "text": {"format": {**JSON_SCHEMA, "strict": True}},
        "parallel_tool_calls": False,
        "tools": [function()],
    },
}


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """A chat completion without nulls, and with texts instead of lists of one text."""
    for message in body["messages"]:
        content = message.get("content")
        if isinstance(content, list):
            (part,) = content
            message["content"] = part["text"]
    compared = ("messages", "tools", "tool_choice", "temperature", "top_p", "response_format")
    kept = {name: body[name] for name in (*compared, "reasoning_effort") if name in body}
    cleaned: dict[str, Any] = without_nulls(kept)
    return cleaned


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", AGREED)
def test_another_converter_makes_the_same(name: str) -> None:
    asked = {"model": "m", **AGREED[name]}
    theirs = linguafranca.convert_request_json(
        asked,
        source_format=linguafranca.FormatName.OPEN_RESPONSES,
        target_format=linguafranca.FormatName.OPENAI_CHAT_COMPLETIONS,
    ).value
    assert plain(chat(**asked)) == plain(theirs)
