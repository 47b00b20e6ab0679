"""Where a request leads: to the host of its connection, whatever its headers say."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from ..addresses import parse_address
from ..config import Provider, find_provider
from ..mitm.borrowed import parse_authority
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, bad_request
from ..secret import mask_shapes

_LONGEST_NAME = 255

#: Scheme, host, port and path.
type Parts = tuple[str, str, int, str]
#: What decides about a call, except its body: the method, and where it goes.
type Target = tuple[str, Parts]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a request leads, and which provider that is, if any.

    `problem` is the answer to a request whose headers name another host. Headers must not choose
    where a request goes, and nobody can tell which of the two hosts was meant.
    """

    parts: Parts
    provider: Provider | None
    problem: ApiError | None = None


def destination_of(flow: http.HTTPFlow, providers: tuple[Provider, ...]) -> Destination:
    """Where a request leads that has come over a connection or from a file (FACTS M48)."""
    request = flow.request
    host, port = request.host, request.port
    named = list(_named(request))
    provider = find_provider(providers, host, port)
    reverse = isinstance(flow.client_conn.proxy_mode, ReverseMode)
    if provider is None and not reverse and parse_address(host):
        # The network has redirected it, or the app has resolved the name itself: TLS has the name,
        # and without TLS only the request has.
        name = flow.client_conn.sni or next(map(_host_of, named), "")
        if provider := find_provider(providers, name, port):
            host = name
    parts = request.scheme or "http", host, port, request.path
    if reverse:
        return Destination(parts, provider)  # the app calls it by another name
    if provider:
        return Destination(parts, provider, _disagreement(request, named, host, port))
    return _misdirected(flow, parts, named, providers)


def target_of(request: http.Request) -> Target:
    """What decides about a call, except its body, as the request shows it now."""
    return request.method, (request.scheme, request.host, request.port, request.path)


def destination_now(
    flow: http.HTTPFlow, providers: tuple[Provider, ...], judged: Target
) -> Destination:
    """Where a call leads that was judged as `judged`, and that may have been changed since."""
    _, parts = target_of(flow.request)
    if parts[:3] == judged[1][:3]:
        return destination_of(flow, providers)
    # Another addon, or a person, sends it elsewhere than its connection, and that on purpose.
    return Destination(parts, find_provider(providers, *parts[1:3]))


def _named(request: http.Request) -> Iterator[bytes]:
    """The hosts that the request itself names: in `Host` and, over HTTP/2, in `:authority`."""
    if request.data.authority:
        yield request.data.authority
    for name, value in request.headers.fields:
        if value and name.lower() == b"host":
            yield value


def _disagreement(
    request: http.Request, named: list[bytes], host: str, port: int
) -> ApiError | None:
    """The error for a request to `host` whose headers name other hosts, or None."""
    if len(named) > 1 and len(request.headers.get_all("host")) > 1:
        # RFC 9112, section 3.2: a server must answer 400.
        return bad_request("The request has more than one Host header.", ErrorCode.INVALID_HOST)
    for text in named:
        authority = _authority(text)
        if authority is None:
            return bad_request(
                f"{_printable(text)} in the Host header is not the name of a host.",
                ErrorCode.INVALID_HOST,
            )
        if authority[0] != _comparable(host) or authority[1] not in {None, port}:
            return _misdirected_request(host, text)
    return None


def _misdirected(
    flow: http.HTTPFlow, parts: Parts, named: list[bytes], providers: tuple[Provider, ...]
) -> Destination:
    """A request to a host that is no provider's. It is refused if its headers name a provider."""
    port = parts[2]
    for text in ((flow.client_conn.sni or "").encode(errors="replace"), *named):
        name, its_port = _authority(text) or ("", None)
        if provider := find_provider(providers, name, its_port or port):
            return Destination(parts, provider, _misdirected_request(parts[1], text))
    return Destination(parts, None)


def _misdirected_request(host: str, named: bytes) -> ApiError:
    # RFC 9110, section 15.5.20
    return bad_request(
        f"The connection was made to {_printable(host.encode(errors='replace'))}, and the request"
        f" is for {_printable(named)}.",
        ErrorCode.MISDIRECTED_REQUEST,
        status=HTTPStatus.MISDIRECTED_REQUEST,
    )


def _printable(name: bytes) -> str:
    """The name of a host as text that can be shown, whatever bytes it consists of."""
    return mask_shapes(ascii(name.decode("utf-8", "backslashreplace"))[:_LONGEST_NAME])


def _host_of(text: bytes) -> str:
    authority = _authority(text)
    return authority[0] if authority else ""


@lru_cache(maxsize=1_024)
def _authority(text: bytes) -> tuple[str, int | None] | None:
    """Host and port, or None if it is not the name of a host."""
    try:
        host, port = parse_authority(text, check=True)
    except ValueError:
        return None
    return _comparable(host), port


def _comparable(host: str) -> str:
    """The host in a canonical form: lower case, without a final dot, IDNA in ASCII."""
    if address := parse_address(host):
        return str(address)
    host = host.lower().removesuffix(".")
    if not host.isascii():
        try:
            return host.encode("idna").decode()
        except UnicodeError:
            pass
    return host
