"""What a call looks like at each of Vast's two interfaces: its URL, its headers and its body."""

import json

import pytest
from yarl import URL

from vast_intercept.openai_api.operations import Operation
from vast_intercept.vast_api.headers import USER_AGENT, headers
from vast_intercept.vast_api.openai_interface import operation_url
from vast_intercept.vast_api.worker import call_body, call_url, refused_field


@pytest.mark.parametrize(
    ("endpoint", "operation", "path"),
    [
        ("demo", Operation.CHAT_COMPLETIONS, "/demo/v1/chat/completions"),
        ("demo", Operation.COMPLETIONS, "/demo/v1/completions"),
        ("a b/c?d#e%f", Operation.COMPLETIONS, "/a%20b%2Fc%3Fd%23e%25f/v1/completions"),
        ("\u00e4", Operation.COMPLETIONS, "/%C3%A4/v1/completions"),
    ],
)
def test_an_endpoints_name_is_one_part_of_the_path(
    endpoint: str, operation: Operation, path: str
) -> None:
    assert operation_url("https://openai.vast.ai", endpoint, operation) == (
        f"https://openai.vast.ai{path}"
    )


@pytest.mark.parametrize("worker", ["https://203.0.113.7:40123", "https://203.0.113.7:40123/"])
def test_a_worker_takes_calls_below_v1(worker: str) -> None:
    url = call_url(URL(worker), Operation.CHAT_COMPLETIONS)
    assert str(url) == "https://203.0.113.7:40123/v1/chat/completions"


def test_a_workers_call_holds_route_and_payload_byte_for_byte() -> None:
    route, pieces = b'{ "url": "u",  "reqnum": 1.50 }', [b'{"messages": ', b"[ ] }"]
    body = b"".join(call_body(route, pieces))
    assert route in body
    assert b"".join(pieces) in body
    assert json.loads(body) == {
        "auth_data": {"url": "u", "reqnum": 1.5},
        "session_id": None,
        "payload": {"messages": []},
    }


def test_headers_have_only_what_a_request_needs() -> None:
    assert headers("key", accept="text/event-stream", request_id="id") == {
        "accept": "text/event-stream",
        "authorization": "Bearer key",
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "x-request-id": "id",
    }
    assert headers(None, body=False) == {"accept": "application/json", "user-agent": USER_AGENT}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"payload": {"file": "not valid base64"}}', ("file", "not valid base64")),
        (b'{"payload": {"filename": "no", "file": "no"}}', None),
        (b'{"payload": "must be an object"}', None),
        (b'{"filename": "unsupported file type"}', ("file", "unsupported file type")),
        (b'{"mask_filename": "no"}', ("mask", "no")),
        (b'{"ref_audio": "must be an http(s) URL"}', ("ref_audio", "must be an http(s) URL")),
        (b'{"error": "invalid JSON"}', None),
        (b'{"auth_data": {"signature": "missing parameter"}}', None),
        (b'{"a": "b", "c": "d"}', None),
        (b"{}", None),
        (b"[]", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_a_worker_says_which_field_is_wrong(body: bytes, field: tuple[str, str] | None) -> None:
    assert refused_field(body) == field


def test_what_a_worker_says_of_a_field_is_told_only_if_it_is_short() -> None:
    assert refused_field(b'{"payload":{"%b":"is wrong"}}' % (b"x" * 60_000)) is None
    found = refused_field(b'{"payload":{"n":"%b"}}' % (b"x" * 60_000))
    assert found == ("n", "x" * 1_000)
