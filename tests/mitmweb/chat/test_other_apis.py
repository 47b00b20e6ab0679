"""Requests and answers of the Responses and Messages APIs in the chat view."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.mitmweb.chat.contentview import ChatContentview

from .recorded import flow_of, metadata_of
from .test_contentview import (
    JSON,
    best_of,
    show_both,
    shown_answer,
    shown_request,
    without_blanks,
)

VIEW = ChatContentview()
EVENTS = "text/event-stream"


def events(*each: dict[str, Any]) -> bytes:
    """Named events, as both APIs send them."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (one["type"].encode(), json.dumps(one).encode())
        for one in each
    )


class TestResponsesRequests:
    def test_as_a_transcript(self) -> None:
        shown = shown_request(
            {
                "model": "gpt-5",
                "stream": True,
                "store": False,
                "parallel_tool_calls": True,
                "reasoning": {"effort": "low", "summary": None},
                "text": {"format": {"type": "json_schema", "name": "weather", "schema": {}}},
                "previous_response_id": "resp_1",
                "instructions": "Be kind.",
                "input": [
                    {"role": "developer", "content": "Be short."},
                    {"type": "message", "role": "user", "content": [
                        {"type": "input_text", "text": "What is this?"},
                        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
                    ]},
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                    {"type": "reasoning", "summary": [], "encrypted_content": "x" * 1_000},
                    {"type": "message", "role": "assistant",
                     "content": [{"type": "output_text", "text": "I look."}]},
                    {"type": "function_call", "call_id": "call_1", "name": "look",
                     "arguments": '{"n": 1.10}'},
                    {"type": "custom_tool_call", "call_id": "call_2", "name": "patch",
                     "input": "*** Begin\nx"},
                    {"type": "function_call_output", "call_id": "call_1", "output": "a cat"},
                    {"type": "custom_tool_call_output", "call_id": "call_2",
                     "output": [{"type": "input_text", "text": "done"}]},
                    {"type": "item_reference", "id": "msg_1"},
                ],
                "tools": [
                    {"type": "function", "name": "look", "description": "Looks.\nFor long.",
                     "parameters": {"type": "object", "required": ["n"],
                                    "properties": {"n": {"type": "number"}}}},
                    {"type": "custom", "name": "patch", "description": "Edits a file."},
                    {"type": "namespace", "name": "web",
                     "tools": [{"type": "function", "name": "open", "parameters": None}]},
                    {"type": "web_search"},
                ],
            },
            "/v1/responses",
        )  # fmt: skip
        assert shown.split("\n") == (
            [
                (
                    "gpt-5 · stream · store=false · reasoning.effort=low"
                    " · text.format=json_schema weather · previous_response_id=resp_1"
                ),
                "",
                "instructions",
                "  Be kind.",
                "",
                "developer",
                "  Be short.",
                "",
                "user",
                "  What is this?",
                "  [image: image/png, 3 bytes]",
                "",
                "assistant",
                "  reasoning",
                "    hm",
                "",
                "  reasoning",
                "    [encrypted, 1,000 characters]",
                "",
                "  I look.",
                "",
                "  → look (call_1)",
                "    {",
                '      "n": 1.10',
                "    }",
                "",
                "  → patch (call_2)",
                "    *** Begin",
                "    x",
                "",
                "tool (call_1)",
                "  a cat",
                "",
                "tool (call_2)",
                "  done",
                "",
                "item reference",
                "  msg_1",
                "",
                "tools",
                "  look(n: number): Looks.",
                "  patch(any text): Edits a file.",
                "  web.open()",
                '  {"type":"web_search"}',
            ]
        )

    def test_of_a_text(self) -> None:
        shown = shown_request({"model": "m", "input": "Hello.", "store": True}, "/v1/responses")
        assert shown == "m\n\nuser\n  Hello."

    def test_that_only_goes_on(self) -> None:
        shown = shown_request({"model": "m", "previous_response_id": "resp_1"}, "/v1/responses")
        assert shown == "m · previous_response_id=resp_1"

    def test_tools_that_come_in_between(self) -> None:
        tools = [{"type": "custom", "name": "exec", "description": "Runs."}]
        shown = shown_request({"input": [{"type": "additional_tools", "tools": tools}]})
        assert shown == "no model\n\nadditional tools\n  exec(any text): Runs."


