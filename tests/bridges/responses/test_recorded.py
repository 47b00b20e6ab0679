"""Recorded answers: beside vLLM's own Responses server, and beside another converter."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import linguafranca
import pytest

from ...harness import PROJECT
from .made import LOGPROBS, answered, bridge, call, chunk, streamed, types, usage_chunk

RECORDED = Path(__file__).parents[2] / "recorded"
PAGE = (PROJECT / "docs" / "calls.md").read_text("utf-8")
# What is another one in each answer.
OWN = {"id", "item_id", "created_at"}


def recordings(pattern: str) -> dict[str, dict[str, Any]]:
    read = {path.stem: json.loads(path.read_text("utf-8")) for path in RECORDED.glob(pattern)}
    return {name: each for name, each in sorted(read.items()) if each["response"]["status"] == 200}


RESPONSES = recordings("*responses_*.json")
STREAMED = {n: each for n, each in RESPONSES.items() if '"stream": true' in each["request"]["body"]}
WHOLE = {n: each for n, each in RESPONSES.items() if n not in STREAMED}
CHATS = {
    n: each
    for n, each in recordings("chat_*_stream*.json").items()
    if each["response"]["body"].startswith("data:")
} | recordings("chat_stream*.json")


def documented(page: str) -> set[str]:
    """The fields in the first column of the page's table of differences."""
    table = page.partition("## Responses, beside vLLM's own\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def differences(theirs: Any, ours: Any, name: str = "") -> Iterator[str]:
    """The names of the fields in which two values of JSON differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in theirs.keys() | ours.keys():
            if key not in theirs or key not in ours:
                yield key
            elif key not in OWN:
                yield from differences(theirs[key], ours[key], key)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for one, other in zip(theirs, ours, strict=True):
            yield from differences(one, other, name)
    elif theirs != ours:
        yield name


def own_events(recorded: dict[str, Any]) -> list[dict[str, Any]]:
    body = recorded["response"]["body"]
    return [json.loads(data) for data in re.findall(r"^data: (.+)$", body, re.MULTILINE)]


def asked_as(recorded: dict[str, Any], response: dict[str, Any]) -> Any:
    """The bridge of a call that asked for what the recorded one did."""
    asked = json.loads(recorded["request"]["body"])
    repeated = {name: response[name] for name in asked.keys() & response.keys()}
    return bridge(include=tuple(asked.get("include", ())), echoed=repeated)


def chat_usage(usage: dict[str, Any]) -> dict[str, Any]:
    details = {"cached_tokens": usage["input_tokens_details"]["cached_tokens"]}
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "prompt_tokens_details": details,
    }


def as_chat(events: list[dict[str, Any]]) -> Iterator[Any]:
    """A chat stream that says the same as vLLM's events."""
    yield chunk({"role": "assistant", "content": ""})
    for event in events:
        item = event.get("item", {})
        if event["type"] == "response.output_text.delta":
            yield chunk({"content": event["delta"]})
        elif event["type"] == "response.function_call_arguments.delta":
            yield chunk(call(event["output_index"], None, event["delta"]))
        elif event["type"].endswith("item.added") and item["type"] == "function_call":
            index, call_id = event["output_index"], item["call_id"]
            yield chunk(call(index, item["name"], id=call_id, type="function"))
    response = events[-1]["response"]
    yield chunk({}, "length" if response["incomplete_details"] else "stop")
    yield usage_chunk(chat_usage(response["usage"]))


def beside_vllm(name: str) -> tuple[Any, Any]:
    """vLLM's own answer, and ours for the same text and tool calls."""
    recorded = RESPONSES[name]
    if name in STREAMED:
        events = own_events(recorded)
        asked = asked_as(recorded, events[-1]["response"])
        return events, streamed(asked, *as_chat(events))
    response = json.loads(recorded["response"]["body"])
    (item,) = response["output"]
    (part,) = item["content"]
    return response, answered(
        asked_as(recorded, response),
        {"role": "assistant", "content": part["text"]},
        "length" if response["incomplete_details"] else "stop",
        logprobs=part["logprobs"] and {"content": part["logprobs"]},
        usage=chat_usage(response["usage"]),
    )


def test_there_are_recordings_of_each_kind() -> None:
    assert len(STREAMED) >= 4
    assert len(WHOLE) >= 7
    assert len(CHATS) >= 10


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_has_the_events_of_vllms_own(name: str) -> None:
    theirs, ours = beside_vllm(name)
    assert types(theirs)[:-1] == types(ours)[:-1]
    assert theirs[-1]["response"]["status"] == ours[-1]["type"].removeprefix("response.")


@pytest.mark.parametrize("name", RESPONSES)
def test_an_answer_has_the_items_the_finish_and_the_usage_of_vllms_own(name: str) -> None:
    theirs, ours = beside_vllm(name)
    if name in STREAMED:
        theirs, ours = theirs[-1]["response"], ours[-1]["response"]
    kinds = [
        [(item["type"], [part["type"] for part in item.get("content", ())]) for item in each]
        for each in (theirs["output"], ours["output"])
    ]
    assert kinds[0] == kinds[1]
    for field in ("status", "incomplete_details"):
        assert theirs[field] == ours[field]
    for field in ("input_tokens", "output_tokens", "total_tokens"):
        assert theirs["usage"][field] == ours["usage"][field]


def test_the_page_names_all_that_differs_from_vllms_own() -> None:
    found = {field for name in RESPONSES for field in differences(*beside_vllm(name))}
    assert found == documented(PAGE)


def beside_linguafranca(name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events of another converter, and ours, for a recorded chat stream."""
    body = CHATS[name]["response"]["body"]
    chunks = [json.loads(data) for data in re.findall(r"^data: (\{.+)$", body, re.MULTILINE)]
    theirs = linguafranca.convert_response_stream_json(
        chunks,
        source_format=linguafranca.FormatName.OPENAI_CHAT_COMPLETIONS,
        target_format=linguafranca.FormatName.OPEN_RESPONSES,
    )
    return [dict(event) for event in theirs], streamed(bridge(include=(LOGPROBS,)), *chunks)


#: How the two differ, by recording.
DIFFERENCES = {
    "chat_n2_stream": "the other converter mixes the text of both choices, ours takes the first",
    # OpenAI ends a call when the next one begins: an app can make it meanwhile.
    "chat_tool_call_auto_two_calls_stream": "the other one ends no call before all have begun",
    "chat_tools_required_stream": "the other one ends no call before all have begun",
}


@pytest.mark.parametrize("name", CHATS)
def test_another_converter_has_the_same_events(name: str) -> None:
    theirs, ours = (
        [(event.get("output_index", -1), event["type"]) for event in each]
        for each in beside_linguafranca(name)
    )
    assert (theirs != ours) == (name in DIFFERENCES)
    if "no call" in DIFFERENCES.get(name, ""):  # item by item they are the same
        assert sorted(theirs, key=_item) == sorted(ours, key=_item)


def _item(event: tuple[int, str]) -> int:
    return event[0]
