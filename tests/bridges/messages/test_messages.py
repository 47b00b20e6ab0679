"""Messages of Anthropic's API, made of chat completions: whole, as events, of whatever comes."""

import json
from copy import deepcopy
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.bridges.messages.bridge import MessagesBridge
from vast_intercept.bridges.messages.request import read_messages
from vast_intercept.openai_api.errors import ApiError

from ...mitmweb.chat.recorded import recorded
from ..streams import streamed_to

ASKED: dict[str, Any] = {
    "model": "claude-opus-4-5",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "hello there"}],
}
WEATHER = {"name": "get_weather", "description": "Weather", "input_schema": {"type": "object"}}


def bridge_of(**members: Any) -> MessagesBridge:
    return read_messages(json.dumps({**ASKED, **members}).encode(), "req_1")


def streamed(body: bytes, *cuts: int) -> list[dict[str, Any]]:
    """The app's events of a chat stream whose bytes come in pieces, cut at these places."""
    return events_in(streamed_to(bridge_of(stream=True).events(), body, cuts))


def events_in(stream: bytes) -> list[dict[str, Any]]:
    found = []
    for event in stream.decode().split("\n\n"):
        if event:
            name, data = event.split("\n")
            found.append(json.loads(data.removeprefix("data: ")))
            assert name == f"event: {found[-1]['type']}"
    return found


def collected(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that the events add up to."""
    first, *rest = [each for each in events if each["type"] != "ping"]
    assert first["type"] == "message_start"
    assert rest.pop()["type"] == "message_stop"
    message: dict[str, Any] = deepcopy(first["message"])
    for each in rest:
        match each["type"], each.get("delta", {}).get("type"):
            case "content_block_start", _:
                assert each["index"] == len(message["content"])
                message["content"].append({**each["content_block"], "json": ""})
            case _, "text_delta":
                message["content"][each["index"]]["text"] += each["delta"]["text"]
            case _, "input_json_delta":
                message["content"][each["index"]]["json"] += each["delta"]["partial_json"]
            case "content_block_stop", _:
                block = message["content"][each["index"]]
                if given_json := block.pop("json"):
                    block["input"] = json.loads(given_json)
            case kind, _:
                assert kind == "message_delta"
                message |= each["delta"] | {"usage": message["usage"] | each["usage"]}
    return message


def test_a_request_is_a_chat_completion() -> None:
    history = [
        {"role": "user", "content": [{"type": "text", "text": "Warm in Paris?"}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "hot"}],
        },
    ]
    bridge = bridge_of(system="Be short.", tools=[WEATHER], messages=history, stop_sequences=["."])
    chat = json.loads(bridge.chat)
    assert [each["role"] for each in chat["messages"]] == ["system", "user", "assistant", "tool"]
    call, result = chat["messages"][2:]
    assert call["tool_calls"][0]["id"] == result["tool_call_id"]
    assert result["content"] == "hot"
    assert chat["tools"][0]["function"]["name"] == "get_weather"
    assert (chat["max_tokens"], chat["stop"]) == (50, ["."])


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, "content"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": None}, "messages"),
        ({"model": None}, "model"),
        ({"thread": {"type": "create"}}, "thread"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_place(
    members: dict[str, Any], param: str
) -> None:
    with pytest.raises(ApiError) as refused:
        bridge_of(**members)
    assert refused.value.status == 400
    assert param in f"{refused.value.param} {refused.value.message}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("chat_nonstream", "max_tokens"),
        ("chat_tool_call_auto", "tool_use"),
        ("chat_regex_text", "end_turn"),
    ],
)
def test_a_recorded_answer_is_a_message_of_the_anthropic_package(name: str, reason: str) -> None:
    body = json.loads(bridge_of().answer(recorded(name)["response"]["body"].encode()).body)
    message = Message.model_validate(body, strict=True)
    assert message.id == "msg_1"
    assert message.model == "claude-opus-4-5"
    assert message.usage.input_tokens > 0
    assert message.stop_reason == reason


@pytest.mark.parametrize(
    "name",
    [
        *("chat_stream_include_usage", "chat_regex_text_stream", "chat_tool_call_auto_stream"),
        "chat_tool_call_auto_two_calls_stream",
        "chat_tool_call_auto_with_text_stream",
    ],
)
def test_a_recorded_stream_adds_up_to_a_message(name: str) -> None:
    body = recorded(name)["response"]["body"].encode()
    events = streamed(body)
    message = collected(events)
    Message.model_validate(message, strict=True)
    calls = [block for block in message["content"] if block["type"] == "tool_use"]
    assert (message["stop_reason"] == "tool_use") is bool(calls)
    assert streamed(body, *range(0, len(body), 37)) == events


TEXTS = st.text(max_size=5)


@given(
    TEXTS,
    st.lists(st.dictionaries(TEXTS, TEXTS, max_size=2), max_size=3),
    st.lists(st.integers(0, 5_000), max_size=6),
    st.sampled_from([{"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, None]),
)
def test_a_stream_adds_up_to_the_whole_message_however_it_is_cut(
    text: str, given_inputs: list[dict[str, str]], cuts: list[int], usage: dict[str, int] | None
) -> None:
    calls = [
        {"id": f"c{index}", "function": {"name": "f", "arguments": json.dumps(each)}}
        for index, each in enumerate(given_inputs)
    ]
    reason = "tool_calls" if calls else "stop"
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": character} for character in text]
    for index, call in enumerate(calls):
        arguments = call["function"]["arguments"]
        start = {**call, "index": index, "function": {"name": "f"}}
        deltas.append({"tool_calls": [start]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in (arguments[:3], arguments[3:])
        ]
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    chunks.append({"choices": [], "usage": usage})
    body = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)
    message = {"role": "assistant", "content": text, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    whole = json.dumps({"choices": [choice], "usage": usage}).encode()
    assert collected(streamed(body + b"data: [DONE]\n\n", *cuts)) == json.loads(
        bridge_of().answer(whole).body
    )


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "id", "name", "input", "choices"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    ["model", "messages", "system", "tools", "tool_choice", "thinking", "max_tokens", "stream"]
)


def outcome(body: bytes) -> MessagesBridge | ApiError:
    try:
        return read_messages(body, "req_1")
    except ApiError as error:
        return error


@given(st.dictionaries(MEMBERS, ANY_JSON))
def test_any_request_is_converted_or_refused(members: dict[str, Any]) -> None:
    made = outcome(json.dumps({**ASKED, **members}).encode())
    if isinstance(made, ApiError):
        assert 400 <= made.status < 500
    else:
        json.loads(made.chat)


@given(ANY_JSON)
def test_any_answer_is_a_message_or_a_bad_gateway(body: Any) -> None:
    try:
        made = bridge_of().answer(json.dumps(body).encode()).body
    except ApiError as error:
        made = b'{"status":%d}' % error.status
    answered = json.loads(made)
    assert answered.get("status") == 502 or answered["type"] == "message"
