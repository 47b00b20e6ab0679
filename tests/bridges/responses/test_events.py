"""The events of a streamed response: which ones, in which order, and when."""

import json
from typing import Any

import pytest

from vast_intercept.bridges.bridge import Record
from vast_intercept.openai_api.error_codes import ErrorCode
from vast_intercept.openai_api.errors import ApiError, bad_gateway, bad_request

from .made import (
    ENCRYPTED,
    LOGPROBS,
    USAGE,
    bridge,
    call,
    chunk,
    events_of,
    stream,
    streamed,
    types,
    usage_chunk,
)

BEGIN = ["created", "in_progress"]
OPEN_TEXT = ["output_item.added", "content_part.added"]
CLOSE_TEXT = ["output_text.done", "content_part.done", "output_item.done"]
TEXT = [*OPEN_TEXT, "output_text.delta", *CLOSE_TEXT]
CALL = [
    "output_item.added",
    "function_call_arguments.delta",
    "function_call_arguments.done",
    "output_item.done",
]
CUSTOM = [name.replace("function_call_arguments", "custom_tool_call_input") for name in CALL]
REASONING = [name.replace("output_text", "reasoning_text") for name in TEXT]
SUMMARY = [
    "output_item.added",
    "reasoning_summary_part.added",
    "reasoning_summary_text.delta",
    "reasoning_summary_text.done",
    "reasoning_summary_part.done",
    "output_item.done",
]
REFUSAL = [name.replace("output_text", "refusal") for name in TEXT]

