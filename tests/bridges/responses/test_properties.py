"""What holds of any answer, however it is cut and whatever is in it."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api.errors import ApiError

from .made import ENCRYPTED, answered, bridge, call, chunk, events_of, stream, usage_chunk

TEXT = st.text(min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
# JSON in the fields that are read, of the right type or not.
FIELDS = st.recursive(
    JSON,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            name: inner | st.lists(inner, max_size=2)
            for name in (
                *("choices", "usage", "error", "index", "delta", "message", "finish_reason"),
                *("content", "refusal", "reasoning", "reasoning_content", "tool_calls", "id"),
                *("function", "name", "arguments", "logprobs", "prompt_tokens"),
            )
        },
    ),
    max_leaves=25,
)
DELTAS = st.builds(
    dict,
    content=st.none() | st.text(max_size=3),
    reasoning=st.none() | st.text(max_size=3),
    refusal=st.none() | st.text(max_size=3),
    tool_calls=st.none()
    | st.lists(
        st.builds(
            dict,
            index=st.none() | st.integers(0, 2),
            id=st.none() | st.sampled_from(["a", "b", ""]),
            function=st.none()
            | st.builds(
                dict,
                name=st.none() | st.sampled_from(["weather", "patch", "other"]),
                arguments=st.none() | st.sampled_from(["", '{"input": "', "x", '\\n"}', "{}"]),
            ),
        ),
        max_size=2,
    ),
)
CHUNKS = st.builds(
    lambda deltas, finish: [*map(chunk, deltas), *([chunk({}, finish)] if finish else [])],
    st.lists(DELTAS, max_size=6),
    st.sampled_from([None, "stop", "length", "tool_calls", "abort"]),
)


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


def written_for(*pieces: bytes, **asked: Any) -> bytes:
    events = bridge(**asked).events()
    written = b""
    try:
        for piece in pieces:
            written += events.feed(piece)
    except ApiError:
        pass
    return written + events.end()


@given(CHUNKS, st.lists(st.integers(0, 5_000)), st.sampled_from(["\n", "\r\n"]))
def test_the_events_do_not_depend_on_how_the_stream_is_cut(
    chunks: list[Any], cuts: list[int], line_end: str
) -> None:
    data = stream(*chunks).replace(b"\n", line_end.encode())
    assert written_for(*pieces_of(data, cuts)) == written_for(stream(*chunks))


def check_order(events: list[dict[str, Any]]) -> None:
    """Whatever is added grows by its own deltas, is done once, and is then not heard of again."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds[:2] == ["created", "in_progress"]
    ends = {"completed", "incomplete", "failed"}
    assert [kind for kind in kinds if kind in ends] == kinds[-1:]
    opened: list[str] = []
    added = 0
    for kind, event in zip(kinds[2:-1], events[2:-1], strict=True):
        if kind == "error":
            assert kinds[-1] == "failed"
            return
        if kind == "output_item.added":
            assert not opened
            assert event["output_index"] == added
            opened, added = ["output_item"], added + 1
        elif kind.endswith("part.added"):
            opened.append(kind.removesuffix(".added"))
            assert len(opened) == 2
        elif kind.endswith("part.done") or kind == "output_item.done":
            assert opened.pop() == kind.removesuffix(".done")
        else:
            assert opened[-1] == ("output_item" if "call" in kind else opened[1])
        assert event["output_index"] == added - 1
    assert not opened
    assert len(events[-1]["response"]["output"]) == added


@given(CHUNKS)
def test_the_events_keep_their_order(chunks: list[Any]) -> None:
    check_order(events_of(written_for(stream(*chunks))))


@given(st.lists(FIELDS, max_size=3))
def test_any_json_in_the_stream_gives_events(chunks: list[Any]) -> None:
    check_order(events_of(written_for(stream(*chunks))))


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_any_bytes_in_the_stream_give_events(data: bytes, cuts: list[int]) -> None:
    check_order(events_of(written_for(*pieces_of(data, cuts))))


