"""URLs: the part that says where to connect to."""

from typing import NamedTuple
from urllib.parse import urlsplit

#: The ports of URLs that name none.
DEFAULT_PORTS = {"https": 443, "http": 80}


class Place(NamedTuple):
    """The part of a URL that leads to a server. Without a host or port, they are "" and 0."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def place_of(url: str) -> Place:
    """The place that a URL leads to. Raises ValueError if its port or its host is malformed."""
    parts = urlsplit(url)
    port = DEFAULT_PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    return Place(parts.scheme, parts.hostname or "", port)


def proxy_url(value: str) -> str:
    """The URL of a proxy that a variable names. Host and port alone are those of an HTTP proxy."""
    return value if "://" in value else f"http://{value}"
