"""The router's answers, good and bad, and what a call costs."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.requests import read_request
from vast_intercept.vast_api.answers import UnreadableError
from vast_intercept.vast_api.router import (
    NotReady,
    Worker,
    cost_of,
    read_route,
    read_workers,
    route_request,
    route_url,
    workers_request,
    workers_url,
)

ROUTER = URL("https://run.vast.ai/route/")
ANSWER = (
    b'{ "url": "https://203.0.113.7:40123", "reqnum": 17, "signature": "c2ln", "new": [1.50],\n'
    b'"endpoint": "my-endpoint", "cost": 256.0, "request_idx": 42, "n\\u00e4me": "\xc3\xa4"}'
)


def test_a_worker_comes_with_the_answer_byte_for_byte() -> None:
    assert read_route(ANSWER, ROUTER, 0) == Worker(URL("https://203.0.113.7:40123"), ANSWER)


@pytest.mark.parametrize(
    ("body", "known", "expected"),
    [
        (b'{"request_idx": 9, "status": "waiting"}', 0, NotReady(9, "waiting")),
        (b'{"status": "waiting"}', 9, NotReady(9, "waiting")),
        (b'{"request_idx": null, "url": null}', 9, NotReady(9, "")),
        (b"{}", 0, NotReady(0, "")),
        (b'{"request_idx": 10, "status": {"cold": 2}}', 9, NotReady(10, '{"cold": 2}')),
    ],
)
def test_without_a_url_no_worker_is_ready(body: bytes, known: int, expected: NotReady) -> None:
    assert read_route(body, ROUTER, known) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b"[]",
        b'"https://worker"',
        b'{"url": 7}',
        b'{"request_idx": "nine"}',
        b'{"url": "https://w", "request_idx": 1',
        b"\xff\xfe{}",
        b'{"url": ""}',
        b'{"url": "worker"}',
        b'{"url": "ftp://worker"}',
        b'{"url": "https://"}',
        b'{"url": "https://worker:0"}',
        b'{"url": "https://worker:99999"}',
        b'{"url": "https://user:password@worker"}',
        b'{"url": "https://worker/?a=b"}',
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_no_route(body: bytes) -> None:
    with pytest.raises(UnreadableError, match=r"^Vast's route (cannot be read|has no URL)"):
        read_route(body, ROUTER, 0)


def test_keys_are_not_in_what_is_shown_of_an_answer() -> None:
    def redact(text: str) -> str:
        return text.replace("secret", "***")

    assert read_route(b'{"status": "secret"}', ROUTER, 1, redact) == NotReady(1, "***")
    with pytest.raises(UnreadableError, match=r"worker: '\*\*\*'\.$"):
        read_route(b'{"url": "secret"}', ROUTER, 0, redact)


@pytest.mark.parametrize(
    ("router", "allowed"),
    [
        ("https://run.vast.ai/route/", False),
        ("http://run.vast.ai/route/", True),
        ("https://localhost:8443/route/", True),
        ("https://127.0.0.1:8443/route/", True),
        ("https://[::1]:8443/route/", True),
        ("https://127.0.0.1.example.com/route/", False),
    ],
)
def test_prompts_go_unencrypted_to_this_machine_only(router: str, allowed: bool) -> None:
    body = b'{"url": "http://worker:8080"}'
    if allowed:
        assert isinstance(read_route(body, URL(router), 0), Worker)
        return
    with pytest.raises(ApiError, match="not encrypted") as refused:
        read_route(body, URL(router), 0)
    assert refused.value.retry is False


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_an_answer_may_be_anything(body: Any) -> None:
    data = body.encode() if isinstance(body, str) else body
    with suppress(UnreadableError):
        assert isinstance(read_route(data, ROUTER, 0), Worker | NotReady)


@pytest.mark.parametrize(
    ("parameters", "cost"),
    [
        ({}, 100),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 9, "max_tokens": 7}, 9),
        ({"max_completion_tokens": None, "max_tokens": 7}, 7),
        ({"max_tokens": 7, "n": 3}, 21),
        ({"n": 3}, 300),
        ({"max_tokens": 0}, 100),
        ({"max_tokens": -5, "n": -1}, 100),
        ({"max_tokens": "many", "n": True}, 100),
        ({"max_tokens": 1.5}, 100),
        ({"max_tokens": 10**40}, 1e9),
        ({"max_tokens": 10**15, "n": 10**15}, 1e9),
    ],
)
def test_a_call_costs_the_tokens_that_it_may_generate(
    parameters: dict[str, Any], cost: float
) -> None:
    body = json.dumps({"prompt": "hello", **parameters}).encode()
    assert cost_of(read_request(Operation.COMPLETIONS, body), 100) == cost


def test_the_request_has_what_the_router_wants() -> None:
    assert json.loads(route_request("my-endpoint", "key", 256.0, 42)) == {
        "endpoint": "my-endpoint",
        "api_key": "key",
        "cost": 256.0,
        "request_idx": 42,
        "replay_timeout": 60.0,
    }


def test_the_urls_are_the_routers() -> None:
    assert route_url("https://run.vast.ai") == "https://run.vast.ai/route/"
    assert workers_url("https://run.vast.ai") == "https://run.vast.ai/get_endpoint_workers/"


def test_workers_are_asked_for_by_the_endpoints_id_alone() -> None:
    assert json.loads(workers_request(7)) == {"id": 7}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"[]", []),
        (b'[{"status": "IDLE", "id": 1}, {"status": null}, {}]', ["idle", "unknown", "unknown"]),
        (b'{"workers": [{"status": "stopped"}]}', ["stopped"]),
    ],
)
def test_the_states_of_workers(body: bytes, expected: list[str]) -> None:
    assert [worker.state for worker in read_workers(200, body)] == expected


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, b"[]", "^answers with status 500$"),
        (200, b"<html>", "^gives an answer that cannot be read: "),
        (200, b'[{"status": 7}]', "^gives an answer that cannot be read: "),
        (200, b"[" * 100_000, "^gives an answer that cannot be read: "),
        (200, b'{"error_msg": "no such\\n endpoint"}', "^says: no such endpoint$"),
        (200, b'{"error": "wrong key"}', "^says: wrong key$"),
        (200, b"{}", "^says: no list$"),
    ],
)
def test_without_a_list_of_workers_it_is_said_why(status: int, body: bytes, said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        read_workers(status, body)