@given(FIELDS)
def test_any_json_is_a_response_or_an_error(body: Any) -> None:
    try:
        answer = bridge().answer(json.dumps(body).encode()).body
    except ApiError as error:
        answer = error.body()
    assert {"object", "error"} & json.loads(answer).keys()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"index": 1, "message": {"content": "a"}}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"tool_calls": [{"id": "a"}]}}]}',
        b'{"choices": [{"message": {"content": "a"}, "finish_reason": "error"}]}',
        b'{"choices": [{"message": {"content": "\xff"}}]}',
        b"[" * 100_000,
        b" " * 9_000_000,
        b'{"choices": [' + b"{}," * 200_000 + b"{}]}",
    ],
)
def test_what_is_no_chat_completion_is_an_error(body: bytes) -> None:
    with pytest.raises(ApiError) as failed:
        bridge(store=True).answer(body)
    assert failed.value.status == 502


def collected(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The output as an SDK puts it together from what is added and what the deltas add."""
    output: list[dict[str, Any]] = []
    for event in events:
        kind = event["type"].removeprefix("response.")
        if kind == "output_item.added":
            output.append(json.loads(json.dumps(event["item"])))
            continue
        if "output_index" not in event:
            continue
        item = output[event["output_index"]]
        if kind == "content_part.added":
            item.setdefault("content", []).append(dict(event["part"]))
        elif kind == "reasoning_summary_part.added":
            item["summary"].append(dict(event["part"]))
        elif kind in {"function_call_arguments.delta", "custom_tool_call_input.delta"}:
            item["arguments" if "arguments" in item else "input"] += event["delta"]
        elif kind.endswith(".delta"):
            parts = item["content"] if "content_index" in event else item["summary"]
            part = parts[event.get("content_index", event.get("summary_index"))]
            part["text" if "text" in part else "refusal"] += event["delta"]
        elif kind == "output_item.done":
            item["status"] = event["item"].get("status")
            item["encrypted_content"] = event["item"].get("encrypted_content")
    return output


@given(
    st.lists(TEXT, max_size=3),
    st.lists(TEXT, max_size=3),
    st.lists(TEXT, max_size=2),
    st.lists(st.tuples(st.sampled_from(["weather", "patch", "team__list"]), TEXT), max_size=3),
    st.sampled_from(["stop", "length", "content_filter"]),
    st.sampled_from([None, "auto"]),
)
def test_the_events_add_up_to_the_whole_answer(
    reasoning: list[str],
    content: list[str],
    refusal: list[str],
    calls: list[tuple[str, str]],
    finish: str,
    summary: str | None,
) -> None:
    called = [(name, json.dumps({"input": text}), f"id{n}") for n, (name, text) in enumerate(calls)]
    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"reasoning": text}) for text in reasoning]
    chunks += [chunk({"content": text}) for text in content]
    chunks += [chunk({"refusal": text}) for text in refusal]
    for n, (name, arguments, call_id) in enumerate(called):
        chunks.append(chunk(call(n, name, id=call_id)))
        chunks += [chunk(call(n, None, each)) for each in arguments]
    message = {
        "content": "".join(content) or None,
        "refusal": "".join(refusal) or None,
        "reasoning": "".join(reasoning),
        "tool_calls": [
            {"id": call_id, "function": {"name": name, "arguments": arguments}}
            for name, arguments, call_id in called
        ],
    }
    asked = bridge(summary=summary, include=(ENCRYPTED,), store=True)
    whole = answered(asked, message, finish)
    written = asked.events()
    got = events_of(written.feed(stream(*chunks, chunk({}, finish), usage_chunk())) + written.end())
    assert got[-1]["response"] == whole
    for item in whole["output"]:
        item.setdefault("status", None)
        item.setdefault("encrypted_content", None)
    assert collected(got) == whole["output"]
