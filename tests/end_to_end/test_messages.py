"""The anthropic package, which knows nothing of Vast."""

import json
import ssl
from typing import Any

import anthropic
import httpx2
import pytest

from .. import harness
from ..fixtures.workers import Intercepting
from ..harness import StandIn

KEY = "sk-ant-app-0123456789abcdefghijklmnopqrstuvwxyz"
ASKED: Any = {
    "model": "claude-opus-5-5",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "hello there"}],
}
WEATHER: Any = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}
CALLS = {"tool_calls": [{"name": "get_weather", "arguments": {"city": "Paris"}}]}


def test_messages_streams_tools_counts_models_and_errors(
    vast: StandIn, intercepting: Intercepting
) -> None:
    interceptor = intercepting(sections={"providers": ["anthropic"]}, timeout={"total": 30})
    context = ssl.create_default_context(cafile=str(interceptor.ca))
    http = httpx2.Client(proxy=interceptor.url, verify=context)
    with anthropic.Anthropic(api_key=KEY, max_retries=0, http_client=http) as client:
        message = client.messages.create(**ASKED)
        assert (message.content[0].type, message.stop_reason) == ("text", "end_turn")
        assert message.model == "claude-opus-5-5"
        with client.messages.stream(**ASKED) as stream:
            assert "".join(stream.text_stream) == "You said: hello there"
            assert stream.get_final_message().usage.output_tokens > 0
        vast.play(CALLS)
        try:
            called = client.messages.create(**ASKED, tools=[WEATHER])
        finally:
            vast.end_script()
        assert called.stop_reason == "tool_use"
        block = called.content[-1]
        assert block.type == "tool_use"
        assert block.input == {"city": "Paris"}
        counted = client.messages.count_tokens(model=ASKED["model"], messages=ASKED["messages"])
        assert counted.input_tokens > 0
        assert client.models.list().data
        image = [{"role": "user", "content": [{"type": "image", "source": {}}]}]
        with pytest.raises(anthropic.BadRequestError) as refused:
            client.messages.create(**{**ASKED, "messages": image})
        assert isinstance(refused.value.body, dict)
        assert refused.value.body["type"] == "error"
        assert refused.value.body["error"]["type"] == "invalid_request_error"
    sent = [json.loads(harness.body_of(call)) for call in vast.calls(path="/v1/chat/completions")]
    assert [each["payload"]["messages"] for each in sent] == [ASKED["messages"]] * 3
    assert KEY not in str(vast.calls())
    assert KEY not in interceptor.output
