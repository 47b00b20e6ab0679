"""A model's reasoning under both of its names: what is added, and that nothing else changes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api.reasoning import with_both_names, with_both_names_in_events

RECORDED = Path(__file__).parents[1] / "recorded"

COMPLETED = {
    "a message of newer vLLM": (
        b'{"choices":[{"message":{"content":"a","reasoning":"b"}}]}',
        b'{"choices":[{"message":{"content":"a","reasoning":"b","reasoning_content":"b"}}]}',
    ),
    "a message of older vLLM": (
        b'{"choices":[{"message":{"reasoning_content":"b","content":"a"}}]}',
        b'{"choices":[{"message":{"reasoning_content":"b","content":"a","reasoning":"b"}}]}',
    ),
    "a delta": (
        b'{"choices":[{"delta":{"reasoning":" the"},"finish_reason":null}]}',
        (
            b'{"choices":[{"delta":{"reasoning":" the","reasoning_content":" the"},'
            b'"finish_reason":null}]}'
        ),
    ),
    "each of several choices that needs it": (
        b'{"choices":[{"delta":{"reasoning":"a"}},{"delta":{}},{"delta":{"reasoning":"c"}}]}',
        (
            b'{"choices":[{"delta":{"reasoning":"a","reasoning_content":"a"}},{"delta":{}},'
            b'{"delta":{"reasoning":"c","reasoning_content":"c"}}]}'
        ),
    ),
    "null": (
        b'{"choices":[{"message":{"reasoning":null}}]}',
        b'{"choices":[{"message":{"reasoning":null,"reasoning_content":null}}]}',
    ),
    "both, one of them null": (
        b'{"choices":[{"message":{"reasoning_content":null,"reasoning":"a"}}]}',
        b'{"choices":[{"message":{"reasoning_content":"a","reasoning":"a"}}]}',
    ),
    "numbers, escapes and order": (
        rb'{"z":1.0e+05,"choices":[{"delta":{"reasoning":"\u00e9\/\ud83d\ude00"},"a":-0.0}],"b":12E2}',
        (
            rb'{"z":1.0e+05,"choices":[{"delta":{"reasoning":"\u00e9\/\ud83d\ude00",'
            rb'"reasoning_content":"\u00e9\/\ud83d\ude00"},"a":-0.0}],"b":12E2}'
        ),
    ),
}

AS_IT_IS = {
    "no reasoning": b'{"choices":[{"message":{"content":"\\"reasoning"}}]}',
    "both": b'{"choices":[{"message":{"reasoning":"a","reasoning_content":"b"}}]}',
    "both null": b'{"choices":[{"message":{"reasoning":null,"reasoning_content":null}}]}',
    "the word elsewhere": b'{"usage":{"reasoning":1},"choices":[{"delta":{"content":"a"}}]}',
    "no choices": b'{"reasoning":"a"}',
    "choices that are none": b'{"choices":{"reasoning":"a"}}',
    "a message that is none": b'{"choices":[{"message":["reasoning"]}]}',
    "a message that is null": b'{"choices":[{"message":null,"reasoning":1}]}',
    "no JSON": b'{"choices":[{"message":{"reasoning":"a"}',
    "no UTF-8": b'{"choices":[{"message":{"reasoning":"\xff"}}], "a": \xff}',
    "too deep": b'{"reasoning":' + b"[" * 100_000,
    "too large": b'{"choices":[{"message":{"reasoning":"' + b"a" * 2**21 + b'"}}]}',
}


@pytest.mark.parametrize(("answer", "completed"), COMPLETED.values(), ids=COMPLETED.keys())
def test_what_is_missing_is_added(answer: bytes, completed: bytes) -> None:
    assert with_both_names(answer) == completed
    assert with_both_names(completed) == completed
    event = b"data: %s\n\n"
    assert with_both_names_in_events(event % answer) == event % completed


@pytest.mark.parametrize("answer", AS_IT_IS.values(), ids=AS_IT_IS.keys())
def test_as_it_is(answer: bytes) -> None:
    assert with_both_names(answer) is answer
    event = b"data:%s\n\n" % answer
    assert with_both_names_in_events(event) == event


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_whatever_ends_their_lines(end: bytes) -> None:
    chunk, completed = COMPLETED["a delta"]
    lines = [b": data:", b"event: x", b"data:" + chunk, b"", b"data: [DONE]", b"", b"id: " + chunk]
    expected = [*lines[:2], b"data: " + completed, *lines[3:]]
    assert with_both_names_in_events(end.join(lines)) == end.join(expected)
    several = b"data: " + chunk + end + end
    assert with_both_names_in_events(several * 3) == (b"data: " + completed + end + end) * 3


def test_an_event_that_is_cut_stays_as_it_is() -> None:
    event = b"data: " + COMPLETED["a delta"][0]
    for length in range(len(event)):
        assert with_both_names_in_events(event[:length]) == event[:length]
        assert with_both_names_in_events(event[length:])[-8:] == event[length:][-8:]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["reasoning", "reasoning_content", "content", "role"])


@given(
    st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=3),
    st.sampled_from(["message", "delta"]),
    VALUES,
)
def test_only_the_missing_name_is_added(
    messages: list[dict[str, Any]], name: str, more: object
) -> None:
    answer = {"x": more, "choices": [{"index": 0, name: each, "x": more} for each in messages]}
    made = json.loads(with_both_names(json.dumps(answer).encode()))
    for each in messages:
        given_ = [each[key] for key in ("reasoning", "reasoning_content") if key in each]
        texts = [value for value in given_ if value is not None]
        if given_ and len(texts) < 2:
            (value,) = texts or [None]
            each |= {"reasoning": value, "reasoning_content": value}
    assert made == answer


BODIES = {
    path.stem: json.loads(path.read_text("utf-8"))["response"]["body"]
    for path in sorted(RECORDED.glob("chat_*.json"))
}


@pytest.mark.parametrize("name", [name for name, body in BODIES.items() if body])
def test_what_vllm_answered_keeps_its_meaning(name: str) -> None:
    body = BODIES[name].encode()
    if body.startswith(b"data:"):
        assert with_both_names_in_events(body) == body
        return
    made, before = json.loads(with_both_names(body)), json.loads(body)
    for choice in before.get("choices", ()):
        choice["message"]["reasoning_content"] = choice["message"]["reasoning"]
    assert made == before
