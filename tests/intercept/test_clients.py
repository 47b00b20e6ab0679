"""Who may connect, and who an app is."""

import hashlib
import ipaddress

import pytest

from vast_intercept.addresses import parse_address
from vast_intercept.config import ClientKey
from vast_intercept.config.config import defaults
from vast_intercept.intercept.clients import (
    client_of,
    invalid_api_key,
    is_allowed,
)

KEY = "sk-app-0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.255.255.255", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("128.0.0.1", False),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("::2", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),
    ],
)
def test_only_this_machine_may_connect_unless_told_otherwise(text: str, allowed: bool) -> None:
    address = parse_address(text)
    assert address
    assert is_allowed(address, defaults().allow_from) == allowed


def test_a_network_is_let_in() -> None:
    networks = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
    for text, allowed in (("10.9.9.9", True), ("fd12::1", True), ("11.0.0.1", False)):
        address = parse_address(text)
        assert address
        assert is_allowed(address, networks) == allowed
        assert not is_allowed(address, [])


def hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


CLIENTS = [
    ClientKey(name="one", sha256=hashed(KEY)),
    ClientKey(name="two", sha256=hashed("sk-two").upper()),
    ClientKey(name="nobody", sha256=hashed("")),
]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (KEY, "one"),
        ("sk-two", "two"),
        ("SK-TWO", None),
        (KEY + " ", None),
        (KEY[:-1], None),
        (hashed(KEY), None),
        ("\udcff", None),
        ("é", None),
        ("", None),  # even where the hash of nothing is listed
        (None, None),
    ],
)
def test_a_client_is_known_by_its_key(key: str | None, name: str | None) -> None:
    client = client_of(key, CLIENTS)
    assert (client.name, client.may_call) == (name, name is not None)


def test_where_none_is_listed_none_is_known() -> None:
    assert client_of(KEY, []).name is None


@pytest.mark.parametrize("key", [KEY, "short", "", None])
def test_a_client_that_is_not_known_gets_openai_s_401(key: str | None) -> None:
    error = invalid_api_key(client_of(key, CLIENTS[1:]))
    assert (error.status, error.type, error.code, error.retry) == (
        401,
        "invalid_request_error",
        "invalid_api_key",
        False,
    )
    assert "clients.keys" in error.message
    assert ("didn't provide" in error.message) == (not key)
    if key:
        assert key not in error.message
