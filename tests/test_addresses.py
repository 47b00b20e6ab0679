"""Which addresses are this machine's, in all the ways in which they can be written."""

import ipaddress
import socket

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.addresses import is_this_machine, parse_address, reaches_loopback


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::FFFF:10.1.2.3", "10.1.2.3"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:10.0.0.1%eth0", "10.0.0.1"),
        ("localhost", None),
        ("", None),
        ("127.1", None),
        ("0x7f000001", None),
        ("[::1]", None),
        ("10.0.0.1:80", None),
    ],
)
def test_an_address_of_a_socket_is(text: str, address: str | None) -> None:
    assert parse_address(text) == (ipaddress.ip_address(address) if address else None)


@given(st.text())
def test_any_text_is_an_address_or_none(text: str) -> None:
    parse_address(text)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_within_ipv6_is_that_address(address: ipaddress.IPv4Address) -> None:
    assert parse_address(f"::ffff:{address}") == address


LOOPBACK = [
    "127.0.0.1",
    "127.3.4.5",
    "::1",
    "0.0.0.0",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:0.0.0.0",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::127.0.0.1",
    "2002:7f00:1::",
]
ONLY_HERE = ["169.254.169.254", "::ffff:169.254.1.2", "64:ff9b::169.254.169.254", "fe80::1"]
ELSEWHERE = ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "64:ff9b::192.0.2.1", "fd00::1"]


@pytest.mark.parametrize("text", LOOPBACK)
def test_loopback_is_told_in_every_form(text: str) -> None:
    address = parse_address(text)
    assert address
    assert reaches_loopback(address)
    assert is_this_machine(address)


@pytest.mark.parametrize("text", ONLY_HERE)
def test_what_only_this_link_has_counts_as_this_machine(text: str) -> None:
    address = parse_address(text)
    assert address
    assert not reaches_loopback(address)
    assert is_this_machine(address)


@pytest.mark.parametrize("text", ELSEWHERE)
def test_other_addresses_are_not_this_machine(text: str) -> None:
    address = parse_address(text)
    assert address
    assert not is_this_machine(address)


def test_the_machine_s_own_addresses_are_this_machine() -> None:
    own = [
        entry.address
        for each in psutil.net_if_addrs().values()
        for entry in each
        if entry.family in {socket.AF_INET, socket.AF_INET6}
    ]
    assert own
    for text in own:
        address = parse_address(text)
        assert address
        assert is_this_machine(address)
        if isinstance(address, ipaddress.IPv4Address):
            assert is_this_machine(ipaddress.IPv6Address(f"64:ff9b::{address}"))
