"""Functions that check what the configuration file says, and turn it into values.

All of them raise ConfigError, whose message names the place in the file.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..addresses import is_loopback_name
from ..bridges.bridge import BuiltinTools
from ..openai_api.operations import CONFIGURABLE, DROPPED, UNSERVED, Operation
from ..secret import VAST_KEY_VARIABLE
from .file import (
    DEFAULT_API_KEY,
    ConfigError,
    OwnProvider,
    ResponsesSection,
    Route,
    Unsupported,
    check_known,
    nearest,
)
from .keys import FoundKey, find_key, read_path, variables_with_key
from .providers import Provider, built_in_providers, own_provider

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ResponseStoreKind(StrEnum):
    """Where responses are kept if it is not a file."""

    MEMORY = "memory"
    OFF = "off"


class Responses(msgspec.Struct, frozen=True, kw_only=True):
    """`responses`, checked."""

    #: A path is that of an SQLite file.
    store: ResponseStoreKind | Path = ResponseStoreKind.MEMORY
    builtin_tools: BuiltinTools = BuiltinTools.LEAVE_OUT


_REASONING = ("as_is", "both")
#: The roles that messages of a chat may have.
_ROLES = ("developer", "system", "user", "assistant", "tool", "function")


def read_vast_key(reference: str, environ: Mapping[str, str]) -> FoundKey:
    """The Vast key that `vast.api_key` refers to. The environment wins over the file."""
    named = [VAST_KEY_VARIABLE]
    if reference.startswith("env:"):
        named.append(reference.removeprefix("env:"))
    if environ.get(VAST_KEY_VARIABLE):
        reference = DEFAULT_API_KEY
    found = find_key(reference, environ, "vast.api_key")
    return found._replace(variables=variables_with_key(named, found.key, environ))


def read_url(url: str, place: str) -> str:
    """Checks that keys can be sent to a URL safely; returns it without a slash at its end."""
    if "@" in url:
        raise ConfigError(f"{place}: a URL must not hold a user name or a password.")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"https", "http"} and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not parts.hostname or re.search(r"[\s?#]", url):
        raise ConfigError(f"{place}: {url!r} is not a URL such as https://openai.vast.ai.")
    if parts.scheme == "http" and not is_loopback_name(parts.hostname):
        raise ConfigError(
            f"{place}: {url!r} would send the Vast key unencrypted: use https."
            " Only this machine's own addresses may be http."
        )
    return url.rstrip("/")


def read_ca_file(text: str | None, *, only: bool) -> Path | None:
    """The path of `vast.ca_file`, which must exist. `only` is `vast.ca_only`, which needs it."""
    if text is None:
        if only:
            raise ConfigError("vast.ca_only: needs vast.ca_file, which says whom to trust.")
        return None
    path = read_path(text, "vast.ca_file")
    if not path.is_file():
        raise ConfigError(f"vast.ca_file: there is no file {path}.")
    return path


def read_providers(entries: list[str | OwnProvider]) -> tuple[Provider, ...]:
    """The providers whose connections are taken over. No host belongs to two of them."""
    providers: list[Provider] = []
    known = built_in_providers()
    for index, entry in enumerate(entries):
        place = f"providers[{index}]"
        if isinstance(entry, str):
            check_known(entry, tuple(known), place, "provider")
            provider = known[entry]
        else:
            if not _is_host(entry.host):
                raise ConfigError(f"{place}.host: {entry.host!r} is not a host name or an address.")
            own = own_provider(entry.name, entry.host, entry.port, entry.prefix, entry.scheme)
            provider = replace(own, api=entry.api)
        for other in providers:
            _check_distinct(provider, other, place)
        providers.append(provider)
    return tuple(providers)


def read_routes(routes: list[Route]) -> tuple[Route, ...]:
    """Checks that routes name only known words, and no endpoint twice."""
    for index, route in enumerate(routes):
        for name, new in route.roles.items():
            check_known(name, _ROLES, f"routes[{index}].roles", "role")
            check_known(new, _ROLES, f"routes[{index}].roles.{name}", "role")
        check_known(route.reasoning, _REASONING, f"routes[{index}].reasoning")
        seen = {route.endpoint}
        for number, name in enumerate(route.fallback):
            if name in seen:
                raise ConfigError(
                    f"routes[{index}].fallback[{number}]: {name!r} comes twice. A route goes to"
                    " each endpoint once."
                )
            seen.add(name)
    return tuple(routes)


def _is_host(text: str) -> bool:
    if ":" not in text:
        return bool(text) and not re.search(r"[\s/*@]", text)
    try:
        ipaddress.IPv6Address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _check_distinct(provider: Provider, other: Provider, place: str) -> None:
    if provider.name == other.name:
        raise ConfigError(f"{place}: there are two providers with the name {provider.name!r}.")
    for port in set(provider.ports) & set(other.ports):
        for one, two in ((provider, other), (other, provider)):
            for host in one.hosts:
                if two.serves(host.replace("*", "x"), port):
                    raise ConfigError(
                        f"{place}: {provider.name!r} has the same host as {other.name!r}:"
                        f" {host}:{port}. A host can belong to one provider only."
                    )


def read_unsupported(setting: str | dict[str, Any]) -> dict[Operation, Unsupported]:
    """The setting for each operation that is not served; of others, for those that are named."""
    if isinstance(setting, str):
        chosen = dict.fromkeys(UNSERVED, _unsupported_setting(setting, "unsupported"))
        if setting == Unsupported.TO_PROVIDER:
            chosen |= dict.fromkeys(DROPPED, Unsupported.TO_PROVIDER)
        return chosen
    known = {operation.value: operation for operation in CONFIGURABLE}
    chosen = dict.fromkeys(UNSERVED, Unsupported.REJECT)
    for name, value in setting.items():
        if name not in known:
            raise ConfigError(f"unsupported.{name}: unknown operation.{nearest(name, known)}")
        chosen[known[name]] = _unsupported_setting(value, f"unsupported.{name}")
    return chosen


def _unsupported_setting(value: Any, place: str) -> Unsupported:
    try:
        return Unsupported(value)
    except ValueError:
        raise ConfigError(f"{place}: {value!r} is neither 'reject' nor 'pass'.") from None


def read_responses(section: ResponsesSection) -> Responses:
    """Checks `responses`. The file of a store need not be there, but its folder must."""
    check_known(section.builtin_tools, tuple(BuiltinTools), "responses.builtin_tools")
    return Responses(
        store=_read_store("off" if section.store is False else section.store),
        builtin_tools=BuiltinTools(section.builtin_tools),
    )


def _read_store(text: str | bool) -> ResponseStoreKind | Path:
    place = "responses.store"
    if text in tuple(ResponseStoreKind):
        return ResponseStoreKind(text)
    if isinstance(text, bool) or "/" not in text:  # more likely a mistyped word than a file
        shown = "on" if isinstance(text, bool) else text
        raise ConfigError(
            f"{place}: {shown!r} is neither 'memory', 'off' nor a path with a slash in it, such as"
            f" ./responses.sqlite.{nearest(shown, tuple(map(str, ResponseStoreKind)))}"
        )
    path = read_path(text, place)
    if path.is_dir() or text.endswith("/"):
        raise ConfigError(f"{place}: {path} is a folder. Name a file in it.")
    if not path.parent.is_dir():
        raise ConfigError(f"{place}: there is no folder {path.parent}.")
    return path


def read_networks(texts: list[str]) -> Iterator[Network]:
    """The addresses and networks of `clients.allow_from`."""
    for index, text in enumerate(texts):
        try:
            found = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ConfigError(
                f"clients.allow_from[{index}]: {text!r} is not an address or a network such as"
                " 192.168.1.0/24."
            ) from None
        if isinstance(found, ipaddress.IPv6Network) and found.prefixlen >= 96:
            mapped = found.network_address.ipv4_mapped
            if mapped:  # clients' addresses are compared as IPv4 where they are that
                found = ipaddress.IPv4Network((mapped, found.prefixlen - 96))
        yield found


def read_filter(expression: str, where: str) -> None:
    """Checks one of mitmproxy's filter expressions; there may be none."""
    if not expression:
        return
    from mitmproxy import flowfilter  # noqa: PLC0415  (only who uses it needs mitmproxy)

    try:
        flowfilter.parse(expression)
    except ValueError:
        raise ConfigError(
            f"{where}: {expression!r} is not one of mitmproxy's filter expressions, such as"
            " '~marked' (https://docs.mitmproxy.org/stable/concepts/filters/)."
        ) from None
