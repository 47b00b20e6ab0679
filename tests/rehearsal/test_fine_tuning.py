"""Examples for fine-tuning, made of recorded calls of the three APIs, whole and streamed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.rehearsal.calls import Answer, RecordedCall
from vast_intercept.rehearsal.fine_tuning import NoExampleError, example_of

CHAT = "https://api.openai.com/v1/chat/completions"
RESPONSES = "https://api.openai.com/v1/responses"
MESSAGES = "https://api.anthropic.com/v1/messages"

HI = {"role": "user", "content": "Hi"}
HELLO = {"role": "assistant", "content": "Hello"}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "call00001",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
        }
    ],
}


def call(url: str, request: Any, answer: Any, *, status: int = 200) -> RecordedCall:
    """A call and its answer; a list of events is a stream."""
    kind, body = "application/json", json.dumps(answer)
    if isinstance(answer, list):
        kind = "text/event-stream"
        body = "".join(
            f"event: {each.get('type', 'message')}\ndata: {json.dumps(each)}\n\n" for each in answer
        )
        body += "data: [DONE]\n\n" if url == CHAT else ""
    return RecordedCall(
        place="flow 1",
        method="POST",
        url=url,
        body=json.dumps(request).encode(),
        answer=Answer(status=status, content_type=kind, body=body.encode()),
    )


def chat_answer(finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "Hello"} | message
    return {"choices": [{"index": 0, "message": said, "finish_reason": finish_reason}]}


def chunks(*deltas: dict[str, Any], finish_reason: str = "stop") -> list[dict[str, Any]]:
    return [
        *({"choices": [{"index": 0, "delta": delta}]} for delta in deltas),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]},
    ]


TOOL_CALL = {
    "index": 0,
    "id": "call_by_chance",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
}


@pytest.mark.parametrize(
    "answer", [chat_answer(), chunks({"role": "assistant", "content": "Hel"}, {"content": "lo"})]
)
def test_a_chat_is_its_messages_and_the_answer(answer: Any) -> None:
    example = example_of(call(CHAT, {"model": "gpt-4o", "messages": [HI], "top_p": 1}, answer))
    assert example == {"messages": [HI, HELLO]}


@pytest.mark.parametrize(
    "answer",
    [
        chat_answer("tool_calls", content=None, tool_calls=[TOOL_CALL]),
        chunks({"role": "assistant", "tool_calls": [TOOL_CALL]}, finish_reason="tool_calls"),
    ],
)
def test_a_chat_with_tools_has_them_and_the_calls(answer: Any) -> None:
    request = {"messages": [HI], "tools": [WEATHER], "parallel_tool_calls": False}
    assert example_of(call(CHAT, request, answer)) == {
        "messages": [HI, CALLED],
        "tools": [WEATHER],
        "parallel_tool_calls": False,
    }


def test_old_functions_become_tools() -> None:
    function_call = {"name": "weather", "arguments": '{"city": "Rome"}'}
    answer = chat_answer("function_call", content=None, function_call=function_call)
    request = {"messages": [HI], "functions": [WEATHER["function"]]}
    assert example_of(call(CHAT, request, answer)) == {
        "messages": [HI, CALLED],
        "tools": [WEATHER],
        "parallel_tool_calls": False,  # such a model calls one at a time
    }


RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello"}],
        }
    ],
}


@pytest.mark.parametrize(
    "answer", [RESPONSE, [{"type": "response.completed", "response": RESPONSE}]]
)
def test_a_response_is_a_chat(answer: Any) -> None:
    tool = {"type": "function", **WEATHER["function"]}  # type: ignore[dict-item]
    request = {"model": "gpt-4o", "instructions": "Be nice.", "input": "Hi", "tools": [tool]}
    example = example_of(call(RESPONSES, request, answer))
    assert example["messages"] == [{"role": "system", "content": "Be nice."}, HI, HELLO]
    assert [each["function"]["name"] for each in example["tools"]] == ["weather"]


MESSAGE = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
}


def test_a_message_is_a_chat() -> None:
    request = {"model": "claude", "max_tokens": 9, "system": "Be nice.", "messages": [HI]}
    example = example_of(call(MESSAGES, request, MESSAGE))
    assert example["messages"] == [{"role": "system", "content": "Be nice."}, HI, HELLO]


def test_an_answer_that_the_app_has_begun_is_one_message() -> None:
    begun = {"role": "assistant", "content": "Well, "}
    request = {"model": "claude", "max_tokens": 9, "messages": [HI, begun]}
    example = example_of(call(MESSAGES, request, MESSAGE))
    assert example["messages"] == [HI, {"role": "assistant", "content": "Well, Hello"}]


def test_what_is_for_one_server_alone_is_left_out() -> None:
    thought = {"role": "assistant", "content": "A", "reasoning": "Hm", "annotations": []}
    example = example_of(call(CHAT, {"messages": [HI, thought, HI]}, chat_answer()))
    assert example["messages"] == [HI, {"role": "assistant", "content": "A"}, HI, HELLO]


def test_members_that_are_null_in_what_the_app_sent_back_are_left_out() -> None:
    """The openai package gives a message with all of them, and apps send that on."""
    nulls = {"refusal": None, "audio": None, "function_call": None, "annotations": []}
    result = {"role": "tool", "tool_call_id": "call00001", "content": "warm"}
    example = example_of(call(CHAT, {"messages": [HI, CALLED | nulls, result]}, chat_answer()))
    assert example["messages"] == [HI, CALLED, result, HELLO]
    said = HELLO | nulls | {"tool_calls": None, "name": None}
    example = example_of(call(CHAT, {"messages": [HI, said, HI]}, chat_answer()))
    assert example["messages"] == [HI, HELLO, HI, HELLO]


ASKED = {"model": "gpt-4o", "input": "Hi"}


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (call(CHAT, {"messages": [HI]}, {"error": {"message": "no"}}, status=400), "an error"),
        (call(CHAT, {"messages": [HI]}, chat_answer("length")), "limit of tokens"),
        (call(CHAT, {"messages": [HI]}, chat_answer("content_filter")), "by a filter"),
        (call(CHAT, {"messages": [HI]}, chat_answer(content="")), "empty"),
        (
            call(RESPONSES, ASKED, [{"type": "response.output_text.delta", "delta": "H"}]),
            "not whole",
        ),
        (call(CHAT, {"messages": []}, chat_answer()), "cannot be read"),
        (call(CHAT, {"messages": ["Hi"]}, chat_answer()), "cannot be read"),
        (call(CHAT, [], chat_answer()), "cannot be read"),
        (call(RESPONSES, {"input": 5}, RESPONSE), "cannot be read"),
        (call(RESPONSES + "/compact", {"input": "Hi"}, RESPONSE), "not a chat"),
        (call(MESSAGES + "/count_tokens", {"messages": [HI]}, MESSAGE), "not a chat"),
        (call(CHAT.replace("chat/completions", "embeddings"), {"input": "Hi"}, {}), "not a chat"),
    ],
)
def test_what_makes_no_example_says_why(made: RecordedCall, reason: str) -> None:
    with pytest.raises(NoExampleError, match=reason):
        example_of(made)


@given(
    st.sampled_from([CHAT, RESPONSES, MESSAGES]),
    st.binary(max_size=50)
    | st.sampled_from(
        [
            b'{"messages": [{"role": "user"}], "tools": 5}',
            b'{"messages": [{"role": "user", "content": {}}]}',
            b'{"model": "m", "max_tokens": 5, "messages": [{"role": "assistant", "content": 5}]}',
            b'{"input": [{"type": 5}]}',
        ]
    ),
    st.binary(max_size=50)
    | st.sampled_from([b'{"choices": [{"message": {"content": 5}}]}', b'{"choices": [5]}']),
    st.sampled_from(["application/json", "text/event-stream", ""]),
)
def test_any_call_is_an_example_or_says_why(
    url: str, request: bytes, answer: bytes, kind: str
) -> None:
    made = Answer(status=200, content_type=kind, body=answer)
    try:
        example = example_of(
            RecordedCall(place="", method="POST", url=url, body=request, answer=made)
        )
    except NoExampleError as error:
        assert str(error)  # noqa: PT017
    else:
        assert example["messages"][-1]["role"] == "assistant"