class TestMessagesRequests:
    def test_as_a_transcript(self) -> None:
        shown = shown_request(
            {
                "model": "claude-sonnet-4-5",
                "max_tokens": 100,
                "system": [{"type": "text", "text": "Be kind.", "cache_control": {}}],
                "thinking": {"type": "adaptive"},
                "messages": [
                    {"role": "user", "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image", "source": {
                            "type": "base64", "media_type": "image/png", "data": "AAAA"}},
                    ]},
                    {"role": "assistant", "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "s"},
                        {"type": "redacted_thinking", "data": "x"},
                        {"type": "text", "text": "I look."},
                        {"type": "tool_use", "id": "t1", "name": "look", "input": {"n": 1}},
                        {"type": "tool_use", "id": "t2", "name": "wait", "input": {}},
                    ]},
                    {"role": "user", "content": [
                        {"type": "tool_result", "tool_use_id": "t1", "content": "a cat"},
                        {"type": "tool_result", "tool_use_id": "t2", "is_error": True,
                         "content": [{"type": "text", "text": "no"}]},
                        {"type": "text", "text": "Go on."},
                    ]},
                ],
                "tools": [
                    {"name": "look", "description": "Looks.", "input_schema": {
                        "type": "object", "properties": {"n": {"type": "integer"}}}},
                ],
            },
            "/v1/messages",
        )  # fmt: skip
        assert shown.split("\n") == (
            [
                "claude-sonnet-4-5 · max_tokens=100 · thinking=adaptive",
                "",
                "system",
                "  Be kind.",
                "",
                "user",
                "  What is this?",
                "  [image: image/png, 3 bytes]",
                "",
                "assistant",
                "  reasoning",
                "    hm",
                "",
                "  reasoning",
                "    [redacted]",
                "",
                "  I look.",
                "",
                "  → look (t1)",
                "    {",
                '      "n": 1',
                "    }",
                "",
                "  → wait (t2)",
                "",
                "tool (t1)",
                "  a cat",
                "",
                "tool (t2, error)",
                "  no",
                "",
                "user",
                "  Go on.",
                "",
                "tools",
                "  look(n?: integer): Looks.",
            ]
        )


OUTPUT: list[dict[str, Any]] = [
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"type": "message", "id": "msg_1", "role": "assistant", "content": [
        {"type": "output_text", "text": "Hello."}, {"type": "refusal", "refusal": "No."},
    ]},
    {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
    {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "never JSON {"},
    {"type": "web_search_call", "id": "ws_1"},
]  # fmt: skip
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "model": "m",
    "status": "completed",
    "output": OUTPUT,
    "instructions": "Be kind.",
    "prompt": None,
    "usage": {
        "input_tokens": 1_200,
        "input_tokens_details": {"cached_tokens": 1_000},
        "output_tokens": 34,
        "output_tokens_details": {"reasoning_tokens": 30},
        "total_tokens": 1_234,
    },
}
SHOWN = """\
assistant · finished: completed
  reasoning
    hm

  Hello.

  refusal
    No.

  → f (c1)
    {
      "a": 1
    }

  → g (c2)
    never JSON {

  [{"type":"web_search_call","id":"ws_1"}]

1,200 + 34 tokens (1,000 cached, 30 of reasoning)
model m · answered by api.openai.com · resp_1"""


def begun(**more: Any) -> dict[str, Any]:
    return {**RESPONSE, "status": "in_progress", "output": [], "usage": None, **more}


