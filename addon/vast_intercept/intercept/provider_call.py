"""What an app asked its provider for: as a URL to show, and as the call that it would have been."""

from dataclasses import replace
from functools import lru_cache
from urllib.parse import quote

from mitmproxy import http

from ..config import Provider
from ..mitm.borrowed import hostport, parse_url
from ..openai_api.errors import ApiError, bad_request
from ..openai_api.operations import clean_path
from ..relay.call import ProviderCall
from .destination import Parts
from .masking import keys_in, mask_path, may_be_secret

_MAX_KEYS = 16

# All of ASCII that a URL can hold: nothing of a path is encoded but what a flow file cannot keep.
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))

# Of the connection and of the body's form (RFC 9110, sections 7.6.1 and 8.4), which are ours, and
# what the answer may be compressed with: it is read here.
_NOT_PASSED_ON = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def url_of(scheme: str, host: str, port: int, path: str) -> str:
    """The URL, without the keys in it, and with nothing in it that a flow file cannot keep."""
    return f"{scheme}://{authority_of(scheme, host, port)}{_encoded(mask_path(path))}"


def authority_of(scheme: str, host: str, port: int) -> str:
    """Host and port as URLs and `Host` headers have them."""
    return hostport(scheme, f"[{host}]" if ":" in host else host, port)


@lru_cache(maxsize=256)
def parts_of(url: str) -> Parts:
    """The parts of a URL that was made here."""
    scheme, host, port, path = parse_url(url)
    return scheme.decode(), host.decode("idna"), port, path.decode()


def too_many_keys(request: http.Request) -> ApiError | None:
    """400 for more keys than any app sends: its provider's answer is searched for each of them."""
    if len(keys_in(request)) <= _MAX_KEYS:
        return None
    return bad_request(
        f"The request has more than {_MAX_KEYS} different keys in its headers and its URL.",
        "request_too_complex",
    )


def provider_call(provider: Provider, request: http.Request, asked: Parts) -> ProviderCall:
    """The call with the app's own key, before it is masked."""
    scheme, host, port, path = asked
    headers = [
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in request.headers.fields
    ]
    return ProviderCall(
        name=provider.name,
        url=f"{scheme}://{authority_of(scheme, host, port)}{_encoded(clean_path(path))}",
        shown_url=url_of(*asked),
        headers=tuple(
            (name, value)
            for name, value in headers
            if name not in _NOT_PASSED_ON and not name.startswith(":") and value.isascii()
        ),
        keys=tuple(keys_in(request)),
    )


def with_key(call: ProviderCall, key: str) -> ProviderCall:
    """The call with another key, in place of any that it had."""
    kept = [(name, value) for name, value in call.headers if not may_be_secret(name)]
    return replace(call, headers=(*kept, ("authorization", f"Bearer {key}")))


def _encoded(path: str) -> str:
    return quote(path, safe=_PRINTABLE, errors="surrogateescape")
