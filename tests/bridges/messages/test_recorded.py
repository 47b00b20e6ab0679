"""Recorded answers: beside vLLM's own Messages server, and beside another converter."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import linguafranca
import pytest

from ...harness import PROJECT
from .test_messages import bridge_of, events_in, streamed

RECORDED = Path(__file__).parents[2] / "recorded"
PAGE = (PROJECT / "docs" / "calls.md").read_text("utf-8")


def body_of(name: str) -> str:
    recorded = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
    assert recorded["response"]["status"] == 200
    body: str = recorded["response"]["body"]
    return body


CHATS = {
    path.stem: body
    for path in sorted(RECORDED.glob("chat_*stream*.json"))
    if (body := json.loads(path.read_text("utf-8"))["response"]["body"]).startswith("data:")
}


def members(value: Any) -> Iterator[str]:
    """The names of all members, at any depth."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from members(member)
    elif isinstance(value, list):
        for member in value:
            yield from members(member)


def documented() -> set[str]:
    """What the first column of the page's table of differences names."""
    table = PAGE.partition("## Messages, beside vLLM's own\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def beside_vllm() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events of vLLM's own stream, and ours of a chat stream with the same text."""
    theirs = events_in(body_of("anthropic_messages_stream").encode())
    texts = [event["delta"]["text"] for event in theirs if event["type"] == "content_block_delta"]
    chunks = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]
    last = theirs[-2]
    reason = {"max_tokens": "length"}[last["delta"]["stop_reason"]]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    stream = [*chunks, {"choices": [], "usage": chat_usage(last["usage"])}]
    body = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in stream)
    return theirs, streamed(body + b"data: [DONE]\n\n")


def chat_usage(usage: dict[str, int]) -> dict[str, int]:
    asked, answered = usage["input_tokens"], usage["output_tokens"]
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
    }


def whole_beside_vllm() -> tuple[dict[str, Any], dict[str, Any]]:
    """vLLM's own message, and ours of a chat completion with the same text."""
    theirs = json.loads(body_of("anthropic_messages"))
    message = {"role": "assistant", "content": theirs["content"][0]["text"]}
    choice = {"index": 0, "message": message, "finish_reason": "length"}
    answer = {"choices": [choice], "usage": chat_usage(theirs["usage"])}
    return theirs, json.loads(bridge_of(model="tiny").answer(json.dumps(answer).encode()).body)


def test_a_stream_has_the_events_the_text_the_finish_and_the_usage_of_vllms_own() -> None:
    theirs, ours = beside_vllm()
    ours = [event for event in ours if event["type"] != "ping"]
    assert [event["type"] for event in ours] == [event["type"] for event in theirs]
    for one, other in zip(theirs, ours, strict=True):
        if one["type"] == "content_block_delta":
            assert one == other
        elif one["type"] == "message_delta":
            assert one["delta"] == other["delta"]
            assert one["usage"].items() <= other["usage"].items()


def test_a_whole_answer_has_the_text_the_finish_and_the_usage_of_vllms_own() -> None:
    theirs, ours = whole_beside_vllm()
    assert [block["type"] for block in ours["content"]] == ["text"]
    assert theirs["content"][0].items() <= ours["content"][0].items()
    for name in ("type", "role", "model", "stop_reason"):
        assert theirs[name] == ours[name]
    assert theirs["usage"].items() <= ours["usage"].items()


def test_the_page_names_all_that_differs_from_vllms_own() -> None:
    found = {"id"}
    for theirs, ours in (whole_beside_vllm(), beside_vllm()):
        found |= set(members(ours)) ^ set(members(theirs))
    theirs, ours = beside_vllm()
    found |= {event["type"] for event in ours} ^ {event["type"] for event in theirs}
    assert found == documented() - {"message_start"}


#: How the two converters differ, by recording.
DIFFERENCES = {
    "chat_n2_stream": "the other converter mixes the text of both choices, ours takes the first",
    # Anthropic ends a block before the next one begins.
    "chat_tool_call_auto_two_calls_stream": "the other one ends all calls as the last one",
    "chat_tools_required_stream": "the other one ends all calls as the last one",
}


@pytest.mark.parametrize("name", CHATS)
def test_another_converter_has_the_same_events(name: str) -> None:
    chunks = re.findall(r"^data: (\{.+)$", CHATS[name], re.MULTILINE)
    converted = linguafranca.convert_response_stream_json(
        list(map(json.loads, chunks)),
        source_format=linguafranca.FormatName.OPENAI_CHAT_COMPLETIONS,
        target_format=linguafranca.FormatName.ANTHROPIC_MESSAGES,
    )
    theirs, ours = (
        [(event.get("index", -1), event["type"]) for event in events if event["type"] != "ping"]
        for events in (map(dict, converted), streamed(CHATS[name].encode()))
    )
    assert (theirs != ours) == (name in DIFFERENCES)
    if "ends all calls" in DIFFERENCES.get(name, ""):  # but for their ends they are the same
        begun = [
            [event for event in events if event[1] != "content_block_stop"]
            for events in (theirs, ours)
        ]
        assert begun[0] == begun[1]
