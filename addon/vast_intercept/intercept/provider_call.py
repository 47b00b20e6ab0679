"""What an app asked its provider for: the URL to show, and the call that can be made there."""

import os
from dataclasses import replace
from functools import lru_cache
from urllib.parse import quote

from mitmproxy import http

from ..config import Provider
from ..mitm.borrowed import hostport, parse_url
from ..openai_api.operations import clean_path
from ..relay.call import ProviderCall
from ..relay.work import ToProvider, ToVast
from .destination import Parts
from .flow_commands import OPENAI_API_KEY
from .message_keys import keys_in, mask_path, may_be_secret
from .verdict import Asked, Verdict

# All of ASCII that a URL can hold: nothing of a path is encoded but what a flow file cannot keep.
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))

#: Headers of the connection and of the body's form (RFC 9110, sections 7.6.1 and 8.4), which are
#: ours, and what the answer may be compressed with: it is read here.
NOT_PASSED_ON = frozenset(
    {
        *("accept-encoding", "connection", "content-encoding", "content-length", "expect"),
        *("host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    }
)


def url_of(scheme: str, host: str, port: int, path: str) -> str:
    """The URL with its keys masked, in ASCII, so that a flow file can hold it.

    `path` is as it was sent, with its query. An IPv6 `host` has no brackets.
    """
    return f"{scheme}://{authority_of(scheme, host, port)}{_encoded(mask_path(path))}"


def authority_of(scheme: str, host: str, port: int) -> str:
    """Host and port in the form that URLs and `Host` headers use."""
    return hostport(scheme, f"[{host}]" if ":" in host else host, port)


@lru_cache(maxsize=256)
def parts_of(url: str) -> Parts:
    """The parts of a URL that `url_of` has made."""
    scheme, host, port, path = parse_url(url)
    return scheme.decode(), host.decode("idna"), port, path.decode()


def call_for_provider(
    work: Verdict, asked: Asked, request: http.Request, *, falls_back: bool
) -> ProviderCall | None:
    """The call as its provider would get it, if it may come to that. To be made before masking.

    `falls_back` says whether the provider may stand in for an endpoint.
    """
    stands_in = falls_back and isinstance(work, ToVast)
    if asked.provider is None or not (stands_in or isinstance(work, ToProvider)):
        return None
    call = _with_the_apps_key(asked.provider, request, asked.place)
    return call if stands_in else _with_key(call, os.environ[OPENAI_API_KEY])


def _with_the_apps_key(provider: Provider, request: http.Request, asked: Parts) -> ProviderCall:
    scheme, host, port, path = asked
    fields = request.headers.fields
    headers = [(name.decode("latin-1").lower(), value) for name, value in fields]
    return ProviderCall(
        name=provider.name,
        url=f"{scheme}://{authority_of(scheme, host, port)}{_encoded(clean_path(path))}",
        shown_url=url_of(*asked),
        headers=tuple(
            (name, value.decode("ascii"))
            for name, value in headers
            if name not in NOT_PASSED_ON and not name.startswith(":") and value.isascii()
        ),
        keys=tuple(keys_in(fields, request.path)),
    )


def _with_key(call: ProviderCall, key: str) -> ProviderCall:
    kept = [(name, value) for name, value in call.headers if not may_be_secret(name)]
    return replace(call, headers=(*kept, ("authorization", f"Bearer {key}")))


def _encoded(path: str) -> str:
    return quote(path, safe=_PRINTABLE, errors="surrogateescape")
