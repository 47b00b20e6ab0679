"""What the first bytes of a connection say."""

import contextlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.mitm.first_bytes import (
    NeedsMoreError,
    named_in_hello,
    named_in_request,
    starts_http,
    starts_tls,
)


def hello_for(host: str) -> bytes:
    """A ClientHello."""
    outgoing = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


HELLO = hello_for("api.openai.com")


@pytest.mark.parametrize("length", range(3))
def test_tls_is_not_told_by_less_than_three_bytes(length: int) -> None:
    with pytest.raises(NeedsMoreError):
        starts_tls(HELLO[:length])


def test_tls_is_told() -> None:
    assert starts_tls(HELLO[:3])
    assert not starts_tls(b"P")
    assert not starts_tls(b"\x16P")
    assert not starts_tls(b"\x16\x03\x09")


def test_a_hello_names_its_host_once_it_is_whole() -> None:
    assert named_in_hello(HELLO) == "api.openai.com"
    for length in range(3, len(HELLO), 50):
        with pytest.raises(NeedsMoreError):
            named_in_hello(HELLO[:length])
    assert named_in_hello(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00") is None


REQUEST = "POST /v1/chat/completions HTTP/1.1\r\nAccept: */*\r\nHost: api.openai.com\r\n\r\n{}"


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        "\r\n\n" + REQUEST,
        REQUEST.replace("\r\n", "\n"),
        REQUEST.replace("Host: ", "hOST:"),
        REQUEST.replace("Host: ", "Host : \t"),
        REQUEST.replace("Host: ", "Host:\r\n "),
        REQUEST.replace(".com", ".com:80"),
        REQUEST.replace("POST", "X-ODD"),
        REQUEST.replace("HTTP/1.1", "HTTP/1.0"),
        REQUEST.replace("POST /", "POST http://api.openai.com/").replace("Host", "X"),
        REQUEST.replace("POST /", "POST HTTP://me:word@api.openai.com:80/").replace("Host", "X"),
    ],
)
def test_a_request_names_its_host(request_: str) -> None:
    assert named_in_request(request_.encode()) == "api.openai.com"


@pytest.mark.parametrize("length", [0, 1, 4, 5, 20, 34, 36, 60, 66])
def test_a_request_may_come_in_pieces(length: int) -> None:
    with pytest.raises(NeedsMoreError):
        named_in_request(REQUEST[:length].encode())


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"EHLO example.com\r\nHost: api.openai.com\r\n",
        b"\x00\x01",
        b"GET / HTTP/1.1\r\n\r\nHost: api.openai.com\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_request_names_none(data: bytes) -> None:
    assert named_in_request(data) is None


@given(st.binary(max_size=100))
def test_any_bytes_are_told(data: bytes) -> None:
    for say in (starts_tls, starts_http, named_in_hello, named_in_request):
        with contextlib.suppress(NeedsMoreError):
            say(data)


@given(st.integers(0, len(REQUEST)))
def test_every_beginning_of_a_request_may_become_one(length: int) -> None:
    assert starts_http(REQUEST[:length].encode())