FIRST = chunk({"role": "assistant", "content": ""})
WEATHER = chunk(call(0, "weather", "{}", id="call_1"))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([chunk({"content": "a"})], TEXT),
        ([chunk({"content": None}), chunk({}), chunk(None), chunk({"content": "a"})], TEXT),
        ([WEATHER], CALL),
        ([chunk({"content": "a"}), WEATHER], TEXT + CALL),
        ([WEATHER, chunk({"content": "a"})], CALL + TEXT),
        ([WEATHER, chunk(call(1, "patch", '{"input":"a"}'))], CALL + CUSTOM),
        ([chunk({"reasoning": "a"}), chunk({"content": "a"})], REASONING + TEXT),
        ([chunk({"reasoning_content": "a"}), WEATHER], REASONING + CALL),
        ([chunk({"refusal": "a"})], REFUSAL),
        (
            [chunk({"content": "a"}), chunk({"refusal": "a"})],
            [*TEXT[:-1], *REFUSAL[1:]],
        ),
        # Nothing at all is an empty message, as with OpenAI.
        ([], OPEN_TEXT + CLOSE_TEXT),
        ([chunk({"reasoning": "a"})], REASONING + OPEN_TEXT + CLOSE_TEXT),
        # Arguments that are missing, or that the server has read already.
        ([chunk(call(0, "weather"))], CALL),
        ([chunk(call(0, "weather", {"a": 1}))], CALL),
        # Pieces that say nothing.
        ([WEATHER, chunk({"tool_calls": []}), chunk({"tool_calls": [{}]}), chunk(call(0))], CALL),
        # Only the first choice counts.
        ([chunk({"content": "b"}, index=1), chunk({"content": "a"})], TEXT),
        ([{"choices": []}, {"choices": None}, {}, chunk({"content": "a"})], TEXT),
    ],
)
def test_what_the_model_says_becomes_these_events(chunks: list[Any], expected: list[str]) -> None:
    events = streamed(bridge(), FIRST, *chunks, chunk({}, "stop"), usage_chunk())
    assert types(events) == [*BEGIN, *expected, "completed"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def test_reasoning_is_a_summary_for_apps_that_ask_for_one() -> None:
    chunks = chunk({"reasoning": "hm"}), chunk({"content": "a"}, "stop")
    events = streamed(bridge(summary="auto", include=(ENCRYPTED,)), *chunks)
    assert types(events) == [*BEGIN, *SUMMARY, *TEXT, "completed"]
    item = events[-1]["response"]["output"][0]
    assert item["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert item["encrypted_content"].startswith("vi1_")
    assert "content" not in item
    plain = streamed(bridge(), *chunks)[-1]["response"]["output"][0]
    assert plain["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert "encrypted_content" not in plain


def test_each_event_leaves_with_the_chunk_that_causes_it() -> None:
    events = bridge().events()
    chunks = [
        FIRST,
        chunk({"reasoning": "a"}),
        chunk({"content": "b"}),
        chunk({"content": "c"}),
        chunk(call(0, "weather", id="1")),
        chunk(call(0, None, "{}")),
        chunk(call(1, "patch", '{"input":"x', id="2")),
        chunk({}, "tool_calls"),
        usage_chunk(),
    ]
    got = [types(events_of(events.feed(stream(each, done=False)))) for each in chunks]
    assert got == [
        BEGIN,
        REASONING[:3],
        REASONING[3:] + TEXT[:3],
        ["output_text.delta"],
        [*CLOSE_TEXT, "output_item.added"],
        ["function_call_arguments.delta"],
        CALL[2:] + CUSTOM[:2],
        CUSTOM[2:],
        [],
    ]
    assert types(events_of(events.end())) == ["completed"]
    assert events.end() == events.feed(stream(FIRST)) == b""


def test_a_failure_may_take_the_place_of_the_end() -> None:
    """The relay asks for that where a response cannot be kept."""
    events = bridge(store=True).events()
    got = events.feed(stream(chunk({"content": "a"}, "stop")))
    assert types(events_of(events.end())) == ["completed"]
    got += events.fail(bad_gateway("full", ErrorCode.SERVER_ERROR))
    numbered = events_of(got)
    assert types(numbered) == [*BEGIN, *TEXT, "error", "failed"]
    assert [event["sequence_number"] for event in numbered] == list(range(len(numbered)))
    assert events.record is None
    assert events.end() == events.fail(bad_gateway("", ErrorCode.VAST_TIMEOUT)) == b""


@pytest.mark.parametrize(
    ("finish", "status", "reason", "item"),
    [
        ("stop", "completed", None, "completed"),
        ("tool_calls", "completed", None, "completed"),
        ("something new", "completed", None, "completed"),
        ("length", "incomplete", "max_output_tokens", "incomplete"),
        ("content_filter", "incomplete", "content_filter", "incomplete"),
    ],
)
@pytest.mark.parametrize("said", [{"content": "a"}, call(0, "weather", "{"), call(0, "patch", "{")])
def test_how_a_response_ends(
    finish: str, status: str, reason: str | None, item: str, said: Any
) -> None:
    events = streamed(bridge(), chunk(said, finish), usage_chunk())
    response = events[-1]["response"]
    assert events[-1]["type"] == f"response.{response['status']}" == f"response.{status}"
    assert (response["incomplete_details"] or {}).get("reason") == reason
    assert response["completed_at"] == (1_700_000_009 if status == "completed" else None)
    assert [each["status"] for each in response["output"]] == [item]
    assert events[-2]["item"] == response["output"][0]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (USAGE, (7, 3, 5, 2, 12)),
        ({"prompt_tokens": 7, "completion_tokens": 5}, (7, 0, 5, 0, 12)),
        ({"prompt_tokens": 7, "prompt_tokens_details": None}, (7, 0, 0, 0, 7)),
        (None, (0, 0, 0, 0, 0)),
        ({"prompt_tokens": -1}, (0, 0, 0, 0, 0)),
        ("many", (0, 0, 0, 0, 0)),
    ],
)
def test_usage(usage: Any, expected: tuple[int, ...]) -> None:
    said = streamed(bridge(), chunk({"content": "a"}, "stop"), usage_chunk(usage))[-1]["response"]
    assert said["usage"] == {
        "input_tokens": expected[0],
        "input_tokens_details": {"cached_tokens": expected[1], "cache_write_tokens": 0},
        "output_tokens": expected[2],
        "output_tokens_details": {"reasoning_tokens": expected[3]},
        "total_tokens": expected[4],
    }


def items_of(*chunks: Any) -> list[dict[str, Any]]:
    events = streamed(bridge(), *chunks, chunk({}, "tool_calls"))
    output: list[dict[str, Any]] = events[-1]["response"]["output"]
    return output


def test_calls_have_the_names_and_ids_that_the_app_knows() -> None:
    items = items_of(
        chunk(call(0, "team__list", "{}", id="chatcmpl-tool-1")),
        chunk(call(1, "patch", '{"input":"x"}', id="chatcmpl-tool-2")),
        chunk(call(2, "unheard_of", "[")),
        chunk(call(3, "weather", "{}", id="chatcmpl-tool-1")),
    )
    shown = [(i["type"], i.get("namespace"), i["name"], i["id"][:4], i["call_id"]) for i in items]
    assert shown == [
        ("function_call", "team", "list", "fc_0", "chatcmpl-tool-1"),
        ("custom_tool_call", None, "patch", "ctc_", "chatcmpl-tool-2"),
        ("function_call", None, "unheard_of", "fc_0", "call_012300002"),
        ("function_call", None, "weather", "fc_0", "call_012300003"),
    ]
    assert [item.get("arguments", item.get("input")) for item in items] == ["{}", "x", "[", "{}"]
    assert len({item["id"] for item in items}) == 4


@pytest.mark.parametrize(
    "pieces",
    [
        # As vLLM does.
        [
            call(0, "weather", id="1"),
            call(0, None, "{}"),
            call(1, "patch", id="2"),
            call(1, None, "{}"),
        ],
        # All in one piece.
        [
            {
                "tool_calls": [
                    *call(0, "weather", "{}")["tool_calls"],
                    *call(1, "patch", "{}")["tool_calls"],
                ]
            }
        ],
        # Without an index.
        [call(None, "weather", id="1"), call(None, None, "{}"), call(None, "patch", "{}", id="2")],
        [call(None, "weather", "{}"), call(None, "patch", "{"), call(None, None, "}")],
        [
            call(None, "weather", "{", id="1"),
            call(None, None, "}", id="1"),
            call(None, "patch", "{}"),
        ],
        # The same index for all, or id and name in each piece.
        [call(0, "weather", "{}", id="1"), call(0, "patch", "{}", id="2")],
        [call(0, "weather", "{", id="1"), call(0, "weather", "}", id="1"), call(1, "patch", "{}")],
        # A name that comes late.
        [call(0, None, "{", id="1"), call(0, "weather", "}"), call(1, "patch", "{}")],
    ],
)
def test_pieces_of_calls_find_each_other(pieces: list[Any]) -> None:
    items = items_of(*map(chunk, pieces))
    assert [(i["name"], i.get("arguments", i.get("input"))) for i in items] == [
        ("weather", "{}"),
        ("patch", "{}"),
    ]


def test_log_probabilities_are_there_for_apps_that_ask() -> None:
    top = [{"token": "a", "logprob": -0.5, "bytes": None}]
    token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": top}
    half = {"token": "\\x", "logprob": -1.0, "bytes": None, "top_logprobs": []}
    chunks = [
        chunk({"content": "a"}, logprobs={"content": [token]}),
        chunk({"content": ""}, logprobs={"content": [half]}),
        chunk({"content": "é"}, logprobs={"content": [token]}),
        chunk({}, "stop", logprobs={"content": [half]}),
    ]
    events = streamed(bridge(include=(LOGPROBS,)), *chunks)
    numbers = [len(e["logprobs"]) for e in events if e["type"].endswith("output_text.delta")]
    assert numbers == [1, 2]
    part = events[-1]["response"]["output"][0]["content"][0]
    assert [each["token"] for each in part["logprobs"]] == ["a", "\\x", "a", "\\x"]
    assert part["logprobs"][0]["top_logprobs"] == [{**top[0], "bytes": []}]
    (text,) = streamed(bridge(), *chunks)[-1]["response"]["output"][0]["content"]
    assert text["logprobs"] == []


def test_the_response_repeats_what_was_asked() -> None:
    asked = {"temperature": 0.5, "metadata": {"a": "b"}, "user": "me", "store": False}
    for event in streamed(bridge(echoed=asked), chunk({"content": "a"}, "stop")):
        if response := event.get("response"):
            assert asked.items() <= response.items()
            assert response["model"] == "gpt-5"
            assert response["background"] is False
            assert response["truncation"] == "disabled"


def test_what_is_stored_is_the_response_that_the_app_got() -> None:
    events = bridge(store=True).events()
    events.feed(stream(chunk({"content": "a"}, "length")))
    assert events.record is None
    (last,) = events_of(events.end())
    assert isinstance(events.record, Record)
    assert (events.record.id, events.record.previous) == ("resp_0123", "resp_before")
    assert json.loads(events.record.response) == last["response"]
    assert b"msg_asked" in events.record.items


@pytest.mark.parametrize(
    ("chunks", "done"),
    [
        ([], True),
        ([], False),
        ([FIRST], True),
        ([FIRST, chunk({"content": "a"})], False),
        ([FIRST, chunk(call(0, "weather", '{"ci'))], True),
        ([FIRST, chunk({"content": "a"}), {"error": {"message": "died", "code": 500}}], True),
        ([FIRST, chunk({"content": "a"}, index=1), chunk({}, "stop", index=1)], True),
    ],
)
def test_a_stream_that_is_cut_fails(chunks: list[Any], done: bool) -> None:
    events = bridge(store=True).events()
    got = events_of(events.feed(stream(*chunks, done=done)) + events.end())
    assert types(got)[:2] == BEGIN
    assert types(got)[-2:] == ["error", "failed"]
    assert not {"completed", "incomplete"} & set(types(got))
    assert got[-2]["code"] == got[-2]["error"]["code"] == "vast_disconnected"
    assert got[-1]["response"]["status"] == "failed"
    assert got[-1]["response"]["error"]["code"] == "server_error"
    assert events.record is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (bad_gateway("x", ErrorCode.VAST_TIMEOUT), "server_error"),
        (bad_gateway("x", ErrorCode.RATE_LIMIT_EXCEEDED, 429), "rate_limit_exceeded"),
    ],
)
@pytest.mark.parametrize("fed", [[], [FIRST], [chunk({"content": "a"})]])
def test_an_error_ends_the_stream_wherever_it_is(
    error: ApiError, code: str, fed: list[Any]
) -> None:
    events = bridge().events()
    before = events.keep_alive() + b"".join(events.feed(stream(each, done=False)) for each in fed)
    got = events_of(before + events.fail(error))
    assert types(got)[:2] == BEGIN
    assert types(got)[-2:] == ["error", "failed"]
    assert [event["sequence_number"] for event in got] == list(range(len(got)))
    assert got[-2]["message"] == got[-2]["error"]["message"] == error.message
    assert got[-1]["response"]["error"] == {"code": code, "message": "x"}
    assert events.end() == events.feed(stream(FIRST)) == b""


