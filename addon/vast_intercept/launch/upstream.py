"""The proxy that the environment names already, such as a company's: pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_NAMES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[\w.-]+|.*:.*")  # only an IPv6 address has colons


class UpstreamProxyError(Exception):
    """The environment names a proxy that cannot be used. The message says which, and why."""


@dataclass(frozen=True, slots=True)
class NamedProxy:
    """The proxy that a variable names. `auth` is `user:password`."""

    variable: str
    #: Without user and password.
    url: str
    auth: str | None = None

    def arguments(self) -> list[str]:
        """mitmproxy's, to reach everything through it."""
        arguments = ["--mode", f"upstream:{self.url}"]
        if self.auth:
            arguments += ["--set", f"upstream_auth={self.auth}"]
        return arguments


def named_proxy(environ: Mapping[str, str]) -> NamedProxy | None:
    """The first that is named for HTTPS. Raises UpstreamProxyError."""
    for variable in _NAMES:
        value = environ.get(variable, "").strip()
        if value:
            return _read(variable, value)
    return None


def _read(variable: str, value: str) -> NamedProxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if port is None:
        port = _DEFAULT_PORTS.get(parts.scheme)
    if parts.scheme.startswith("socks"):
        raise UpstreamProxyError(
            f"{variable} names a SOCKS proxy, and mitmproxy reaches others through HTTP proxies"
            f" only. Unset {variable}, or name the HTTP proxy there."
        )
    # Where a password has a slash that is not encoded, the host is to be found in the path.
    name = parts.hostname or ""
    readable = _HOST.fullmatch(name) and "@" not in parts.path
    if not readable or not port or parts.scheme not in _DEFAULT_PORTS:
        # Not the value itself: it may hold a password.
        raise UpstreamProxyError(
            f"{variable} is not the URL of a proxy, such as http://proxy.example:3128."
        )
    host = f"[{name}]" if ":" in name else name
    auth = None
    if parts.username:
        auth = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return NamedProxy(variable, f"{parts.scheme}://{host}:{port}", auth)
