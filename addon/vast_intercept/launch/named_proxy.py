"""The proxy that environment variables name already, such as a company's: pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ..urls import DEFAULT_PORTS, Place, place_of, proxy_url

_NAMES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_HOST = re.compile(r"[\w.-]+|.*:.*")  # only an IPv6 address has colons


class NamedProxyError(Exception):
    """The environment names a proxy that cannot be used. The message says which, and why."""


@dataclass(frozen=True, slots=True)
class NamedProxy:
    """A proxy and the variable that names it. `auth` is `user:password`."""

    variable: str
    #: Without user and password.
    url: str
    auth: str | None = None

    def arguments(self) -> list[str]:
        """mitmproxy's arguments that have it reach everything through this proxy."""
        auth = ["--set", f"upstream_auth={self.auth}"] if self.auth else []
        return ["--mode", f"upstream:{self.url}", *auth]


def named_proxy(environ: Mapping[str, str]) -> NamedProxy | None:
    """The first proxy that is named for HTTPS, or None. Raises NamedProxyError."""
    for variable in _NAMES:
        if value := environ.get(variable, "").strip():
            return _read(variable, value)
    return None


def _read(variable: str, value: str) -> NamedProxy:
    try:
        place, parts = place_of(proxy_url(value)), urlsplit(proxy_url(value))
    except ValueError:
        place, parts = Place("", "", 0), urlsplit("")
    if place.scheme.startswith("socks"):
        raise NamedProxyError(
            f"{variable} names a SOCKS proxy, and mitmproxy reaches others through HTTP proxies"
            f" only. Unset {variable}, or name the HTTP proxy there."
        )
    # If a password has a slash that is not encoded, the host is in the path.
    readable = _HOST.fullmatch(place.host) and "@" not in parts.path
    if not readable or not place.port or place.scheme not in DEFAULT_PORTS:
        # The message leaves out the value, which may hold a password.
        raise NamedProxyError(
            f"{variable} is not the URL of a proxy, such as http://proxy.example:3128."
        )
    auth = parts.username and f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return NamedProxy(variable, f"{place.scheme}://{place}", auth or None)
