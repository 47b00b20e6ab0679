"""Answers by a script, which apps get that cannot put instructions into their requests."""

import json
from typing import Any

import pytest

from ..conftest import HELLO, Vast

LOOK: dict[str, Any] = {
    "reasoning": "I should look.",
    "text": "Let me look.",
    "tool_calls": [
        {"name": "*shell*", "arguments": {"command": "ls"}},
        {"name": "wait", "arguments": "not json"},
    ],
}
TURNS = [LOOK, {}, {"text": "Done."}]
TOOLS = [
    {"type": "function", "function": {"name": name}} for name in ("edit", "run_shell", "shell")
]
CALLED: list[dict[str, Any]] = [
    {"role": "assistant", "content": "Let me look."},
    {"role": "assistant", "tool_calls": []},
    {"role": "tool", "tool_call_id": "1", "content": "a.txt"},
]
SAID: list[dict[str, Any]] = [{"role": "assistant", "content": "It is a.txt."}]


@pytest.fixture(autouse=True)
async def script(vast: Vast) -> None:
    await vast.control("PUT", "script", turns=TURNS)


async def answer(vast: Vast, *more: dict[str, Any], **body: Any) -> dict[str, Any]:
    body = {"messages": [*HELLO, *more], "tools": TOOLS, **body}
    message: dict[str, Any] = (await vast.chat(**body))["choices"][0]["message"]
    return message


async def test_the_first_turn_has_reasoning_text_and_calls(vast: Vast) -> None:
    message = await answer(vast)
    assert message["reasoning"] == "I should look."
    assert message["content"] == "Let me look."
    called = [each["function"] for each in message["tool_calls"]]
    assert called == [
        {"name": "run_shell", "arguments": '{"command": "ls"}'},
        {"name": "wait", "arguments": "not json"},
    ]


async def test_a_stream_has_the_same_in_this_order(vast: Vast) -> None:
    events = await vast.events({"messages": HELLO, "tools": TOOLS})
    deltas = [event["choices"][0]["delta"] for event in events]
    assert list(deltas[0]) == ["role", "content"]
    order = [list(delta)[-1] for delta in deltas[1:-1]]
    assert list(dict.fromkeys(order)) == ["reasoning", "content", "tool_calls"]
    assert order == sorted(order, key=["reasoning", "content", "tool_calls"].index)
    assert "".join(delta.get("reasoning", "") for delta in deltas) == "I should look."
    assert "".join(delta.get("content") or "" for delta in deltas) == "Let me look."
    pieces = [each for delta in deltas for each in delta.get("tool_calls", ())]
    arguments = ["", ""]
    for piece in pieces:
        arguments[piece["index"]] += piece["function"].get("arguments", "")
    assert arguments == ['{"command": "ls"}', "not json"]
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_the_turn_follows_from_how_often_the_model_has_answered(vast: Vast) -> None:
    # Both assistant messages in a row are one answer. An empty turn is the usual answer.
    assert (await answer(vast, *CALLED))["content"] == "The tool says: a.txt"
    again = [*CALLED, *SAID, *HELLO]
    assert (await answer(vast, *again))["content"] == "Done."
    # The last turn is repeated.
    assert (await answer(vast, *again, *SAID, *HELLO))["content"] == "Done."


async def test_older_vllm_has_another_field_for_reasoning(vast: Vast) -> None:
    told = {"reasoning": "Hm.", "reasoning_field": "reasoning_content", "text": "Yes."}
    message = await answer(vast, standin=told)
    assert message["reasoning_content"] == "Hm."
    assert "reasoning" not in message


async def test_tokens_of_reasoning_count(vast: Vast) -> None:
    told = {"reasoning": "one two three", "text": "four five"}
    whole = await vast.chat(standin=told)
    assert whole["usage"]["completion_tokens"] == 6
    cut = await vast.chat(standin=told, max_tokens=2)
    (choice,) = cut["choices"]
    assert choice["message"]["reasoning"] == "one two"
    assert choice["message"]["content"] == ""
    assert choice["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("body", [{"tools": None}, {"tool_choice": "none"}])
async def test_who_may_not_call_tools_gets_no_turn_with_tools(
    vast: Vast, body: dict[str, Any]
) -> None:
    assert (await answer(vast, **body))["content"] == "You said: hello there"


async def test_a_request_with_instructions_takes_its_own(vast: Vast) -> None:
    assert (await answer(vast, standin={"text": "mine"}))["content"] == "mine"


async def test_a_turn_may_have_things_go_wrong(vast: Vast) -> None:
    await vast.control("PUT", "script", turns=[{"status": 503, "body": "{}"}])
    response, _ = await vast.post({"messages": HELLO})
    assert response.status == 503


async def test_a_pattern_that_matches_no_tool_is_refused(vast: Vast) -> None:
    await vast.control("PUT", "script", turns=[{"tool_calls": [{"name": "*bash"}]}])
    response, data = await vast.post({"messages": HELLO, "tools": TOOLS})
    assert response.status == 400
    error = json.loads(data)["error"]
    assert "'*bash'" in error["message"]
    assert "run_shell" in error["message"]


async def test_without_a_script_all_is_as_before(vast: Vast) -> None:
    await vast.control("DELETE", "script")
    assert [each["function"]["name"] for each in (await answer(vast))["tool_calls"]] == ["edit"]


async def test_replies_go_by_the_last_message_and_take_turns(vast: Vast) -> None:
    answers = [{"text": "Hi."}, {"tool_calls": [{"name": "wait"}], "finish_reason": "stop"}]
    replies = [{"to": "there", "answers": answers}, {"to": "a.txt", "answers": [{"text": "A."}]}]
    await vast.control("PUT", "script", turns=TURNS, replies=replies)
    assert (await answer(vast))["content"] == "Hi."
    (choice,) = (await vast.chat(messages=HELLO, tools=TOOLS))["choices"]
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "wait"
    assert choice["finish_reason"] == "stop"
    assert (await answer(vast))["content"] == "Hi."
    assert (await answer(vast, *CALLED))["content"] == "A."
    # What no reply is to is a turn's, as ever.
    other = [*CALLED, *SAID, {"role": "user", "content": "and now?"}]
    assert (await answer(vast, *other))["content"] == "Done."


async def test_a_script_that_is_set_anew_begins_anew(vast: Vast) -> None:
    replies = [{"to": "hello", "answers": [{"text": "one"}, {"text": "two"}]}]
    for _ in range(2):
        await vast.control("PUT", "script", replies=replies)
        assert (await answer(vast))["content"] == "one"
