"""Whatever app, provider and Vast say, comparing it never fails, and takes a few milliseconds."""

import json
import statistics
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.rehearsal.calls import Answer, RecordedCall
from vast_intercept.rehearsal.comparison.comparing import compare
from vast_intercept.rehearsal.comparison.measures import Measure
from vast_intercept.rehearsal.comparison.totals import Totals
from vast_intercept.rehearsal.replies.reading import read_reply, read_wish

from ..recorded import NAMES, chat, on_vast, recorded

MILLISECONDS = 5  # for a call with texts of a few kB
PATHS = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/score",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/models",
    "/elsewhere",
    "",
]
TYPES = [
    "application/json",
    "text/event-stream",
    "multipart/form-data; boundary=b",
    "audio/mpeg",
    "text/plain",
    "",
]
# Names that the APIs have, so that what is made up is looked into.
_MEMBERS = """choices delta message content text tool_calls function name arguments index error
    finish_reason code type usage prompt_tokens output item response status model data embedding
    b64_json results tools parameters input_schema response_format json_schema schema format
    messages role system instructions input temperature prompt stop_reason content_block
    partial_json segments $ref properties items anyOf pattern"""
MEMBERS = st.sampled_from(_MEMBERS.split())
_WORDS = """function custom json_schema json_object message text function_call tool_use reasoning
    refusal response.completed response.output_item.done content_block_start message_start response
    message_stop object chat.completion #/ # list message_delta error"""
WORDS = st.sampled_from(_WORDS.split())
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(MEMBERS, VALUES, max_size=5)


def as_stream(events: list[Any]) -> bytes:
    """Events as a stream."""
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


BODIES = (
    st.binary(max_size=200)
    | OBJECTS.map(lambda value: json.dumps(value).encode())
    | st.lists(OBJECTS, max_size=3).map(as_stream)
)
ANSWERS = st.builds(
    Answer,
    status=st.sampled_from([200, 200, 200, 204, 302, 400, 429, 500]),
    content_type=st.sampled_from(TYPES),
    body=BODIES,
    whole=st.sampled_from([True, True, False]),
)
CALLS = st.builds(
    RecordedCall,
    place=st.just("flow 1"),
    method=st.sampled_from(["POST", "GET", "DELETE"]),
    url=st.sampled_from(PATHS).map(lambda path: f"https://api.openai.com{path}"),
    headers=st.sampled_from(TYPES).map(lambda kind: (("content-type", kind),)),
    body=BODIES,
)


@given(call=CALLS, answers=st.lists(ANSWERS, min_size=1, max_size=4), recorded=st.booleans())
def test_any_bytes_are_compared(call: RecordedCall, answers: list[Answer], recorded: bool) -> None:
    wish = read_wish(call)
    replies = [read_reply(call, answer) for answer in answers]
    runs = [(on_vast(answer), reply) for answer, reply in zip(answers, replies, strict=True)]
    comparisons = compare(wish, replies[0] if recorded else None, runs)
    assert len(comparisons) == len(runs)
    totals = Totals()
    for comparison in comparisons:
        assert Measure.SERVED in comparison.checks
        assert comparison.severity >= 0
        assert all(check.holds == (not check.why) for check in comparison.checks.values())
        assert (comparison.reason == "") == comparison.checks[Measure.SERVED].holds
        totals.add(comparison)
    assert totals.compared == len(runs)


@given(call=CALLS, answer=ANSWERS)
def test_an_answer_compared_with_itself_does_not_differ(call: RecordedCall, answer: Answer) -> None:
    reply = read_reply(call, answer)
    if reply.error or not reply.complete:
        return
    for comparison in compare(read_wish(call), reply, [(on_vast(answer), reply)] * 2):
        assert comparison.severity == 0
        assert comparison.by_chance is False
        assert comparison.similarity in {None, 1}
        for check in comparison.checks.values():
            assert check.holds or check.provider_holds is False


@pytest.mark.parametrize("name", NAMES)
def test_no_part_of_a_recorded_answer_is_taken_for_more_than_it_is(name: str) -> None:
    call, answer = recorded(name)
    for end in range(0, len(answer.body), 97):
        cut = Answer(
            status=answer.status,
            content_type=answer.content_type,
            body=answer.body[:end],
            whole=False,
        )
        assert not read_reply(call, cut).complete


SENTENCES = (
    "A mountain is a part of the land that is much higher than all that is around it. ",
    "Nobody knows {} of them, but there are more than {} on each side of the river. ",
)
PERSON = {
    "type": "object",
    "properties": {
        "people": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "born": {"type": "integer"}},
                "required": ["name", "born"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["people"],
}


def prose(size: int, seed: int) -> str:
    """A text of so many characters."""
    sentences = (SENTENCES[n % 2].format(n * seed, seed) for n in range(size // 50))
    return "".join(sentences)[:size]


def people(count: int, seed: int) -> str:
    """An answer in JSON."""
    return json.dumps(
        {"people": [{"name": f"P{i}", "born": 1900 + i * seed} for i in range(count)]}
    )


def streamed(text: str, size: int = 4) -> bytes:
    """A text as a stream of chunks, with all members that OpenAI's chunks have."""
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    chunks = [_chunk({"content": each}, None) for each in pieces]
    return as_stream([*chunks, _chunk({}, "stop")]) + b"data: [DONE]\n\n"


def _chunk(delta: Any, finish_reason: str | None) -> Any:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion.chunk",
        "created": 1741569952,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
        "choices": [choice],
        "usage": None,
    }


def milliseconds(call: RecordedCall, provider: Answer, vast: Answer, times: int) -> float:
    """The median time to read both answers to a call, and to compare them."""
    took = []
    for _ in range(times):
        began = time.process_time()
        replies = [read_reply(call, answer) for answer in (provider, vast)]
        (comparison,) = compare(read_wish(call), replies[0], [(on_vast(vast), replies[1])])
        took.append(1000 * (time.process_time() - began))
        assert comparison.severity > 0
    return statistics.median(took)


def whole(text: str) -> Any:
    """An answer of a chat."""
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def pair(one: str, other: str, **request: Any) -> tuple[RecordedCall, Answer, Answer]:
    """A call, and two answers to it."""
    call, provider = chat(whole(one), **request)
    return call, provider, chat(whole(other))[1]


def streams(size: int) -> tuple[RecordedCall, Answer, Answer]:
    """A call, and two streams of so many characters, a chunk for every fourth."""
    call, _ = chat(stream=True)
    provider, vast = (
        Answer(status=200, content_type="text/event-stream", body=streamed(prose(size, seed)))
        for seed in (3, 7)
    )
    return call, provider, vast


FORMAT = {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}


def test_comparing_a_usual_call_takes_less_than_five_milliseconds() -> None:
    texts = pair(prose(4_000, 3), prose(4_000, 7), temperature=0)
    assert milliseconds(*texts, times=51) < MILLISECONDS
    structured = pair(people(100, 1), people(90, 0), response_format=FORMAT)
    assert milliseconds(*structured, times=51) < MILLISECONDS
    assert milliseconds(*streams(2_000), times=51) < MILLISECONDS


def test_comparing_long_answers_is_bounded() -> None:
    texts = pair(prose(1_000_000, 3), prose(1_000_000, 7), temperature=0)
    assert milliseconds(*texts, times=3) < 100
    structured = pair(people(3_000, 1), people(2_900, 0), response_format=FORMAT)
    assert milliseconds(*structured, times=3) < 100
    assert milliseconds(*streams(64_000), times=3) < 1_000
