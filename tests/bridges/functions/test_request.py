"""What an app sends with old functions, and what Vast gets."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.bridges.functions.request import with_tools
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.requests import read_request

from ...mitmweb.chat.recorded import recorded

WEATHER = {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}
TIME = {"name": "get_time", "description": "The time in a city"}
HELLO = {"role": "user", "content": "hello"}


def made_of(**members: Any) -> dict[str, Any]:
    """The body for Vast."""
    made = with_tools(json.dumps({"messages": [HELLO], **members}).encode())
    assert made
    body: dict[str, Any] = json.loads(made[0])
    return body


def refused(**members: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        made_of(**members)
    return caught.value


def called(name: str, arguments: str = "{}") -> dict[str, Any]:
    call = {"name": name, "arguments": arguments}
    return {"role": "assistant", "content": None, "function_call": call}


def result(name: str, content: str = "done") -> dict[str, Any]:
    return {"role": "function", "name": name, "content": content}


# --- calls that are none of its business ----------------------------------------------------------

OTHERS: dict[str, bytes] = {
    "no functions": b'{"messages": [{"role": "user", "content": "hi"}], "model": "gpt-4o"}',
    "tools": json.dumps({"messages": [HELLO], "tools": [{"type": "function"}]}).encode(),
    "a text about functions": rb'{"messages":[{"role":"user","content":"\"functions\": []"}]}',
    "a text that is a mark": b'{"messages":[{"role":"user","content":"functions"}]}',
    "nulls": b'{"messages":[{"role":"assistant","function_call":null}],"functions":null,'
    b'"function_call":null}',
    "no function offered": b'{"messages":[],"functions":[ ]}',
    "a call in both forms": b'{"messages":[{"role":"assistant","function_call":{"name":"f"},'
    b'"tool_calls":[{"id":"1"}]}]}',
    "no JSON": b'{"functions": ',
    "no object": b'["functions"]',
    "messages that are none": b'{"messages":"function","function_call":null}',
    "nothing": b"",
}


@pytest.mark.parametrize("body", OTHERS.values(), ids=OTHERS)
def test_a_call_without_old_functions_needs_no_bridge(body: bytes) -> None:
    assert with_tools(body) is None


# --- functions ------------------------------------------------------------------------------------


def test_functions_go_out_as_tools_for_one_call_at_a_time() -> None:
    assert made_of(functions=[WEATHER, TIME]) == {
        "messages": [HELLO],
        "tools": [{"type": "function", "function": each} for each in (WEATHER, TIME)],
        "parallel_tool_calls": False,
    }


@pytest.mark.parametrize(
    ("function_call", "tool_choice"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ({"name": "get_time"}, {"type": "function", "function": {"name": "get_time"}}),
    ],
)
def test_a_function_call_goes_out_as_tool_choice(function_call: Any, tool_choice: Any) -> None:
    made = made_of(functions=[WEATHER, TIME], function_call=function_call)
    assert made["tool_choice"] == tool_choice
    assert "function_call" not in made


def test_the_recorded_call_that_vllm_ignored_has_tools() -> None:
    body = recorded("chat_functions_legacy")["request"]["body"].encode()
    made = with_tools(body)
    assert made
    sent, offered = made
    assert offered
    asked, before = json.loads(sent), json.loads(body)
    assert [each["function"] for each in asked.pop("tools")] == before.pop("functions")
    assert asked.pop("tool_choice") == before.pop("function_call")
    assert not asked.pop("parallel_tool_calls")
    assert asked == before
    assert read_request(Operation.CHAT_COMPLETIONS, sent).model == "tiny"


def test_all_else_keeps_its_bytes() -> None:
    kept = rb'"x":{"a":  1.50,"a":2,"b":"\u0061"}'
    message = rb'{"content":"\u00e9", "role" : "user"}'
    function = rb'{"name":"f",  "parameters":{"a":1e3}}'
    body = b'{"messages":[%b],%b,"functions":[%b]}' % (message, kept, function)
    made = with_tools(body)
    assert made
    assert kept in made[0]
    assert message in made[0]
    assert b'{"type":"function","function":%b}' % function in made[0]


def test_what_the_app_says_of_tools_without_any_is_dropped() -> None:
    made = made_of(functions=[TIME], tools=None, tool_choice="auto", parallel_tool_calls=True)
    assert "tool_choice" not in made
    assert made["parallel_tool_calls"] is False
    assert len(made["tools"]) == 1


# --- messages -------------------------------------------------------------------------------------


def ids_in(messages: list[dict[str, Any]]) -> list[str]:
    """The ids of calls and of results, in their order."""
    return [
        message["tool_call_id"] if message["role"] == "tool" else message["tool_calls"][0]["id"]
        for message in messages
        if message["role"] != "user"
    ]


def test_a_call_and_its_result_become_those_of_a_tool_with_one_id() -> None:
    arguments = '{"city": "Paris"}'
    messages = [HELLO, called("get_weather", arguments), result("get_weather", "sunny")]
    _, call, answer = made_of(messages=messages)["messages"]
    (tool_call,) = call.pop("tool_calls")
    assert call == {"role": "assistant", "content": None}
    assert tool_call == {
        "id": tool_call["id"],
        "type": "function",
        "function": {"name": "get_weather", "arguments": arguments},
    }
    assert answer == {
        "role": "tool",
        "name": "get_weather",
        "content": "sunny",
        "tool_call_id": tool_call["id"],
    }


def test_ids_are_as_mistral_s_chat_templates_want_them() -> None:
    ids = ids_in(made_of(messages=[called("f"), result("f")] * 20)["messages"])
    assert all(len(each) == 9 and each.isalnum() for each in ids)


MATCHING = {
    "one after the other": ([called("f"), result("f"), called("f"), result("f")], "aabb"),
    "different names, results in another order": (
        [called("f"), called("g"), result("g"), result("f")],
        "abba",
    ),
    "a repeated name, results in the order of the calls": (
        [called("f"), called("f"), result("f"), result("f")],
        "abab",
    ),
    "a call without a result": ([called("f"), HELLO, called("g"), result("g")], "abb"),
    "a result without a call": ([result("f"), called("g"), result("g")], "abb"),
    "two results of one call": ([called("f"), result("f"), result("f")], "aab"),
}


@pytest.mark.parametrize(("messages", "expected"), MATCHING.values(), ids=MATCHING)
def test_a_result_gets_the_id_of_its_call(messages: list[Any], expected: str) -> None:
    ids = ids_in(made_of(messages=messages)["messages"])
    names = {each: "abc"[number] for number, each in enumerate(dict.fromkeys(ids))}
    assert "".join(names[each] for each in ids) == expected


def test_messages_of_old_functions_alone_offer_nothing() -> None:
    made = with_tools(json.dumps({"messages": [called("f"), result("f")]}).encode())
    assert made
    assert not made[1]
    assert b"tools" not in made[0]


def test_messages_of_old_functions_may_go_with_tools() -> None:
    tools = [{"type": "function", "function": TIME}]
    made = made_of(messages=[called("f"), result("f")], tools=tools, parallel_tool_calls=True)
    assert made["tools"] == tools
    assert made["parallel_tool_calls"] is True
    assert [message["role"] for message in made["messages"]] == ["assistant", "tool"]


# --- what cannot be served ------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "tools as well": (
        {"functions": [TIME], "tools": [{"type": "function", "function": TIME}]},
        "invalid_request",
        "functions",
    ),
    "a choice of nothing": ({"function_call": "auto"}, "invalid_request", "function_call"),
    "a choice that is not offered": (
        {"functions": [TIME], "function_call": {"name": "x"}},
        "invalid_request",
        "function_call",
    ),
    "a choice of another type": (
        {"functions": [TIME], "function_call": "required"},
        "invalid_type",
        "function_call",
    ),
    "a choice without a name": (
        {"functions": [TIME], "function_call": {}},
        "missing_required_parameter",
        "function_call.name",
    ),
    "functions that are no list": ({"functions": {}}, "invalid_type", "functions"),
    "a function that is none": ({"functions": [TIME, 1]}, "invalid_type", "functions[1]"),
    "functions that are numbers": ({"functions": [1] * 100_000}, "invalid_type", "functions[0]"),
    "a function without a name": (
        {"functions": [{}]},
        "missing_required_parameter",
        "functions[0].name",
    ),
    "a name that is none": ({"functions": [{"name": 1}]}, "invalid_type", "functions[0].name"),
    "a call that is none": (
        {"messages": [{"role": "assistant", "function_call": "f"}]},
        "invalid_type",
        "messages[0].function_call",
    ),
    "a call without a name": (
        {"messages": [HELLO, {"role": "assistant", "function_call": {}}]},
        "missing_required_parameter",
        "messages[1].function_call.name",
    ),
    "a result without a name": (
        {"messages": [{"role": "function", "content": "x"}]},
        "missing_required_parameter",
        "messages[0].name",
    ),
    "very many members": (
        {"messages": [result("f") | {str(number): 0 for number in range(100)}]},
        "request_too_complex",
        "messages[0]",
    ),
    "very many calls": (
        {"messages": [called("f")] * 1_001},
        "request_too_complex",
        "messages",
    ),
}


@pytest.mark.parametrize(("members", "code", "param"), REFUSED.values(), ids=REFUSED)
def test_what_openai_would_refuse_is_refused_with_its_place(
    members: dict[str, Any], code: str, param: str
) -> None:
    error = refused(**members)
    assert (error.status, error.code, error.param) == (400, code, param)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["f", "g"])
CALLS = st.fixed_dictionaries({}, optional={"name": NAMES | ANY_JSON, "arguments": ANY_JSON})
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["assistant", "function", "user"]) | ANY_JSON,
        "name": NAMES | ANY_JSON,
        "content": ANY_JSON,
        "function_call": CALLS | ANY_JSON,
        "tool_calls": ANY_JSON,
    },
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(MESSAGES | ANY_JSON, max_size=4) | ANY_JSON,
        "functions": st.lists(CALLS | ANY_JSON, max_size=3) | ANY_JSON,
        "function_call": CALLS | st.sampled_from(["auto", "none"]) | ANY_JSON,
        "tools": ANY_JSON,
        "parallel_tool_calls": ANY_JSON,
    },
)


@given(BODIES | ANY_JSON)
def test_any_json_is_left_alone_converted_or_refused(body: Any) -> None:
    made = left_alone_converted_or_refused(json.dumps(body).encode())
    if isinstance(made, tuple):
        sent = json.loads(made[0])
        assert "functions" not in sent or not made[1]
        for message in sent["messages"] if isinstance(sent.get("messages"), list) else []:
            assert not isinstance(message, dict) or message.get("role") != "function"
    elif made:
        assert (made.status, bool(made.param)) == (400, True)


def left_alone_converted_or_refused(body: bytes) -> tuple[bytes, bool] | ApiError | None:
    try:
        return with_tools(body)
    except ApiError as error:
        return error


@given(st.binary())
def test_any_bytes_are_left_alone_converted_or_refused(body: bytes) -> None:
    for mark in (b"", b'"functions"'):
        assert with_tools(mark + body) is None