def piece(kind: str, output_index: int, delta: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": output_index, "delta": delta, **more}


def added(output_index: int, **item: Any) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": output_index, "item": item}


PIECES = [
    {"type": "response.created", "response": begun()},
    {"type": "response.in_progress", "response": begun()},
    added(0, type="reasoning", summary=[]),
    piece("reasoning_summary_text", 0, "h", summary_index=0),
    piece("reasoning_summary_text", 0, "m", summary_index=0),
    added(1, type="message", role="assistant", content=[]),
    piece("output_text", 1, "Hel", content_index=0),
    piece("output_text", 1, "lo.", content_index=0),
    {"type": "response.output_text.done", "output_index": 1, "content_index": 0, "text": "Hello."},
    piece("refusal", 1, "No.", content_index=1),
    added(2, type="function_call", call_id="c1", name="f", arguments=""),
    added(3, type="custom_tool_call", call_id="c2", name="g", input=""),
    piece("function_call_arguments", 2, '{"a"'),
    piece("custom_tool_call_input", 3, "never JSON {"),
    piece("function_call_arguments", 2, ":1}"),
    {"type": "response.output_item.done", "output_index": 4, "item": OUTPUT[4]},
]
STREAM = events(*PIECES, {"type": "response.completed", "response": RESPONSE})


class TestResponses:
    def test_whole(self) -> None:
        assert shown_answer(RESPONSE) == SHOWN

    def test_streamed_is_shown_as_the_same(self) -> None:
        assert shown_answer(STREAM, EVENTS) == SHOWN

    def test_what_came_piece_by_piece_is_as_the_whole(self) -> None:
        end = {"type": "response.completed", "response": {**RESPONSE, "output": []}}
        assert shown_answer(events(*PIECES, end), EVENTS) == SHOWN

    def test_is_no_request(self) -> None:
        """If nobody says which of both it is, as in mitmdump's output of a file."""
        data = json.dumps(RESPONSE).encode()
        assert "Hello." in VIEW.prettify(data, metadata_of(flow_of(b"", b""), None))
        flow = flow_of(data, data)
        assert "Hello." in VIEW.prettify(data, metadata_of(flow, flow.request))

    def test_incomplete(self) -> None:
        details = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        whole = {**RESPONSE, **details}
        head = "assistant · finished: incomplete: max_output_tokens\n"
        assert shown_answer(whole).startswith(head)
        end = {"type": "response.incomplete", "response": whole}
        assert shown_answer(events(*PIECES, end), EVENTS).startswith(head)

    @pytest.mark.parametrize("named", [True, False])
    def test_failed(self, *, named: bool) -> None:
        error = {"code": "vast_disconnected", "message": "It fell."}
        stream = events(
            *PIECES[:8],
            {"type": "error", **error, "param": "input"},
            {"type": "response.failed", "response": begun(status="failed", error=error)},
        )
        if not named:
            stream = b"".join(
                line + b"\n\n" for line in stream.split(b"\n") if line.startswith(b"data")
            )
        shown = shown_answer(stream, EVENTS)
        assert shown.startswith("assistant · finished: failed\n  reasoning\n    hm\n\n  Hello.\n")
        assert "error: vast_disconnected\n  It fell.\n\n  param input\n" in shown
        assert "broken off" not in shown

    def test_failed_within_a_call(self) -> None:
        """The last event has what was complete. What came of the call is shown all the same."""
        error = {"code": "vast_disconnected", "message": "It fell."}
        failed = begun(status="failed", error=error, output=OUTPUT[:2])
        stream = events(*PIECES[:13], {"type": "response.failed", "response": failed})
        assert '→ f (c1)\n    {"a"\n' in shown_answer(stream, EVENTS)
        assert "Hello." in shown_answer(failed)

    def test_cut(self) -> None:
        cut = events(*PIECES[:7])
        flow = flow_of(b"{}", cut, kind=EVENTS)
        shown = VIEW.prettify(cut, metadata_of(flow, flow.response))
        assert "broken off: the stream ended without response.completed" in shown
        assert flow.response
        flow.response.timestamp_end = None
        shown = without_blanks(VIEW.prettify(cut, metadata_of(flow, flow.response)))
        assert "  Hel\n" in shown
        assert "still being generated" in shown
        assert "broken off" not in shown

    def test_of_a_long_stream_the_end_has_all(self) -> None:
        text = [f" word-{number}" for number in range(20_000)]
        deltas = [piece("output_text", 1, word, content_index=0) for word in text]
        message = {"type": "message", "content": [{"type": "output_text", "text": "".join(text)}]}
        end = {"type": "response.completed", "response": {**RESPONSE, "output": [message]}}
        shown = shown_answer(events(PIECES[0], *deltas, end), EVENTS)
        assert "".join(text) in shown
        assert "not shown" not in shown
        shown = shown_answer(events(PIECES[0], *deltas), EVENTS)
        assert " word-0 word-1 " in shown
        assert " […] " in shown
        assert " word-19999" in shown
        assert "bytes in the middle are not shown" in shown


BLOCKS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "text", "text": "Hello."},
    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
]
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": BLOCKS,
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 1_200, "cache_read_input_tokens": 1_000, "output_tokens": 34},
}
SHOWN_MESSAGE = """\
assistant · finished: tool_use
  reasoning
    hm

  Hello.

  → f (t1)
    {
      "a": 1
    }

1,200 + 34 tokens (1,000 cached)
model m · answered by api.openai.com"""


def block(index: int, **content_block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content_block}


