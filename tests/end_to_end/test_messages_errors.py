"""Errors of calls to Anthropic's API: in its shape, whoever refuses or fails, and without a key."""

import hashlib
import json
import ssl
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest

from ..fixtures.workers import Intercepting
from ..harness import Interceptor, StandIn
from .raw_clients import WAYS, RawClient
from .test_odd_http import exchange_http2

KEY = "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz"
OTHER = "sk-ant-api03-zyxwvutsrqponmlkjihgfedcba9876543210"
ASKED: Any = {
    "model": "claude-opus-5-5",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "hello there"}],
}


@pytest.fixture
def listed(vast: StandIn, intercepting: Intercepting) -> Interceptor:
    """An interceptor that serves only the app with `KEY`."""
    app = {"name": "app", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}
    sections = {"providers": ["anthropic"], "clients": {"keys": [app]}}
    return intercepting(sections=sections, timeout={"total": 30})


@pytest.fixture
def http(listed: Interceptor) -> Iterator[httpx2.Client]:
    context = ssl.create_default_context(cafile=str(listed.ca))
    with httpx2.Client(proxy=listed.url, verify=context) as client:
        yield client


def fields_of(body: Any) -> dict[str, Any]:
    """The fields of an error, which must be of Anthropic's shape."""
    assert body.keys() == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert body["request_id"].startswith("req_")
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"type", "message", "details"}
    assert "OpenAI" not in error["message"]
    return error


def test_each_error_is_one_that_anthropics_package_knows(
    vast: StandIn, listed: Interceptor, http: httpx2.Client
) -> None:
    url = "https://api.anthropic.com"
    with anthropic.Anthropic(api_key=KEY, max_retries=0, http_client=http) as client:
        for wrong in ({"x-api-key": OTHER}, {"authorization": f"Bearer {OTHER}"}, {}):
            refused = http.post(f"{url}/v1/messages", headers=wrong, json=ASKED)
            assert refused.status_code == 401
            assert fields_of(refused.json())["type"] == "authentication_error"
            assert refused.headers["request-id"] == refused.json()["request_id"]
        bearer = {"authorization": f"Bearer {KEY}"}
        assert http.post(f"{url}/v1/messages", headers=bearer, json=ASKED).status_code == 200
        for path in ("messages/batches", "files", "complete", "responses", "../api/event_logging"):
            refused = http.post(f"{url}/v1/{path}", headers={"x-api-key": KEY}, json=ASKED)
            assert (refused.status_code, path) == (404, path)
            assert fields_of(refused.json())["type"] == "not_found_error"
        for body, place in (
            ({**ASKED, "max_tokens": None}, "max_tokens"),
            ({**ASKED, "messages": [{"role": "user", "content": [{"type": "image"}]}]}, "[0]"),
            ([], "JSON object"),
        ):
            refused = http.post(f"{url}/v1/messages", headers={"x-api-key": KEY}, json=body)
            assert (refused.status_code, place) == (400, place)
            assert place in fields_of(refused.json())["message"]
        vast.play({"chunks": 20, "fault": "cut_mid_event", "after": 5})
        try:
            with pytest.raises(anthropic.APIError) as cut, client.messages.stream(**ASKED) as said:
                said.until_done()
        finally:
            vast.end_script()
        assert fields_of(cut.value.body)["type"] == "api_error"

    assert KEY not in json.dumps(vast.calls())
    for key in (KEY, OTHER):
        assert key not in listed.output


def test_its_compatible_interface_has_openais_errors(http: httpx2.Client) -> None:
    url = "https://api.anthropic.com/v1/chat/completions"
    answer = http.post(url, headers={"x-api-key": KEY}, json={"model": "m", "messages": [None]})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_type"
    said: Any = [{"role": "user", "content": "hello there"}]
    answer = http.post(url, headers={"x-api-key": KEY}, json={"model": "m", "messages": said})
    assert answer.json()["choices"][0]["message"]["content"] == "You said: hello there"


def test_what_is_no_http_over_http2_as_well(listed: Interceptor) -> None:
    host = "api.anthropic.com"
    with RawClient(listed, WAYS["regular"], 443, host=host) as client:
        client.start_tls(listed.ca, alpn=["h2"])
        status, headers, body = exchange_http2(client, scheme="ftp", host=host, path="/v1/messages")
    assert status == 400
    assert headers["request-id"] == json.loads(body)["request_id"]
    assert fields_of(json.loads(body))["type"] == "invalid_request_error"


def test_what_is_no_http_gets_anthropics_error(listed: Interceptor) -> None:
    client = RawClient(listed, WAYS["regular"], 443, host="api.anthropic.com")
    with client:
        client.start_tls(listed.ca)
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\nbad header\r\n\r\n")
        answer = client.read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head[:20]
    assert b"request-id: req_" in head.lower()
    assert fields_of(json.loads(body))["type"] == "invalid_request_error"
