"""Keys in requests and answers: finds them, reads them, and masks them in place.

What a flow shows, mitmweb shows and files keep, so the keys are gone before any other addon sees
the flow (FACTS M7, M50).
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from urllib.parse import quote, unquote

from mitmproxy import http

from ..secret import KEY_SHAPED, Secret, mask, mask_shapes

# Where providers look for a key, the app's own first: OpenAI and most others, Azure, Gemini,
# Anthropic's compatible clients.
_KEY_HEADERS = (
    "authorization",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
)
# Names of headers and of parameters whose value is a key or the like, without what is not a letter:
# "?key=..." (Gemini), "?api-key=..." and "?subscription-key=..." (Azure), "?access_token=...".
_SECRET_NAMES = frozenset(
    {
        *(name.replace("-", "") for name in _KEY_HEADERS),
        *("accesskey", "accesstoken", "apisecret", "apitoken", "authtoken", "bearer"),
        *("clientsecret", "cookie", "key", "openaiapikey", "password", "proxyauthorization"),
        *("refreshtoken", "secret", "secretkey", "sessiontoken", "setcookie", "subscriptionkey"),
        *("token", "xaccesstoken", "xapitoken", "xauthtoken", "xopenaiapikey", "xtoken"),
    }
)
_NO_LETTER = re.compile(r"[^a-z0-9]")
# Apps and people misspell headers, and proxies add some of their own.
_SOUNDS_SECRET = re.compile(r"auth|cookie|credential|key|passw|secret|session|token", re.IGNORECASE)
_NO_SECRETS = frozenset({"idempotency-key", "sec-websocket-key"})
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_SURELY_NO_KEY = frozenset({b"host", b"user-agent"})
# RFC 9110, section 5.6.2
_TOKEN = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# What these hold says where a body ends, or nothing that HTTP knows.
_FRAMING = {
    b"content-length": re.compile(rb"\d+"),
    b"transfer-encoding": re.compile(
        rb"(?:chunked|compress|deflate|gzip|identity|[\t ,])*", re.IGNORECASE
    ),
}
# What stands before a blank is a scheme only if it looks like one: it is shown.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z-]{0,15}")

# A name ends before the next mark that one begins with: no part of a path is read twice.
_PARAMETER = re.compile(r"(?P<start>[?&;](?P<name>[^?=&;#]*)=)(?P<value>[^&;#]*)")
# OpenAI's realtime API takes the key as a WebSocket subprotocol, for browsers.
_SUBPROTOCOLS = "sec-websocket-protocol"
_KEY_SUBPROTOCOL = re.compile(r"(?P<name>openai-insecure-api-key\.)(?P<key>[^\s,]+)")
# A shorter "key" is a word that a text may have by chance.
_SHORTEST_KEY = 8
_SHAPED = re.compile(KEY_SHAPED.pattern.encode())
_SHORTEST_SHAPED = 18

#: The fields of a message's headers.
type Fields = tuple[tuple[bytes, bytes], ...]


def is_secret(name: str) -> bool:
    """Whether a parameter or an answer's header of that name holds a key, a token or a cookie."""
    return _NO_LETTER.sub("", name.lower()) in _SECRET_NAMES


def may_be_secret(header: str) -> bool:
    """Whether a request's header of that name, even misspelled, may hold a key."""
    return bool(_SOUNDS_SECRET.search(header)) and header.lower() not in _NO_SECRETS


def api_key_of(fields: Fields, path: str) -> str | None:
    """The key that the app sent in a request with those headers and that path, or None."""
    headers = http.Headers(fields)
    for name in _KEY_HEADERS:
        if value := headers.get(name):
            return _credentials(value)[1]
    if match := _KEY_SUBPROTOCOL.search(headers.get(_SUBPROTOCOLS, "")):
        return match["key"]
    for match in _PARAMETER.finditer(path):
        if _names_a_key(match):
            return unquote(match["value"])
    return None


def keys_in(fields: Fields, path: str) -> list[Secret]:
    """All keys of a request, in the forms in which a server may repeat them."""
    keys = dict.fromkeys(_keys_in(fields, path))
    return [Secret(key) for key in keys if len(key) >= _SHORTEST_KEY]


def _keys_in(fields: Fields, path: str) -> Iterator[str]:
    for name, raw in fields:
        value = _text(raw)
        if _is_secret_field(name):
            yield _credentials(value)[1]
        for match in _KEY_SUBPROTOCOL.finditer(value):
            yield match["key"]
        yield from KEY_SHAPED.findall(value)
    for match in _PARAMETER.finditer(path):
        if _names_a_key(match):
            yield match["value"]
            yield unquote(match["value"], errors="surrogateescape")
    yield from KEY_SHAPED.findall(path)


