"""What is seen of a provider's own stream, which reaches the app as it is."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.bridges.native import NativeEvents, NativeStream, read_native
from vast_intercept.openai_api.error_codes import ErrorCode
from vast_intercept.openai_api.errors import bad_gateway, error_of_event
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.usage import Usage, usage_of

from ..mitmweb.chat.recorded import NAMES, recorded

STREAMS = [name for name in NAMES if recorded(name)["response"]["body"].startswith("event:")]
FAILURE = bad_gateway("It broke.", ErrorCode.VAST_DISCONNECTED)


def watched(body: bytes, *cuts: int) -> tuple[NativeStream, bytes]:
    """A stream whose bytes came in pieces, cut at these places, and what was sent on."""
    stream = NativeStream()
    places = sorted({0, *(cut % (len(body) + 1) for cut in cuts), len(body)})
    sent = b"".join(stream.feed(body[begin:end]) for begin, end in pairwise(places))
    return stream, sent + stream.end()


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (
        kind.encode(),
        json.dumps({"type": kind, **fields}).encode(),
    )


@pytest.mark.parametrize("name", STREAMS)
def test_a_recorded_stream_is_seen_to_its_end(name: str) -> None:
    body = recorded(name)["response"]["body"].encode()
    stream, sent = watched(body, *range(0, len(body), 50))
    assert sent == body
    assert stream.said
    assert stream.done
    assert stream.finished
    assert stream.error is None
    assert stream.model == "tiny"
    assert stream.usage
    assert stream.usage.prompt_tokens > 0
    assert stream.usage.completion_tokens > 0
    assert stream.events == len(re.findall(rb"^event: .*delta$", body, re.MULTILINE))


@pytest.mark.parametrize("name", STREAMS)
def test_its_last_event_is_told_from_those_before(name: str) -> None:
    body = recorded(name)["response"]["body"].encode()
    stream, _ = watched(body)
    begins = stream.end_begins(body)
    assert body[:begins].endswith(b"\n\n")
    assert body[begins:].count(b"\n\n") == 1
    assert b"response.completed" in body[begins:] or b"message_stop" in body[begins:]


@pytest.mark.parametrize("end", ["completed", "incomplete"])
def test_a_response_ends_with_any_of_its_last_events(end: str) -> None:
    usage = {"input_tokens": 3, "output_tokens": 4}
    stream, _ = watched(event(f"response.{end}", response={"model": "m", "usage": usage}))
    assert stream.over
    assert stream.error is None
    assert (stream.model, stream.usage) == ("m", Usage(3, 4))


def test_the_tokens_of_a_message_come_in_two_events() -> None:
    first = {"model": "claude", "usage": {"input_tokens": 25, "output_tokens": 1}}
    stream, _ = watched(
        event("message_start", message=first) + event("message_delta", usage={"output_tokens": 15})
    )
    assert stream.usage == Usage(25, 15)
    assert not stream.over


@pytest.mark.parametrize("kind", ["response.created", "response.in_progress", "ping"])
def test_nothing_is_said_before_the_model_speaks(kind: str) -> None:
    stream, _ = watched(event(kind, response={"error": None, "usage": None}))
    assert not stream.telling
    stream.feed(event("response.output_text.delta", delta="Hi"))
    assert stream.said
    assert not stream.over


ERRORS = {
    "of responses": event("error", code="server_error", message="It died.", param=None),
    "of a response": event(
        "response.failed", response={"error": {"code": "server_error", "message": "It died."}}
    ),
    "of messages": event("error", error={"type": "api_error", "message": "It died."}),
}


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_an_error_ends_the_answer(body: bytes) -> None:
    stream, sent = watched(body)
    assert sent == body
    assert stream.over
    assert stream.end_begins(body) == 0
    assert stream.error
    status, error = error_of_event(stream.error)
    assert status == 500
    assert json.loads(error)["error"]["message"] == "It died."


def test_an_error_of_a_response_comes_before_its_end() -> None:
    both = ERRORS["of responses"] + ERRORS["of a response"]
    stream, sent = watched(both)
    assert sent == both
    assert stream.done
    assert stream.error
    assert json.loads(stream.error)["type"] == "error"


@pytest.mark.parametrize("size", [100_000, 1_000_000, 3_000_000])
def test_a_very_long_last_event_is_the_end_too(size: int) -> None:
    usage = {"input_tokens": 3, "output_tokens": 4}
    response = {"output": "x" * size, "usage": usage}
    body = event("response.output_text.delta") + event("response.completed", response=response)
    stream, sent = watched(body, *range(0, len(body), 16_384))
    assert sent == body
    assert stream.done
    assert stream.usage == (Usage(3, 4) if size < 2_000_000 else None)


def test_a_stream_that_is_cut_has_no_end() -> None:
    stream, _ = watched(event("response.output_text.delta") + b"event: response.completed\n")
    assert not stream.over
    assert not stream.finished


@pytest.mark.parametrize(
    ("operation", "data"),
    [
        (
            Operation.RESPONSES,
            {
                "type": "error",
                "code": "vast_disconnected",
                "message": "It broke.",
                "param": None,
                "sequence_number": 0,
            },
        ),
        (
            Operation.MESSAGES,
            {
                "type": "error",
                "error": {
                    "type": "api_error",
                    "message": "It broke.",
                    "details": {"error_code": "vast_disconnected"},
                },
                "request_id": "req_1",
            },
        ),
    ],
)
@pytest.mark.parametrize(
    ("last", "between"), [(b"", b""), (b"data: {}\n\n", b""), (b"data: {", b"\n\n")]
)
def test_a_failure_of_ours_is_an_event_of_the_app_s_api(
    operation: Operation, data: dict[str, Any], last: bytes, between: bytes
) -> None:
    events = NativeEvents(operation, "req_1")
    if last:
        assert events.feed(last) == last
    failed = events.fail(FAILURE)
    assert failed.startswith(between + b"event: error\ndata: {")
    assert json.loads(failed.removeprefix(between + b"event: error\ndata: ")) == data
    assert events.end() == b""
    assert events.keep_alive().startswith(b":")


def test_a_failure_of_ours_continues_the_numbers_of_a_response() -> None:
    events = NativeEvents(Operation.RESPONSES, "req_1")
    events.feed(event("response.created", sequence_number=0) + event("x", sequence_number=41))
    assert b'"sequence_number":42}' in events.fail(FAILURE)


@pytest.mark.parametrize(
    ("body", "model", "stream"),
    [
        (b'{"model": "gpt-5", "stream": true, "background": true}', "gpt-5", True),
        (b'{"model": 5, "stream": "yes"}', None, False),
        (b"{}", None, False),
        (b"[]", None, False),
        (b"{", None, False),
        (b'{"model": "\\ud800"}', None, False),
    ],
)
def test_what_a_call_for_its_provider_asks_for(
    body: bytes, model: str | None, stream: bool
) -> None:
    asked = read_native(body)
    assert (asked.model, asked.stream, asked.body) == (model, stream, body)


TYPES = st.sampled_from(
    ["error", "response.failed", "response.completed", "message_start", "message_stop", "x", ""]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "response", "message", "usage", "error", "model"]) | TYPES,
            inner | TYPES,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(ANY_JSON, max_size=4), st.lists(st.integers(0, 1_000), max_size=6))
def test_any_events_pass_and_are_seen_alike_however_they_are_cut(
    values: list[Any], cuts: list[int]
) -> None:
    body = b"".join(b"data: %b\n\n" % json.dumps(value).encode() for value in values)
    whole, once = watched(body)
    pieces, sent = watched(body, *cuts)
    assert sent == once == body
    for name in ("done", "error", "said", "events", "model", "usage"):
        assert getattr(pieces, name) == getattr(whole, name)


@given(st.binary(max_size=200), st.lists(st.integers(0, 1_000), max_size=6))
def test_any_bytes_pass(body: bytes, cuts: list[int]) -> None:
    _, sent = watched(body, *cuts)
    assert sent == body


def test_whole_answers_of_other_apis_say_their_tokens() -> None:
    for name in ("responses_nonstream", "anthropic_messages"):
        body = recorded(name)["response"]["body"].encode()
        said = json.loads(body)["usage"]
        assert usage_of(body) == Usage(said["input_tokens"], said["output_tokens"])
