"""A provider that answers in the app's own API in Vast's place: its bytes are the app's."""

import json
from typing import Any

import requests

from ...fixtures.provider import Provider
from ...fixtures.watching import Watching
from ...fixtures.workers import Intercepting
from ...harness import APP_KEY, ENDPOINT, StandIn
from ...mitmweb.chat.recorded import recorded
from .test_fallback import have, own_provider

# With what no bridge would send on, and white space.
ASKED = b'{"model" : "gpt-5", "input":[ {"role":"user","content":"hello there"}],\n"stream":%b}'
WHOLE = recorded("responses_instructions")["response"]["body"].encode()
STREAM = recorded("responses_stream")["response"]["body"].encode()
CUT = STREAM[: STREAM.index(b"event: response.completed")]
FAST: dict[str, Any] = {"timeout": {"total": 5, "queue": 0.2}}


def ask(provider: Provider, *, stream: bool, path: str = "responses") -> requests.Response:
    return requests.post(
        f"http://127.0.0.1:{provider.server_port}/v1/{path}",
        data=ASKED % (b"true" if stream else b"false"),
        headers={"authorization": f"Bearer {APP_KEY}", "content-type": "application/json"},
        timeout=60,
    )


def test_a_call_comes_back_as_its_provider_answers_it(
    vast: StandIn, watching: Watching, provider: Provider
) -> None:
    watched = watching(sections=own_provider(provider, "provider"), **FAST)
    assert ask(provider, stream=False).headers["x-vast-endpoint"] == ENDPOINT
    assert provider.received == []
    have(vast, ENDPOINT, "cold")
    for stream, answer, kind in (
        (False, WHOLE, "application/json"),
        (True, STREAM, "text/event-stream; charset=utf-8"),
    ):
        provider.answer, provider.kind = (200, answer), kind
        got = ask(provider, stream=stream)
        assert got.content == answer
        assert got.headers["content-type"] == kind
        path, headers, body = provider.received.pop()
        assert path == "/v1/responses"
        assert headers["authorization"] == f"Bearer {APP_KEY}"
        assert body == ASKED % (b"true" if stream else b"false")
    metrics = watched.dashboard.metrics()
    assert metrics["calls_total{lab, responses, ok}"] == 2
    # Those of the stream are in its last event alone.
    usage = json.loads(WHOLE)["usage"]
    assert metrics["prompt_tokens_total{lab}"] == usage["input_tokens"] + 16
    assert metrics["completion_tokens_total{lab}"] == usage["output_tokens"] + 8


def test_a_stream_that_its_provider_breaks_off_ends_with_an_error(
    vast: StandIn, intercepting: Intercepting, provider: Provider
) -> None:
    intercepting(sections=own_provider(provider, "provider"), **FAST)
    have(vast, ENDPOINT, "cold")
    provider.answer, provider.kind = (200, CUT), "text/event-stream"
    got = ask(provider, stream=True).content
    assert got.startswith(CUT)
    assert got.removeprefix(CUT).startswith(b'event: error\ndata: {"type":"error","code":"vast_')


def test_a_stream_that_waited_before_goes_on_with_its_provider_s(
    vast: StandIn, intercepting: Intercepting, provider: Provider
) -> None:
    """A comment says that it waits, which is nothing to whoever reads events."""
    intercepting(
        sections=own_provider(provider, "provider"),
        timeout={"total": 5, "queue": 1},
        keepalive=0.1,
    )
    have(vast, ENDPOINT, "cold")
    provider.answer, provider.kind = (200, STREAM), "text/event-stream"
    got = ask(provider, stream=True).content
    waited, _, _ = got.partition(b"event: response.created")
    assert waited.startswith(b":")
    assert got.endswith(STREAM)


def test_functions_come_back_as_the_provider_has_them(
    vast: StandIn, intercepting: Intercepting, provider: Provider
) -> None:
    intercepting(sections=own_provider(provider, "provider"), **FAST)
    have(vast, ENDPOINT, "cold")
    provider.answer = 200, recorded("chat_tool_call_auto")["response"]["body"].encode()
    body = b'{"model":"gpt-4o","messages":[ ], "functions":[{"name":"f"}]}'
    got = requests.post(
        f"http://127.0.0.1:{provider.server_port}/v1/chat/completions",
        data=body,
        headers={"authorization": f"Bearer {APP_KEY}", "content-type": "application/json"},
        timeout=60,
    )
    assert got.content == provider.answer[1]
    assert provider.received[0][2] == body


