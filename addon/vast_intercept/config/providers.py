"""Whose API a request is for: providers, their hosts, and where in the path the API starts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec
import yaml

from ..openai_api.operations import Api
from ..urls import DEFAULT_PORTS

Scheme = Literal["https", "http"]

_SHORTEST_KEY = 20


@dataclass(frozen=True, slots=True)
class ApiPath:
    """A path below a provider's API prefix, with the model or endpoint that the prefix names."""

    segments: tuple[str, ...]
    model: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenAI-compatible API. Its ports are those of HTTPS and HTTP, or one of the user's own."""

    name: str
    hosts: tuple[str, ...]
    prefixes: tuple[str, ...]
    ports: tuple[int, ...] = tuple(DEFAULT_PORTS.values())
    #: The beginnings of its keys, as far as they are known.
    keys: tuple[str, ...] = ("",)
    api: Api = "openai"

    def may_have_issued(self, key: str) -> bool:
        """Whether a key can be one of the provider's, by its looks. Most placeholders cannot."""
        return len(key) >= _SHORTEST_KEY and key.startswith(self.keys)

    def serves(self, host: str, port: int) -> bool:
        """Whether requests to this host and port are for this provider."""
        return port in self.ports and any(
            _host_pattern(name).fullmatch(host) for name in self.hosts
        )

    def host_regexes(self) -> list[str]:
        """Regular expressions on `host:port`, for mitmproxy's option `allow_hosts`."""
        ports = "|".join(map(str, self.ports))
        return [rf"^(?:{_host_pattern(name).pattern}):(?:{ports})$" for name in self.hosts]

    def find_api(self, segments: tuple[str, ...]) -> ApiPath | None:
        """The path below the first API prefix that fits, or None for a path outside of the API."""
        for prefix in self.prefixes:
            named: dict[str, str] = {}
            parts = _prefix_parts(prefix)
            if len(segments) < len(parts):
                continue
            for part, segment in zip(parts, segments, strict=False):
                if part.startswith("{"):
                    named[part[1:-1]] = segment
                elif part.lower() != segment.lower():  # Azure's paths are not case-sensitive
                    break
            else:
                return ApiPath(segments[len(parts) :], named.get("model"), named.get("endpoint"))
        return None


@cache
def _host_pattern(name: str) -> re.Pattern[str]:
    if name.startswith("*."):
        # RFC 1035, section 2.3.4: a label has 63 octets at most.
        labels = r"(?:[\w-]{1,63}\.)+"
        return re.compile(labels + re.escape(name[2:]) + r"\.?", re.IGNORECASE)
    return re.compile(re.escape(name) + r"\.?", re.IGNORECASE)


@cache
def _prefix_parts(prefix: str) -> tuple[str, ...]:
    return tuple(part for part in prefix.split("/") if part)


@cache
def built_in_providers() -> dict[str, Provider]:
    """The built-in table, by name."""
    table = yaml.safe_load((files(__package__) / "providers.yaml").read_text("utf-8"))
    rows = msgspec.convert(table, dict[str, dict[str, tuple[str, ...] | Api]])
    return {name: Provider(name, **row) for name, row in rows.items()}  # type: ignore[arg-type]


def own_provider(name: str, host: str, port: int | None, prefix: str, scheme: Scheme) -> Provider:
    """A provider of the user's own, such as a self-hosted vLLM.

    `prefix` is the path in front of its API's paths. Without a `port`, `scheme` says which it is.
    """
    # The host may be an IPv6 address; mitmproxy writes those without brackets.
    return Provider(name, (host.strip("[]"),), (prefix,), (port or DEFAULT_PORTS[scheme],))


def find_provider(providers: Iterable[Provider], host: str, port: int) -> Provider | None:
    """The provider that a host and a port belong to, if any."""
    return next((provider for provider in providers if provider.serves(host, port)), None)