def delta(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


MESSAGE_PIECES = [
    {"type": "message_start", "message": {
        **MESSAGE, "content": [], "stop_reason": None,
        "usage": {"input_tokens": 1_200, "cache_read_input_tokens": 1_000, "output_tokens": 1},
    }},
    block(0, type="thinking", thinking="", signature=""),
    {"type": "ping"},
    delta(0, type="thinking_delta", thinking="h"),
    delta(0, type="thinking_delta", thinking="m"),
    delta(0, type="signature_delta", signature="s"),
    stop(0),
    block(1, type="text", text=""),
    delta(1, type="text_delta", text="Hel"),
    delta(1, type="text_delta", text="lo."),
    stop(1),
    block(2, type="tool_use", id="t1", name="f", input={}),
    delta(2, type="input_json_delta", partial_json=""),
    delta(2, type="input_json_delta", partial_json='{"a"'),
    delta(2, type="input_json_delta", partial_json=":1}"),
    stop(2),
    {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None},
     "usage": {"output_tokens": 34}},
]  # fmt: skip


class TestMessages:
    def test_whole(self) -> None:
        assert shown_answer(MESSAGE) == SHOWN_MESSAGE

    def test_streamed_is_shown_as_the_same(self) -> None:
        stream = events(*MESSAGE_PIECES, {"type": "message_stop"})
        assert shown_answer(stream, EVENTS) == SHOWN_MESSAGE

    def test_ended_by_a_text(self) -> None:
        ended = {**MESSAGE, "stop_reason": "stop_sequence", "stop_sequence": "END"}
        assert "finished: stop_sequence: 'END'" in shown_answer(ended)

    def test_cut(self) -> None:
        shown = shown_answer(events(*MESSAGE_PIECES[:9]), EVENTS)
        assert "  Hel\n" in shown
        flow = flow_of(b"{}", cut := events(*MESSAGE_PIECES[:9]), kind=EVENTS)
        shown = VIEW.prettify(cut, metadata_of(flow, flow.response))
        assert "broken off: the stream ended without message_stop" in shown

    def test_failed(self) -> None:
        error = {"type": "overloaded_error", "message": "Too much."}
        shown = shown_answer(events(*MESSAGE_PIECES[:9], {"type": "error", "error": error}), EVENTS)
        assert "  Hel\n" in shown
        assert "error: overloaded_error\n  Too much." in shown

    def test_an_error(self) -> None:
        error = {"type": "not_found_error", "message": "No such model."}
        body = {"type": "error", "error": error, "request_id": "req_1"}
        shown = shown_answer(body, status=404, path="/v1/messages")
        assert shown == (
            "error: not_found_error (status 404)\n  No such model.\n\nanswered by api.openai.com"
        )


class TestWhatItUnderstands:
    @pytest.mark.parametrize(
        ("path", "understood"),
        [
            ("/v1/responses", True),
            ("/openai/v1/responses?api-version=1", True),
            ("/openai/responses", True),
            ("/v1/messages", True),
            ("/v1/threads/t/messages", False),
            ("/api/messages", False),
            ("/v1/responses/input_tokens", False),
        ],
    )
    def test_by_the_path(self, path: str, *, understood: bool) -> None:
        flow = flow_of(b"{}", b"{}", path=path)
        for message in (flow.request, flow.response):
            priority = VIEW.render_priority(b'{"input":', metadata_of(flow, message))
            assert (priority > 1) is understood

    @pytest.mark.parametrize(
        ("path", "understood"),
        [
            ("/v1/responses/resp_1", True),
            ("/openai/v1/responses/resp_1", True),
            ("/v1/responses/resp_1/input_items", False),
            ("/v1/responses", False),
        ],
    )
    def test_a_stored_response(self, path: str, *, understood: bool) -> None:
        data = json.dumps(RESPONSE).encode()
        flow = flow_of(b"", data, path=path, method="GET", outcome="ok", operation="responses")
        metadata = metadata_of(flow, flow.response)
        assert (VIEW.render_priority(data, metadata) > 1) is understood
        shown = VIEW.prettify(data, metadata)
        assert shown.endswith("model m · answered by the interceptor · resp_1")

    def test_by_what_is_noted(self) -> None:
        flow = flow_of(b"{}", b"{}", path="/somewhere", operation="messages")
        assert VIEW.render_priority(b"{}", metadata_of(flow, flow.request)) > 1

    def test_errors_of_either_kind(self) -> None:
        flow = flow_of(b"{}", b"", path="/v1/messages/batches", outcome="refused")
        data = b'{"type":"error","error":{"type":"not_found_error","message":"No."}}'
        assert VIEW.render_priority(data, metadata_of(flow, flow.response)) > 1


