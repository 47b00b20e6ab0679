"""The events, read by the `openai` package: what an app gets to see (FACTS R10)."""

from typing import Any

import httpx
import openai
import pytest

from vast_intercept.openai_api.error_codes import ErrorCode
from vast_intercept.openai_api.errors import bad_gateway

from .made import bridge, call, chunk, stream, usage_chunk

CHUNKS = [
    chunk({"reasoning": "hm"}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo"}),
    chunk(call(0, "weather", '{"city":', id="call_1")),
    chunk(call(0, None, '"Oslo"}')),
    chunk({}, "tool_calls"),
    usage_chunk(),
]


def client(body: bytes) -> openai.OpenAI:
    """A client whose every call is answered with this stream."""
    headers = {"content-type": "text/event-stream"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, content=body))
    http = httpx.Client(transport=transport)
    return openai.OpenAI(api_key="k", max_retries=0, http_client=http)


def written(*chunks: Any) -> bytes:
    events = bridge().events()
    return events.keep_alive() + events.feed(stream(*chunks)) + events.end()


def test_a_stream_becomes_a_response() -> None:
    with client(written(*CHUNKS)).responses.stream(model="gpt-5", input="hi") as events:
        kinds = [event.type for event in events]
        final = events.get_final_response()
    assert kinds[0] == "response.created"
    assert final.output_text == "Hello"
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call"]
    assert final.usage
    assert final.usage.total_tokens == 12


@pytest.mark.parametrize("begun", [True, False])
def test_an_error_is_raised(begun: bool) -> None:
    events = bridge().events()
    body = events.feed(stream(CHUNKS[1], done=False)) if begun else b""
    body += events.fail(bad_gateway("Vast broke off.", ErrorCode.VAST_DISCONNECTED))
    with (
        client(body).responses.stream(model="gpt-5", input="hi") as read,
        pytest.raises(openai.APIError, match="Vast broke off") as raised,
    ):
        for _ in read:
            pass
    assert raised.value.code == "vast_disconnected"
    with pytest.raises(openai.APIError, match="Vast broke off"):
        list(client(body).responses.create(model="gpt-5", input="hi", stream=True))


def test_the_package_demands_that_a_response_is_created_first() -> None:
    """Why a stream that fails at once has `response.created` all the same."""
    without = written(*CHUNKS).partition(b"event: response.in_progress")
    with (
        client(without[1] + without[2]).responses.stream(model="gpt-5", input="hi") as read,
        pytest.raises(RuntimeError, match=r"response\.created"),
    ):
        next(iter(read))
