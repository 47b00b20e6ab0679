"""What Vast gets for a flow, for those who repeat its call."""

import json
from typing import Any

import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.test import tflow

from vast_intercept.config.config import defaults
from vast_intercept.intercept.body_for_vast import body_for_vast
from vast_intercept.mitmweb.sent import keep_sent
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.operations import Operation

HELLO = [{"role": "user", "content": "Hello."}]


def flow_with(body: dict[str, Any]) -> HTTPFlow:
    flow = tflow.tflow()
    flow.request.content = json.dumps(body).encode()
    return flow


def made(operation: Operation, **body: Any) -> Any:
    return json.loads(body_for_vast(flow_with(body), operation, defaults()).body)


def test_a_chat_completion_is_as_the_relay_makes_it() -> None:
    body = made(Operation.CHAT_COMPLETIONS, model="gpt-4o", messages=HELLO, suffix="")
    assert body == {"model": "", "messages": HELLO}
    assert made(Operation.COMPLETIONS, model="m", prompt="a") == {"model": "", "prompt": "a"}


def test_old_functions_are_tools() -> None:
    body = made(Operation.CHAT_COMPLETIONS, messages=HELLO, functions=[{"name": "f"}])
    assert body["tools"][0]["function"]["name"] == "f"
    assert "functions" not in body


def test_a_response_is_a_chat_completion() -> None:
    body = made(Operation.RESPONSES, model="gpt-5", input="Hello.", max_output_tokens=5)
    assert body["model"] == ""
    assert body["messages"][-1] == HELLO[0]


def test_a_message_is_a_chat_completion() -> None:
    body = made(Operation.MESSAGES, model="claude", max_tokens=5, messages=HELLO, system="Be.")
    assert body["model"] == ""
    assert body["messages"] == [{"role": "system", "content": "Be."}, *HELLO]


def test_what_was_sent_has_the_history() -> None:
    flow = flow_with({"input": "Go on.", "previous_response_id": "resp_1"})
    sent = {"model": "", "messages": [*HELLO, {"role": "user", "content": "Go on."}]}
    keep_sent(flow, json.dumps(sent).encode())
    assert json.loads(body_for_vast(flow, Operation.RESPONSES, defaults()).body) == sent


def test_a_conversation_is_never_cut_silently() -> None:
    with pytest.raises(ApiError, match="continues resp_1, and the flow does not have"):
        made(Operation.RESPONSES, input="Go on.", previous_response_id="resp_1")


@pytest.mark.parametrize(
    "operation", [Operation.RESPONSES, Operation.CHAT_COMPLETIONS, Operation.MESSAGES]
)
def test_what_cannot_be_served_is_an_error(operation: Operation) -> None:
    with pytest.raises(ApiError):
        made(operation, input=7, messages=7)