def test_the_provider_s_own_error_reaches_the_app(
    vast: StandIn, intercepting: Intercepting, provider: Provider
) -> None:
    intercepting(sections=own_provider(provider, "provider"), **FAST)
    have(vast, ENDPOINT, "cold")
    said = b'{"error":{"message":"No.","type":"invalid_request_error","param":"input","code":"no"}}'
    provider.answer = 400, said
    got = ask(provider, stream=True)
    assert (got.status_code, got.content) == (400, said)


KEY = "sk-ant-app-0123456789abcdefghijklmnopqrstuvwxyz"
MESSAGE = recorded("anthropic_messages")["response"]["body"].encode()
EVENTS = recorded("anthropic_messages_stream")["response"]["body"].encode()
# With what no bridge would send on, and white space.
MESSAGES = (
    b'{"model" : "claude","max_tokens":128000,"cache_control":{"type":"ephemeral"},'
    b'\n"messages":[ {"role":"user","content":"hello there"}],"stream":%b}'
)


def ask_messages(provider: Provider, *, stream: bool) -> requests.Response:
    return requests.post(
        f"http://127.0.0.1:{provider.server_port}/v1/messages?beta=true",
        data=MESSAGES % (b"true" if stream else b"false"),
        headers={
            "x-api-key": KEY,
            "anthropic-version": "2023-06-01",
            "content-type": "application/json",
        },
        timeout=60,
    )


def messages_provider(provider: Provider) -> dict[str, Any]:
    sections = own_provider(provider, "provider")
    sections["providers"][0]["api"] = "anthropic"
    return sections


def test_messages_come_back_as_their_provider_answers_them(
    vast: StandIn, watching: Watching, provider: Provider
) -> None:
    watched = watching(sections=messages_provider(provider), **FAST)
    assert ask_messages(provider, stream=False).headers["x-vast-endpoint"] == ENDPOINT
    assert provider.received == []
    have(vast, ENDPOINT, "cold")
    for stream, answer, kind in (
        (False, MESSAGE, "application/json"),
        (True, EVENTS, "text/event-stream; charset=utf-8"),
    ):
        provider.answer, provider.kind = (200, answer), kind
        got = ask_messages(provider, stream=stream)
        assert got.content == answer
        assert got.headers["content-type"] == kind
        path, headers, body = provider.received.pop()
        assert path == "/v1/messages?beta=true"
        assert headers["x-api-key"] == KEY
        assert headers["anthropic-version"] == "2023-06-01"
        assert "authorization" not in headers
        assert body == MESSAGES % (b"true" if stream else b"false")
    metrics = watched.dashboard.metrics()
    assert metrics["calls_total{lab, messages, ok}"] == 2
    usage = json.loads(MESSAGE)["usage"]
    assert metrics["prompt_tokens_total{lab}"] == 2 * usage["input_tokens"]
    assert metrics["completion_tokens_total{lab}"] == 2 * usage["output_tokens"]


def test_messages_that_their_provider_breaks_off_end_with_anthropics_error(
    vast: StandIn, intercepting: Intercepting, provider: Provider
) -> None:
    interceptor = intercepting(sections=messages_provider(provider), **FAST)
    have(vast, ENDPOINT, "cold")
    cut = EVENTS[: EVENTS.index(b"event: message_stop")]
    provider.answer, provider.kind = (200, cut), "text/event-stream"
    got = ask_messages(provider, stream=True).content
    assert got.startswith(cut)
    assert got.removeprefix(cut).startswith(b'event: error\ndata: {"type":"error","error":{')
    said = b'{"type":"error","error":{"type":"authentication_error","message":"No: %b"}}'
    provider.answer, provider.kind = (401, said % KEY.encode()), "application/json"
    refused = ask_messages(provider, stream=False)
    assert refused.status_code == 401
    assert refused.json()["error"]["type"] == "authentication_error"
    assert KEY not in interceptor.output
