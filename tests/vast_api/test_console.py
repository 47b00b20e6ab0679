"""The console's list of endpoints, good and bad."""

import pytest

from vast_intercept.secret import Secret
from vast_intercept.vast_api.answers import UnreadableError
from vast_intercept.vast_api.console import (
    ListedEndpoint,
    endpoints_url,
    instance_url,
    read_endpoints,
    read_price_per_hour,
    root_url,
)

ONE = b'{"results": [{"id": 1, "endpoint_name": "one", "api_key": "key-of-the-endpoint"}]}'


def test_the_urls_are_the_consoles() -> None:
    console = "https://console.vast.ai"
    assert endpoints_url(console) == f"{console}/api/v0/endptjobs/?client_id=me"
    assert instance_url(console, 7) == f"{console}/api/v0/instances/7/?owner=me"
    assert root_url(console) == f"{console}/static/jvastai_root.cer"


def test_endpoints_come_by_name_and_what_has_none_is_left_out() -> None:
    body = b"""{"success": true, "results": [
        {"id": 1, "endpoint_name": "chat", "api_key": "key", "min_load": 0.5},
        {"id": "two", "endpoint_name": "new", "api_key": null},
        {"id": 3.5, "endpoint_name": "odd", "api_key": "not\\r\\nsendable"},
        {"id": 3, "endpoint_name": "", "api_key": "key"}, {}
    ]}"""
    assert read_endpoints(200, body) == {
        "chat": ListedEndpoint(1, "chat", Secret("key")),
        "new": ListedEndpoint("two", "new", None),
        "odd": ListedEndpoint(3.5, "odd", None),
    }


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, b'{"results": []}', "^status 503$"),
        (200, b"", "truncated"),
        (200, b"<html>", "malformed"),
        (200, b"{}", "results"),
        (200, b'{"results": 7}', "Expected `array`"),
        (200, b'{"results": [{"endpoint_name": 7}]}', "endpoint_name"),
        (200, b'{"results": ' + b"[" * 100_000, "Expected `object`"),
        (200, b"\xff", "malformed"),
    ],
)
def test_what_is_no_list_is_unreadable(status: int, body: bytes, said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        read_endpoints(status, body)


def test_an_endpoints_key_is_not_in_what_python_shows_of_it() -> None:
    (endpoint,) = read_endpoints(200, ONE).values()
    assert endpoint.key
    assert "key-of-the-endpoint" not in repr(endpoint)


def test_an_instance_has_a_price() -> None:
    body = b'{"instances": {"id": 7, "actual_status": "running", "dph_total": 0.4123}}'
    assert read_price_per_hour(200, body) == 0.4123


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"{}", "^status 401$"),
        (200, b"", "truncated"),
        (200, b"{}", "instances"),
        (200, b'{"instances": null}', "no such instance"),
        (200, b'{"instances": [1]}', "Expected"),
        (200, b'{"instances": {}}', "no usable dph_total"),
        (200, b'{"instances": {"dph_total": null}}', "no usable dph_total"),
        (200, b'{"instances": {"dph_total": -1}}', "no usable dph_total"),
        (200, b'{"instances": {"dph_total": 1e9}}', "no usable dph_total"),
        (200, b'{"instances": {"dph_total": "0.4"}}', "dph_total"),
        (200, b'{"instances": {"dph_total": NaN}}', "malformed"),
    ],
)
def test_an_instance_without_a_usable_price_is_unreadable(
    status: int, body: bytes, said: str
) -> None:
    with pytest.raises(UnreadableError, match=said):
        read_price_per_hour(status, body)
