"""Responses calls that continue a response, read with the conversation that the recording has."""

import errno
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.bridges.responses.request import read
from vast_intercept.rehearsal.calls import Answer, RecordedCall, Unusable
from vast_intercept.rehearsal.recordings import conversations as module
from vast_intercept.rehearsal.recordings.conversations import Conversations
from vast_intercept.rehearsal.recordings.recording_error import RecordingError

URL = "https://api.openai.com/v1/responses"


@pytest.fixture
def conversations() -> Iterator[Conversations]:
    made = Conversations()
    yield made
    made.close()


def said(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "id": f"msg_{text}", "role": "assistant", "content": content}


def turn(
    number: int, given: Any, *output: Any, streamed: bool = False, **request: Any
) -> RecordedCall:
    """A call that is answered by the response of that number."""
    response = {"id": f"resp_{number}", "status": "completed", "output": output}
    kind, body = "application/json", json.dumps(response)
    if streamed:
        kind = "text/event-stream; charset=utf-8"
        delta = {"type": "response.output_text.delta", "delta": 'a "response.completed" one'}
        last = {"type": "response.completed", "response": response}
        body = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in (delta, last))
    return RecordedCall(
        place=f"flow {number}",
        method="POST",
        url=URL,
        body=json.dumps({"model": "gpt-4o", "input": given, **request}).encode(),
        answer=Answer(status=200, content_type=kind, body=body.encode()),
    )


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def asked(call: RecordedCall | Unusable) -> dict[str, Any]:
    assert isinstance(call, RecordedCall), call
    body = json.loads(call.body)
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_call_gets_the_conversation_that_it_continues(
    conversations: Conversations, *, streamed: bool
) -> None:
    first = turn(1, "Hi", said("Hello"), streamed=streamed)
    assert conversations.completed(first) is first
    second = turn(
        2, [user("And?")], said("Yes"), streamed=streamed, previous_response_id="resp_1", top_p=0.5
    )
    expected = [user("Hi"), said("Hello"), user("And?")]
    found = asked(conversations.completed(second))
    assert found == {"model": "gpt-4o", "input": expected, "top_p": 0.5}
    third = turn(3, "Bye", previous_response_id="resp_2")
    found = asked(conversations.completed(third))
    assert found["input"] == [*expected, said("Yes"), user("Bye")]
    assert read(json.dumps(found).encode()).previous is None


def test_a_conversation_may_fork(conversations: Conversations) -> None:
    conversations.completed(turn(1, "Hi", said("Hello")))
    for number in (2, 3):
        fork = turn(number, f"fork {number}", previous_response_id="resp_1")
        found = asked(conversations.completed(fork))
        assert found["input"] == [user("Hi"), said("Hello"), user(f"fork {number}")]


def test_items_that_are_only_referred_to_are_put_in(conversations: Conversations) -> None:
    call_item = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "c",
        "name": "f",
        "arguments": "",
    }
    conversations.completed(turn(1, "Hi", call_item, said("Hello")))
    output = {"type": "function_call_output", "call_id": "c", "output": "5"}
    given = [{"type": "item_reference", "id": "fc_1"}, {"id": "msg_Hello"}, output]
    found = asked(conversations.completed(turn(2, given)))
    assert found["input"] == [call_item, said("Hello"), output]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"previous_response_id": "resp_0"}, "the response 'resp_0', which the recording does not"),
        ({"input": [{"type": "item_reference", "id": "fc_9"}]}, "item 'fc_9'"),
    ],
)
def test_what_the_recording_does_not_have_makes_a_call_unusable(
    conversations: Conversations, changes: dict[str, Any], reason: str
) -> None:
    call = turn(1, "Hi")
    call = replace(call, body=json.dumps(json.loads(call.body) | changes).encode())
    found = conversations.completed(call)
    assert isinstance(found, Unusable)
    assert found.place == "flow 1"
    assert reason in found.why


def broken_off(call: RecordedCall) -> RecordedCall:
    assert call.answer
    return replace(call, answer=replace(call.answer, whole=False))


def failed(call: RecordedCall) -> RecordedCall:
    assert call.answer
    body = call.answer.body.replace(b"completed", b"failed")
    return replace(call, answer=replace(call.answer, body=body))


def unanswered(call: RecordedCall) -> RecordedCall:
    return replace(call, answer=None)


@pytest.mark.parametrize("change", [broken_off, failed, unanswered])
def test_a_response_that_is_not_whole_is_continued_by_none(
    conversations: Conversations, change: Any
) -> None:
    conversations.completed(change(turn(1, "Hi", said("Hello"))))
    assert isinstance(
        conversations.completed(turn(2, "And?", previous_response_id="resp_1")), Unusable
    )
    third = conversations.completed(turn(3, "Bye", previous_response_id="resp_2"))
    assert isinstance(third, Unusable)
    assert "'resp_2'" in third.why


def test_ids_that_come_again_make_no_circle(conversations: Conversations) -> None:
    conversations.completed(turn(1, "a", said("A"), previous_response_id="resp_2"))
    conversations.completed(turn(2, "b", said("B"), previous_response_id="resp_1"))
    conversations.completed(turn(1, "c", said("C"), previous_response_id="resp_2"))
    found = conversations.completed(turn(3, "d", previous_response_id="resp_2"))
    assert isinstance(found, Unusable)


def test_a_conversation_that_is_too_long_is_told(
    conversations: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BRIDGED", 500)
    conversations.completed(turn(1, "Hi", said("x" * 200)))
    found = conversations.completed(turn(2, "And?", previous_response_id="resp_1"))
    assert isinstance(found, Unusable)
    assert "more than 500 bytes" in found.why


def test_other_calls_are_left_as_they_are(conversations: Conversations) -> None:
    continued = turn(1, "Hi", previous_response_id="resp_0")
    for call in (
        replace(continued, url=URL.replace("responses", "chat/completions")),
        replace(continued, url=f"{URL}/compact"),
        replace(continued, method="GET"),
        replace(continued, body=b"no JSON"),
        replace(continued, body=b'{"input": 5, "previous_response_id": null}'),
    ):
        assert conversations.completed(call) is call


def test_a_full_disk_is_told(conversations: Conversations, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(RecordingError, match="temporary file: No space left on device"):
        conversations.completed(turn(1, "Hi", said("Hello")))


_VALUES = (
    st.none()
    | st.text(max_size=5)
    | st.lists(
        st.dictionaries(
            st.sampled_from(["type", "id", "role", "content"]), st.text(max_size=5) | st.none()
        )
    )
)


@given(
    st.lists(
        st.tuples(_VALUES, _VALUES, st.sampled_from(["resp_1", "resp_2", "", None])), max_size=4
    )
)
def test_any_conversation_is_read_or_told(calls: list[tuple[Any, Any, Any]]) -> None:
    conversations = Conversations()
    for number, (given_, output, previous) in enumerate(calls):
        call = turn(number, given_, *(output or ()), previous_response_id=previous)
        found = conversations.completed(call)
        if isinstance(found, RecordedCall):
            assert isinstance(json.loads(found.body), dict)
    conversations.close()
