"""Keys in a request: where they stand, reading them, masking them in place.

What a flow shows, mitmweb shows and files keep, so the keys are gone before any other addon sees
the flow (FACTS M7).
"""

import re
from urllib.parse import quote, unquote

from mitmproxy import http

from ..secret import mask

# Where providers look for a key, the app's own first: OpenAI and most others, Azure, Gemini,
# Anthropic's compatible clients.
_KEY_HEADERS = (
    "authorization",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
)
_SECRET_HEADERS = frozenset(
    name.encode() for name in (*_KEY_HEADERS, "proxy-authorization", "cookie")
)
# What stands before a blank is a scheme only if it looks like one: it is shown.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z-]{0,15}")

# "?key=..." (Gemini), "?api-key=..." and "?subscription-key=..." (Azure), "?api_key=..."
_KEY_PARAMETERS = frozenset({"key", "api-key", "api_key", "subscription-key", "access_token"})
_PARAMETER = re.compile(r"(?P<start>[?&](?P<name>[^=&#]*)=)(?P<value>[^&#]*)")
# OpenAI's realtime API takes the key as a WebSocket subprotocol, for browsers.
_SUBPROTOCOLS = "sec-websocket-protocol"
_KEY_SUBPROTOCOL = re.compile(r"(?P<name>openai-insecure-api-key\.)(?P<key>[^\s,]+)")


def is_secret(header: str) -> bool:
    """Whether a header, named in lower case, holds a key or the like."""
    return header.encode() in _SECRET_HEADERS


def api_key_of(request: http.Request) -> str | None:
    """The key that the app sent, or None."""
    for name in _KEY_HEADERS:
        if value := request.headers.get(name):
            return _credentials(value)[1]
    if match := _KEY_SUBPROTOCOL.search(request.headers.get(_SUBPROTOCOLS, "")):
        return match["key"]
    for match in _PARAMETER.finditer(request.path):
        if _names_a_key(match):
            return unquote(match["value"])
    return None


def mask_keys(request: http.Request) -> None:
    """Masks every key in the request's headers and path. A masked key stays as it is."""
    # In one pass: each look-up in mitmproxy's headers walks through all of them.
    request.headers.fields = tuple(_masked_field(*field) for field in request.headers.fields)
    if "=" in request.path:
        masked = mask_path(request.path)
        if masked != request.path:
            request.path = masked


def _masked_field(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    lower = name.lower()
    if lower in _SECRET_HEADERS:
        mask_value = _masked
    elif lower == _SUBPROTOCOLS.encode():
        mask_value = _masked_subprotocols
    else:
        return name, value
    text = value.decode("utf-8", "surrogateescape")
    return name, mask_value(text).encode("utf-8", "surrogateescape")


def _masked_subprotocols(value: str) -> str:
    return _KEY_SUBPROTOCOL.sub(lambda match: match["name"] + mask(match["key"]), value)


def mask_path(path: str) -> str:
    """`path` with the keys in its query masked."""
    return _PARAMETER.sub(_masked_parameter, path)


def _names_a_key(match: re.Match[str]) -> bool:
    # The far side decodes the name, too: "%6bey" is "key".
    return unquote(match["name"]).lower() in _KEY_PARAMETERS


def _masked_parameter(match: re.Match[str]) -> str:
    value = match["value"]
    return match["start"] + (_masked_in_query(value) if _names_a_key(match) else value)


def _masked_in_query(value: str) -> str:
    # mitmproxy stands a byte that is not UTF-8 for as half of a surrogate pair.
    key = unquote(value, errors="surrogateescape")
    return quote(mask(key), errors="surrogateescape")


def _masked(value: str) -> str:
    scheme, key = _credentials(value)
    return f"{scheme} {mask(key)}" if scheme else mask(key)


def _credentials(value: str) -> tuple[str, str]:
    """Scheme and key of an `Authorization` value; a value without a scheme is a key."""
    scheme, blank, key = value.strip().partition(" ")
    if blank and _SCHEME.fullmatch(scheme):
        return scheme, key.strip()
    return "", value.strip()
