"""What the first bytes of a connection say: is it TLS, is it HTTP, and for which host. Pure."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy.layers.quic import quic_parse_client_hello_from_datagrams
from mitmproxy.proxy.layers.tls import dtls_parse_client_hello, parse_client_hello
from mitmproxy.tls import ClientHello

#: More than this is not waited for: neither a ClientHello nor a request's head is that long.
MAX_HEAD: Final = 64 * 1024

_EMPTY_LINES = b"\r\n"
# RFC 9110, section 5.6.2. The longest method that is registered has 17 letters.
_REQUEST_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}(?:[ \t]|\Z)")
_HTTP_VERSION = re.compile(rb"[ \t]HTTP/\d\.\d\s*\Z", re.IGNORECASE)
_ABSOLUTE_TARGET = re.compile(rb"\S+\s+https?://(?:[^/?#@\s]*@)?([^/?#\s]+)", re.IGNORECASE)
# A header may go on in the next line, if that begins with a blank (RFC 9112, section 5.2).
_FOLD = re.compile(rb"\r?\n[ \t]+")
# RFC 9113, section 3.4: what a client sends first that speaks HTTP/2 without having agreed on it.
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n"


class NeedsMoreError(Exception):
    """The bytes received so far do not answer the question yet."""


def starts_tls(data: bytes) -> bool:
    """Whether a connection begins with TLS. Raises NeedsMoreError if that cannot be said yet.

    mitmproxy takes the first byte of a TLS record alone for raw TCP (FACTS M20).
    """
    if len(data) < 3 and b"\x16\x03".startswith(data[:2]):
        raise NeedsMoreError
    return starts_like_tls_record(data)


def starts_http(data: bytes) -> bool:
    """Whether the bytes are, or may become, a request of HTTP/1."""
    data = data.lstrip(_EMPTY_LINES)[: len(_HTTP2_PREFACE) + 64]
    return not data or (bool(_REQUEST_LINE.match(data)) and not data.startswith(_HTTP2_PREFACE))


def named_in_hello(data: bytes) -> str | None:
    """The host that a ClientHello names (SNI). Raises NeedsMoreError if the ClientHello is cut."""
    return _named_in(data, parse_client_hello)


def named_in_datagram(data: bytes) -> str | None:
    """The host that a ClientHello of QUIC or DTLS names. Raises NeedsMoreError if it is cut."""
    quic = quic_parse_client_hello_from_datagrams
    return _named_in(data, lambda each: quic([each]), dtls_parse_client_hello)


def _named_in(data: bytes, *parsers: Callable[[bytes], ClientHello | None]) -> str | None:
    for parse in parsers:
        with suppress(ValueError):
            hello = parse(data)
            if hello is None:
                raise NeedsMoreError
            return hello.sni
    return None


def named_in_request(data: bytes) -> str | None:
    """The host that a request's head names, without its port, or None if this is no request.

    Raises NeedsMoreError while the head has not named it. Lines may end as they like, and there
    may be blanks where none belong: what a server would understand must be understood.
    """
    data = data.lstrip(_EMPTY_LINES)
    if not starts_http(data):
        return None
    first, *rest = _FOLD.sub(b" ", data).split(b"\n")
    if not rest:
        raise NeedsMoreError
    if not _HTTP_VERSION.search(first):
        return None
    if target := _ABSOLUTE_TARGET.match(first):
        return _host_of(target[1])
    for line in rest[:-1]:
        if not line.strip():
            return None  # the head's end
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"host" and value.strip():
            return _host_of(value.strip())
    raise NeedsMoreError


def _host_of(authority: bytes) -> str:
    host = re.sub(rb":\d*\Z", b"", authority)
    return host.decode("ascii", "replace").strip("[]")