def mask_keys(request: http.Request) -> None:
    """Masks every key in the request's head. Masking it again changes nothing."""
    # In one pass: each look-up in mitmproxy's headers walks through all of them.
    request.headers.fields = mask_fields(request.headers.fields)
    data = request.data
    path = mask_path(request.path)
    if path != request.path:
        request.path = path
    data.method, data.authority = _mask_shapes(data.method), _mask_shapes(data.authority)
    if request.trailers:
        request.trailers.fields = mask_fields(request.trailers.fields)


def mask_fields(fields: Fields) -> Fields:
    """The headers of a request with the keys masked: as many, in the same order."""
    return tuple(_masked_field(*field) for field in fields)


def mask_answer_fields(fields: Fields) -> Fields:
    """The headers of an answer with the keys masked. Fewer names count as secret."""
    return tuple(
        (name, _changed(value, _masked) if is_secret(_text(name)) else _mask_shapes(value))
        for name, value in fields
    )


def mask_unreadable(request: http.Request) -> None:
    """Masks everything that may hold a key in a request that is not valid HTTP.

    What a part of it means cannot be told, so only what is surely something else stays.
    """
    mask_keys(request)
    request.headers.fields = tuple(
        (name, value) if name.lower() in _SURELY_NO_KEY else (name, b"***")
        for name, value in request.headers.fields
    )


def _masked_field(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    if not _TOKEN.fullmatch(name):
        return b"***", b"***"  # mitmproxy refuses it, unless it is told not to
    if _is_secret_field(name):
        return name, _changed(value, _masked)
    if name.lower() == _SUBPROTOCOLS.encode():
        return name, _changed(value, _masked_subprotocols)
    framing = _FRAMING.get(name.lower())
    if (framing and not framing.fullmatch(value)) or _holds_a_line(value):
        return _mask_shapes(name), b"***"
    if value[:7].lower() == b"bearer ":
        return _mask_shapes(name), _changed(value, _masked)
    return _mask_shapes(name), _mask_shapes(value)


def _holds_a_line(value: bytes) -> bool:
    """Whether a header's value may contain another header, because its line did not end properly.

    One that is folded, such as `Content-Type: a/b;` before a line ` charset=c`, has none. The colon
    may be missing: ` Authorization Bearer KEY`.
    """
    control = _CONTROL.search(value)
    if control is None:
        return False
    rest = value[control.end() :]
    return b":" in rest or b"bearer" in rest.lower() or may_be_secret(_text(rest))


@lru_cache(maxsize=1_024)
def _is_secret_field(name: bytes) -> bool:
    return may_be_secret(_text(name))


def _mask_shapes(value: bytes) -> bytes:
    # Almost nothing has one, and each field of each call is looked at.
    if len(value) < _SHORTEST_SHAPED or not _SHAPED.search(value):
        return value
    return _changed(value, mask_shapes)


def _changed(value: bytes, change: Callable[[str], str]) -> bytes:
    return change(_text(value)).encode("utf-8", "surrogateescape")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _masked_subprotocols(value: str) -> str:
    return _KEY_SUBPROTOCOL.sub(lambda match: match["name"] + mask(match["key"]), value)


def mask_path(path: str, masked: list[tuple[str, str]] | None = None) -> str:
    """The path with its keys masked. `masked` collects pairs of what is shown and what it was."""

    def note(shown: str, was: str) -> str:
        if masked is not None and shown != was:
            masked.append((shown, was))
        return shown

    def parameter(match: re.Match[str]) -> str:
        start, value = match["start"], match["value"]
        if not _names_a_key(match):
            return match[0]
        return start[0] + note(f"{start[1:]}{_masked_in_query(value)}", f"{start[1:]}{value}")

    if "=" in path:
        path = _PARAMETER.sub(parameter, path)
    return KEY_SHAPED.sub(lambda match: note(mask(match[0]), match[0]), path)


def _names_a_key(match: re.Match[str]) -> bool:
    # The far side decodes the name, too: "%6bey" is "key".
    return is_secret(unquote(match["name"]))


def _masked_in_query(value: str) -> str:
    # mitmproxy stands a byte that is not UTF-8 for as half of a surrogate pair.
    key = unquote(value, errors="surrogateescape")
    return quote(mask(key), errors="surrogateescape")


def _masked(value: str) -> str:
    scheme, key = _credentials(value)
    return f"{scheme} {mask(key)}" if scheme else mask(key)


def _credentials(value: str) -> tuple[str, str]:
    """Scheme and key of an `Authorization` value. A value without a scheme is all key."""
    scheme, blank, key = value.strip().partition(" ")
    if blank and _SCHEME.fullmatch(scheme):
        return scheme, key.strip()
    return "", value.strip()
