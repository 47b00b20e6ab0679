"""What comes back of tools, and what an app gets that knows only functions."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.bridges.functions.bridge import FunctionsBridge
from vast_intercept.bridges.plain import PlainEvents
from vast_intercept.openai_api.error_codes import ErrorCode
from vast_intercept.openai_api.errors import bad_gateway

from ...mitmweb.chat.recorded import NAMES, recorded
from ..streams import streamed_to

EMPTY = b"data: {}\n\n"
BRIDGE = FunctionsBridge(b"{}", True, lambda: PlainEvents(lambda: EMPTY))
FAILURE = bad_gateway("It broke.", ErrorCode.VAST_DISCONNECTED)

WHOLE = [name for name in NAMES if name.startswith("chat") and "stream" not in name]
STREAMED = [name for name in NAMES if name.startswith("chat") and "stream" in name]


def answer(body: Any) -> Any:
    return json.loads(BRIDGE.answer(json.dumps(body).encode()).body)


def answered(*calls: dict[str, Any], finish_reason: str = "tool_calls", **message: Any) -> Any:
    message = {"role": "assistant", "content": None, "tool_calls": list(calls), **message}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "choices": [choice], "usage": {"prompt_tokens": 1}}


def call_of(name: str, arguments: str = "{}", **more: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": "1", "type": "function", "function": function, **more}


def streamed(body: bytes, *cuts: int) -> bytes:
    """What an app gets of a stream that comes in pieces, cut at these places."""
    return streamed_to(BRIDGE.events(), body, cuts)


def chunks_in(stream: bytes) -> list[Any]:
    parts = stream.decode().split("\n\n")
    return [json.loads(part[6:]) for part in parts if part and part != "data: [DONE]"]


def collected(chunks: list[Any]) -> dict[int, dict[str, Any]]:
    """The messages that chunks add up to, and why each ended, by the number of the choice."""
    messages: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            message = messages.setdefault(choice["index"], {"content": ""})
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            if call := delta.get("function_call"):
                if "name" in call:
                    assert "function_call" not in message
                    assert call == {"name": call["name"], "arguments": ""}
                    message["function_call"] = call
                else:
                    message["function_call"]["arguments"] += call["arguments"]
            assert "tool_calls" not in delta
            if choice.get("finish_reason"):
                message["finish_reason"] = choice["finish_reason"]
    return messages


# --- whole ----------------------------------------------------------------------------------------


def test_a_tool_call_comes_back_as_a_function_call() -> None:
    whole = answer(answered(call_of("get_weather", '{"city": "Paris"}'), content="Let me see."))
    (choice,) = whole["choices"]
    assert choice == {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": "Let me see.",
            "function_call": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
        },
        "finish_reason": "function_call",
    }


def test_of_several_calls_the_app_gets_the_first() -> None:
    (choice,) = answer(answered(call_of("f", "1"), call_of("g", "2")))["choices"]
    assert choice["message"]["function_call"] == {"name": "f", "arguments": "1"}


@pytest.mark.parametrize(
    ("vast", "app"),
    [("tool_calls", "function_call"), ("stop", "function_call"), ("length", "length")],
)
def test_why_an_answer_with_a_call_ended(vast: str, app: str) -> None:
    (choice,) = answer(answered(call_of("f"), finish_reason=vast))["choices"]
    assert choice["finish_reason"] == app


def test_each_choice_has_its_call() -> None:
    body = answered(call_of("f"))
    body["choices"] += answered(call_of("g"))["choices"]
    body["choices"] += [{"index": 2, "message": {"content": "x"}, "finish_reason": "stop"}]
    first, second, third = answer(body)["choices"]
    assert first["message"]["function_call"]["name"] == "f"
    assert second["message"]["function_call"]["name"] == "g"
    assert third == body["choices"][2]


def test_an_empty_list_of_calls_is_no_call() -> None:
    (choice,) = answer(answered(content="hi", finish_reason="stop"))["choices"]
    assert choice["message"] == {"role": "assistant", "content": "hi"}
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize("name", WHOLE)
def test_a_recorded_answer_keeps_all_but_its_calls(name: str) -> None:
    body = recorded(name)["response"]["body"].encode()
    app = BRIDGE.answer(body).body
    if b'"tool_calls"' not in body:
        assert app == body
        return
    expected, got = json.loads(body), json.loads(app)
    for before, after in zip(expected["choices"], got["choices"], strict=True):
        (call,) = before["message"].pop("tool_calls")
        assert after["message"].pop("function_call") == call["function"]
        del before["message"]["function_call"]
        before["finish_reason"] = "function_call"
    assert got == expected


# --- streamed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STREAMED)
def test_a_recorded_stream_keeps_all_but_its_calls(name: str) -> None:
    body = recorded(name)["response"]["body"].encode()
    app = streamed(body)
    if b'"tool_calls"' not in body:
        assert app == body
        return
    assert app.endswith(b"data: [DONE]\n\n")
    calls = [
        call
        for chunk in chunks_in(body)
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", [])
        if call["index"] == 0
    ]
    message = collected(chunks_in(app))[0]
    assert message["function_call"] == {
        "name": calls[0]["function"]["name"],
        "arguments": "".join(call["function"].get("arguments", "") for call in calls),
    }
    assert message["finish_reason"] in {"function_call", "length"}


def test_a_call_begins_with_its_name_and_empty_arguments() -> None:
    body = recorded("chat_tool_call_auto_stream")["response"]["body"].encode()
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks_in(streamed(body))[:3]]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"content": None, "function_call": {"name": "get_weather", "arguments": ""}},
        {"content": None, "function_call": {"arguments": "{"}},
    ]


def test_a_chunk_with_all_of_a_call_becomes_two() -> None:
    delta = {"role": "assistant", "tool_calls": [call_of("f", "{}")]}
    choice = {"index": 0, "delta": delta, "finish_reason": "tool_calls"}
    body = b"data: %b\n\n" % json.dumps({"choices": [choice], "usage": {"a": 1}}).encode()
    first, second = chunks_in(streamed(body))
    assert first == {
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "function_call": {"name": "f", "arguments": ""}},
                "finish_reason": None,
            }
        ]
    }
    assert second == {
        "choices": [
            {
                "index": 0,
                "delta": {"function_call": {"arguments": "{}"}},
                "finish_reason": "function_call",
            }
        ],
        "usage": {"a": 1},
    }


def test_a_very_long_event_is_rewritten_too() -> None:
    arguments = "x" * 200_000
    delta = {"tool_calls": [call_of("f", arguments)]}
    body = json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode()
    app = streamed(b"data: %b\n\ndata: [DONE]\n\n" % body, *range(0, 200_000, 16_384))
    message = collected(chunks_in(app))[0]
    assert message["function_call"] == {"name": "f", "arguments": arguments}


def test_an_endless_event_is_not_kept() -> None:
    events = BRIDGE.events()
    piece = b"x" * 65_536
    passed = sum(len(events.feed(piece)) for _ in range(64))
    assert passed > 32 * 65_536


def test_what_is_held_of_a_cut_event_does_not_precede_an_error() -> None:
    events = BRIDGE.events()
    events.feed(b'data: {"choices": [{"index": 0, "delta": {"tool_c')
    assert events.fail(FAILURE) == PlainEvents(lambda: EMPTY).fail(FAILURE)


def test_a_waiting_stream_gets_the_chunk_that_any_stream_gets() -> None:
    assert BRIDGE.events().keep_alive() == EMPTY


def test_an_answer_to_a_call_that_offers_nothing_is_not_touched() -> None:
    bridge = FunctionsBridge(b"{}", False, lambda: PlainEvents(lambda: EMPTY))
    body = json.dumps(answered(call_of("f"))).encode()
    assert bridge.answer(body).body == body
    event = b'data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"f"}}]}}]}\n\n'
    assert bridge.events().feed(event) == event


# --- whatever comes -------------------------------------------------------------------------------

TEXTS = st.text(max_size=5)
TOOL_CALLS = st.lists(st.tuples(st.sampled_from("fgh"), TEXTS), min_size=1, max_size=3)
ANSWERS = st.lists(st.tuples(TEXTS, TOOL_CALLS | st.just([])), min_size=1, max_size=3)


def as_stream(choices: list[tuple[str, list[tuple[str, str]]]], data: st.DataObject) -> bytes:
    """The chunks of an answer, choices mixed, arguments in pieces of any size."""
    queues: list[list[Any]] = []
    for number, (content, calls) in enumerate(choices):
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": content}]
        for index, (name, arguments) in enumerate(calls):
            cut = data.draw(st.integers(0, len(arguments)))
            first = call_of(name, arguments[:cut], index=index)
            if not cut and data.draw(st.booleans()):
                del first["function"]["arguments"]
            deltas.append({"tool_calls": [first]})
            for character in arguments[cut:]:
                more = {"index": index, "function": {"arguments": character}}
                deltas.append({"content": None, "tool_calls": [more]})
        queue = [{"index": number, "delta": each, "finish_reason": None} for each in deltas]
        queue.append({"index": number, "delta": {}, "finish_reason": ending(calls)})
        queues.append(queue)
    events = b""
    while queues := [queue for queue in queues if queue]:
        choice = data.draw(st.sampled_from(queues)).pop(0)
        events += b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode()
    return events + b"data: [DONE]\n\n"


def ending(calls: list[Any]) -> str:
    return "tool_calls" if calls else "stop"


@given(ANSWERS, st.data(), st.lists(st.integers(0, 10_000), max_size=8))
def test_a_stream_adds_up_to_the_whole_answer_however_it_is_cut(
    choices: list[tuple[str, list[tuple[str, str]]]], data: st.DataObject, cuts: list[int]
) -> None:
    body = as_stream(choices, data)
    app = streamed(body, *cuts)
    assert app == streamed(body)
    whole = answer(
        {
            "choices": [
                {
                    "index": number,
                    "message": {"content": content, "tool_calls": [call_of(*c) for c in calls]},
                    "finish_reason": ending(calls),
                }
                for number, (content, calls) in enumerate(choices)
            ]
        }
    )
    assert collected(chunks_in(app)) == {
        choice["index"]: {**choice["message"], "finish_reason": choice["finish_reason"]}
        for choice in whole["choices"]
    }


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "message",
                    "delta",
                    "tool_calls",
                    "function",
                    "index",
                    "name",
                    "arguments",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(ANY_JSON)
def test_any_json_becomes_an_answer(body: Any) -> None:
    for value in (body, {"choices": [{"index": 0, "message": body, "delta": body}]}):
        text = json.dumps(value).encode()
        json.loads(BRIDGE.answer(text).body)
        chunks_in(streamed(b"data: %b\n\ndata: [DONE]\n\n" % text))


@given(st.binary(max_size=100), st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_pass(body: bytes, cuts: list[int]) -> None:
    marked = b'data: {"tool_calls"' + body
    assert streamed(marked, *cuts) == marked
    assert BRIDGE.answer(marked).body == marked
