"""Answers that vLLM itself could not finish are no answers in any API."""

import json

import pytest

from vast_intercept.bridges.bridge import Bridge
from vast_intercept.openai_api.errors import ApiError

from .messages.test_messages import bridge_of
from .responses.made import bridge

BRIDGES = {"messages": bridge_of(stream=True), "responses": bridge()}


@pytest.mark.parametrize("reason", ["abort", "error"])
@pytest.mark.parametrize("made", BRIDGES.values(), ids=BRIDGES)
def test_what_vllm_could_not_finish_is_an_error(made: Bridge, reason: str) -> None:
    said = {"content": "Once upon a"}
    choice = {"index": 0, "finish_reason": reason}
    with pytest.raises(ApiError, match="stopped within the answer") as refused:
        made.answer(json.dumps({"choices": [{**choice, "message": said}]}).encode())
    assert refused.value.status == 502
    events = made.events()
    with pytest.raises(ApiError, match="stopped within the answer"):
        events.feed(b"data: %b\n\n" % json.dumps({"choices": [{**choice, "delta": {}}]}).encode())
    assert b"error" in events.end()
    assert events.failure