def test_a_prompt_that_is_too_long_is_told_in_the_word_that_apps_look_for() -> None:
    # Not in the list of the `openai` package, but what OpenAI sends and Codex reads.
    error = bad_request("too long", ErrorCode.CONTEXT_LENGTH_EXCEEDED)
    written = bridge().events().fail(error)
    assert json.loads(written.rstrip().rpartition(b"data: ")[2])["response"]["error"] == {
        "code": "context_length_exceeded",
        "message": "too long",
    }


@pytest.mark.parametrize(
    "odd",
    [
        b"data: [1]\n\n",
        b"data: nothing\n\n",
        b'data: {"choices": 5}\n\n',
        stream(chunk({"content": 5}), done=False),
        stream(chunk({"tool_calls": [5]}), done=False),
        stream(chunk(call(0, None, "{}")), chunk({}, "stop")),
        stream(WEATHER, chunk({"content": "a"}), chunk(call(0, None, "more")), done=False),
        stream(WEATHER, chunk(call(1, "patch")), chunk(call(0, None, "more")), done=False),
        stream(*(chunk(call(n, "weather", "{}")) for n in range(1_001)), done=False),
        stream(chunk({"content": "a" * 5_000_000}), chunk({"content": "a" * 5_000_000})),
        stream(chunk({"content": "a"}, "abort")),
        b'data: {"choices": [{"delta": {"content": "' + b"a" * 9_000_000,
    ],
)
def test_what_cannot_be_understood_fails_the_response(odd: bytes) -> None:
    events = bridge(store=True).events()
    with pytest.raises(ApiError) as failed:
        events.feed(stream(FIRST, done=False) + odd)
    assert failed.value.status == 502
    assert events.feed(stream(chunk({"content": "a"}, "stop"))) == b""
    got = types(events_of(events.end()))
    assert got[:2] == BEGIN
    assert got[-2:] == ["error", "failed"]
    assert events.record is None


def test_comments_and_other_line_ends_do_no_harm() -> None:
    plain = stream(chunk({"content": "a"}, "stop"))
    for odd in (
        b": hi\n\n" + plain,
        plain.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + plain,
        b"event: message\n" + plain,
        plain.replace(b"data: ", b"data:"),
        plain + stream(chunk({"content": "b"}), done=False),
        b"event: error\ndata: boom\n\n" + plain,
    ):
        events = bridge().events()
        assert types(events_of(events.feed(odd) + events.end())) == [*BEGIN, *TEXT, "completed"]