WORDS = st.sampled_from(
    [
        *("message", "reasoning", "function_call", "custom_tool_call", "function_call_output"),
        *("additional_tools", "item_reference", "text", "input_text", "output_text", "refusal"),
        *("summary_text", "thinking", "redacted_thinking", "tool_use", "tool_result", "image"),
        *("text_delta", "input_json_delta", "response", "custom", "function", "namespace"),
    ]
)
NAMES = st.sampled_from(
    [
        *("type", "role", "content", "summary", "text", "refusal", "thinking", "name", "id"),
        *("arguments", "input", "output", "call_id", "encrypted_content", "source", "tools"),
        *("tool_use_id", "is_error", "image_url", "input_schema", "parameters", "namespace"),
        *("media_type", "data", "properties", "required", "partial_json", "usage"),
    ]
)
ITEM = st.recursive(
    JSON | WORDS,
    lambda inner: st.dictionaries(NAMES, inner) | st.lists(inner),
    max_leaves=15,
)
ITEMS = ITEM | st.lists(st.dictionaries(NAMES, ITEM))
BODIES = st.dictionaries(
    st.sampled_from(
        [
            *("input", "messages", "system", "instructions", "tools", "text", "reasoning"),
            *("previous_response_id", "output", "content", "error", "usage", "model", "status"),
            *("object", "type", "incomplete_details", "stop_reason", "id", "prompt"),
        ]
    ),
    ITEMS | WORDS,
)
KINDS = st.sampled_from(
    sorted({one["type"] for one in [*PIECES, *MESSAGE_PIECES]} | {"response.completed", "error"})
)
ANY_EVENTS = st.lists(
    st.fixed_dictionaries(
        {"type": KINDS},
        optional={
            **dict.fromkeys(("output_index", "content_index", "index"), JSON | st.integers(0, 3)),
            **dict.fromkeys(("response", "message"), BODIES | JSON),
            **dict.fromkeys(("item", "content_block", "delta"), ITEM),
            **dict.fromkeys(("usage", "error"), JSON),
        },
    )
)


class TestNeverFails:
    @given(BODIES)
    def test_on_json_of_any_kind(self, body: dict[str, Any]) -> None:
        show_both(json.dumps(body).encode())

    @given(ANY_EVENTS)
    def test_on_events_of_any_kind(self, each: list[dict[str, Any]]) -> None:
        show_both(events(*each))

    @given(st.data())
    def test_on_a_stream_that_is_still_coming(self, data: st.DataObject) -> None:
        # Before any data have come, it is shown as it is, with its line ends.
        end = data.draw(st.integers(STREAM.index(b"data:") + 1, len(STREAM)))
        shown = shown_answer(STREAM[:end], EVENTS)
        if b"lo." in STREAM[:end].rpartition(b"\n\n")[0]:
            assert "Hello." in shown

    @pytest.mark.parametrize("opening", [b'{"input":', b'{"output":', b'{"system":', b'{"tools":'])
    def test_on_depth(self, opening: bytes) -> None:
        show_both(opening + b'[{"tools":' * 50_000)
        show_both(opening + b'[{"tools":' * 200 + b"1" + b"}]" * 200 + b"}")


class TestSpeed:
    """The best of several runs: others use the machine, too."""

    LIMIT = 0.1

    def test_of_a_long_stream(self) -> None:
        deltas = [piece("output_text", 1, " word", content_index=0, item_id="msg_1")] * 8_000
        self.check(events(*PIECES[:6], *deltas))

    def test_of_many_items(self) -> None:
        self.check(events(*[added(n, type="message", content=[]) for n in range(8_000)]))

    def test_of_many_whole_answers(self) -> None:
        """No server sends them, and each replaces what was there."""
        output = [{"type": "message", "content": "x"}] * 50
        whole = {"type": "response.completed", "response": {"output": output}}
        self.check(events(*[whole] * 1_000))

    def test_of_a_request_with_many_items(self) -> None:
        body = json.dumps({"input": [{"type": "function_call", "name": "f"}] * 9_000}).encode()
        flow = flow_of(body, b"")
        metadata = metadata_of(flow, flow.request)
        assert best_of(3, lambda: VIEW.prettify(body, metadata)) < self.LIMIT

    def check(self, data: bytes) -> None:
        flow = flow_of(b"{}", data, kind=EVENTS)
        metadata = metadata_of(flow, flow.response)
        assert best_of(5, lambda: VIEW.prettify(data, metadata)) < self.LIMIT
