"""Streams of the Responses API that go wrong on the way from Vast, or take their time."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from ..harness import Interceptor, StandIn

URL = "https://api.openai.com/v1/responses"
CHUNKS = {"chunks": 20}


@pytest.fixture
def play(mitmdump: Interceptor, standin: StandIn) -> Iterator[Any]:
    """Has the model answer by a turn of the script, and ends that."""
    del mitmdump
    yield standin.play
    standin.end_script()


def events() -> list[dict[str, Any]]:
    """The events of a streamed response, whatever has become of it."""
    asked = {"model": "gpt-5", "input": "hi", "stream": True}
    with requests.post(URL, json=asked, timeout=30) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        blocks = answer.content.decode().split("\n\n")
    data = [block.partition("data: ")[2] for block in blocks if block and block[0] != ":"]
    return [json.loads(each) for each in data]


@pytest.mark.parametrize("fault", ["cut", "cut_mid_event", "end_early", "engine_dead"])
def test_a_stream_that_breaks_off_fails(fault: str, play: Any) -> None:
    play({**CHUNKS, "fault": fault, "after": 5})
    got = events()
    kinds = [event["type"] for event in got]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert "response.output_text.delta" in kinds
    assert kinds[-2:] == ["error", "response.failed"]
    assert [event["sequence_number"] for event in got] == list(range(len(got)))
    assert got[-2]["error"]["message"]
    assert got[-1]["response"]["status"] == "failed"


@pytest.mark.parametrize("fault", ["no_done", "split", "linger", "cut_behind_done"])
def test_a_stream_that_only_looks_odd_is_complete(fault: str, play: Any) -> None:
    play({**CHUNKS, "fault": fault})
    got = events()
    assert got[-1]["type"] == "response.completed"
    (item,) = got[-1]["response"]["output"]
    text = "".join(event.get("delta", "") for event in got)
    assert item["content"][0]["text"] == text == "".join(f"w{n} " for n in range(20))


def test_an_event_leaves_while_the_next_one_is_not_there(play: Any, standin: StandIn) -> None:
    play({**CHUNKS, "gate": "response"})
    asked = {"model": "gpt-5", "input": "hi", "stream": True}
    with requests.post(URL, json=asked, timeout=30, stream=True) as answer:
        lines = answer.iter_lines()
        standin.open_gate("response")  # for the first text; the role's chunk needs no opening
        while next(lines) != b"event: response.output_text.delta":
            pass
        assert b'"delta":"w0 "' in next(lines)
        for _ in range(25):
            standin.open_gate("response")
        assert b"event: response.completed" in list(lines)


def test_a_call_that_has_to_wait_gets_comments(
    intercepting: Callable[..., Interceptor], vast: StandIn
) -> None:
    intercepting(timeout={}, keepalive=0.2)
    vast.play({"text": "at last", "gate": "wait"})
    vast.shut_gate("wait")
    asked = {"model": "gpt-5", "input": "hi", "stream": True}
    try:
        with requests.post(URL, json=asked, timeout=30, stream=True) as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith(b":")
            for _ in range(10):
                vast.open_gate("wait")
            assert b"event: response.completed" in list(lines)
    finally:
        vast.end_script()
