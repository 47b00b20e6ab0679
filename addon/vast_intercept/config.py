"""The configuration: one YAML file, environment variables and mitmproxy options, as one value.

The file is optional. Options win over environment variables, and these over the file.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .config_file import (
    DEFAULT_API_KEY,
    ENDPOINT_PATTERN,
    INTERFACES,
    PROVIDER,
    UNSUPPORTED_SETTINGS,
    ClientKey,
    ConfigError,
    ConfigFile,
    OwnProvider,
    Route,
    TimeoutSection,
    Unsupported,
    nearest,
    read_config_file,
)
from .openai_api.operations import UNSUPPORTED, Operation
from .providers import Provider, built_in_providers, own_provider
from .secret import Secret, is_sendable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAX_KEY_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration that was checked. Immutable: a call keeps the one that it started with."""

    source: str = "the defaults"
    endpoint: str | None = None
    api_key: Secret | None = None
    api_key_problem: str = ""
    interface: str = "openai"
    openai_url: str = "https://openai.vast.ai"
    route_url: str = "https://run.vast.ai"
    console_url: str = "https://console.vast.ai"
    ca_file: Path | None = None
    timeout: TimeoutSection = field(default_factory=TimeoutSection)
    keepalive: float = 15
    drain: float = 30
    default_cost: float = 100
    providers: tuple[Provider, ...] = ()
    routes: tuple[Route, ...] = ()
    unsupported: Mapping[Operation, Unsupported] = field(default_factory=dict)
    allow_from: tuple[Network, ...] = ()
    client_keys: tuple[ClientKey, ...] = ()
    models: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    key_file: Path | None = None

    def destinations_for(self, model: str | None) -> tuple[str, ...]:
        """Where calls for the model go: an endpoint, and its fallbacks in order; or nowhere.

        It is the first route whose pattern matches the model, else the default endpoint.
        """
        if model is not None:
            for route in self.routes:
                if fnmatchcase(model, route.model):
                    return route.endpoint, *route.fallback
        return (self.endpoint,) if self.endpoint else ()

    @property
    def falls_back_to_provider(self) -> bool:
        """Whether there is a route that may end at the provider, with the app's own key."""
        return any(PROVIDER in route.fallback for route in self.routes)

    def listed_models(self) -> list[str]:
        """What `GET /v1/models` lists: `models`, then routes' names, then endpoints."""
        names = [*self.models]
        names += [route.model for route in self.routes if not _is_pattern(route.model)]
        names += [route.endpoint for route in self.routes]
        if self.endpoint:
            names.append(self.endpoint)
        return list(dict.fromkeys(names))

    def knows_model(self, model: str) -> bool:
        """Whether `GET /v1/models/{id}` has an answer: it is listed, or a route is for it."""
        return model in self.listed_models() or any(
            fnmatchcase(model, route.model) for route in self.routes
        )


def _is_pattern(text: str) -> bool:
    return any(character in text for character in "*?[")


def load_config(
    path: Path | None,
    environ: Mapping[str, str] = os.environ,
    *,
    endpoint: str | None = None,
    interface: str | None = None,
) -> Config:
    """Reads and checks the configuration.

    `path` is the file, or None for none; `endpoint` and `interface` are mitmproxy options, which
    win over everything. Raises ConfigError.
    """
    file = read_config_file(path) if path else ConfigFile()
    vast = msgspec.structs.replace(
        file.vast,
        endpoint=endpoint or environ.get("VAST_ENDPOINT") or file.vast.endpoint,
        interface=interface or file.vast.interface,
    )
    file = msgspec.structs.replace(file, vast=vast)
    try:
        return _checked(file, str(path) if path else "the defaults", environ)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}" if path else str(error)) from None


def defaults() -> Config:
    """The configuration of someone who has set nothing."""
    return load_config(None, {})


def _checked(file: ConfigFile, source: str, environ: Mapping[str, str]) -> Config:
    endpoint = file.vast.endpoint
    if endpoint and not re.search(ENDPOINT_PATTERN, endpoint):
        raise ConfigError(f"vast.endpoint: {endpoint!r} cannot be the name of an endpoint.")
    if file.vast.interface not in INTERFACES:
        raise ConfigError(
            f"vast.interface: {file.vast.interface!r} is unknown."
            f"{nearest(file.vast.interface, INTERFACES)}"
        )
    key, key_problem, key_file = _read_key(file.vast.api_key, environ)
    warnings = []
    if key and not key_file and file.vast.api_key == key.reveal():
        warnings.append(
            f"{source}: vast.api_key holds the key itself, so that whoever reads the file has it."
            " Better write env:NAME or file:PATH."
        )
    if key is None:
        warnings.append(
            f"There is no Vast API key: {key_problem}. Calls for Vast are refused until"
            " VAST_API_KEY is set, or vast.api_key in the configuration."
        )
    if not endpoint and not file.routes:
        warnings.append(
            "There is no Vast endpoint. Calls for Vast are refused until VAST_ENDPOINT is set, or"
            " vast.endpoint in the configuration."
        )
    return Config(
        source=source,
        endpoint=endpoint,
        api_key=key,
        api_key_problem=key_problem,
        key_file=key_file,
        interface=file.vast.interface,
        openai_url=_upstream_url(file.vast.openai_url, "vast.openai_url"),
        route_url=_upstream_url(file.vast.route_url, "vast.route_url"),
        console_url=_upstream_url(file.vast.console_url, "vast.console_url"),
        ca_file=_ca_file(file.vast.ca_file),
        timeout=file.vast.timeout,
        keepalive=file.vast.keepalive,
        drain=file.vast.drain,
        default_cost=file.vast.default_cost,
        providers=_providers(file.providers),
        routes=_routes(file.routes),
        unsupported=_unsupported(file.unsupported),
        allow_from=tuple(
            map(_network, range(len(file.clients.allow_from)), file.clients.allow_from)
        ),
        client_keys=tuple(file.clients.keys),
        models=tuple(file.models),
        warnings=tuple(warnings),
    )


def _read_key(reference: str, environ: Mapping[str, str]) -> tuple[Secret | None, str, Path | None]:
    """The key, or what is wrong with it, and the file that it comes from."""
    if environ.get("VAST_API_KEY"):
        reference = DEFAULT_API_KEY  # the environment wins over the file
    kind, _, name = reference.partition(":")
    key_file = None
    if kind in {"env", "file"} and not name:
        raise ConfigError(f"vast.api_key: {reference!r} names none: write env:NAME or file:PATH.")
    if kind == "env":
        where, problem = f"the environment variable {name}", "is not set"
        key = environ.get(name, "").strip()
    elif kind == "file":
        key_file = _path(name, "vast.api_key")
        where = f"the key file {key_file}"
        key, problem = _read_key_file(key_file)
    else:
        where, problem = "vast.api_key", "is empty"
        key = reference
    if key and not is_sendable(key):
        key, problem = "", "holds something else than a key"
    return (Secret(key), "", key_file) if key else (None, f"{where} {problem}", key_file)


def _read_key_file(path: Path) -> tuple[str, str]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_KEY_BYTES + 1)
        if len(content) > _MAX_KEY_BYTES:
            return "", "is too large to hold just a key"
        return content.decode().strip(), "is empty"
    except OSError as error:
        return "", f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        return "", "is not text"


def _upstream_url(url: str, place: str) -> str:
    """Raises ConfigError unless keys can be sent there safely."""
    if "@" in url:
        raise ConfigError(f"{place}: a URL must not hold a user name or a password.")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"https", "http"} and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not parts.hostname or re.search(r"[\s?#]", url):
        raise ConfigError(f"{place}: {url!r} is not a URL such as https://openai.vast.ai.")
    if parts.scheme == "http" and not _is_loopback_name(parts.hostname):
        raise ConfigError(
            f"{place}: {url!r} would send the Vast key unencrypted: use https."
            " Only this machine's own addresses may be http."
        )
    return url.rstrip("/")


def _is_loopback_name(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _path(text: str, place: str) -> Path:
    try:
        path = Path(text).expanduser()
        os.lstat(path)
    except (RuntimeError, ValueError):  # "~nobody/key"; a null byte
        raise ConfigError(f"{place}: {text!r} cannot be the name of a file.") from None
    except OSError:
        pass
    return path


def _ca_file(text: str | None) -> Path | None:
    if text is None:
        return None
    path = _path(text, "vast.ca_file")
    if not path.is_file():
        raise ConfigError(f"vast.ca_file: there is no file {path}.")
    return path


def _providers(entries: list[str | OwnProvider]) -> tuple[Provider, ...]:
    providers: list[Provider] = []
    known = built_in_providers()
    for index, entry in enumerate(entries):
        place = f"providers[{index}]"
        if isinstance(entry, str):
            if entry not in known:
                raise ConfigError(
                    f"{place}: unknown provider {entry!r}.{nearest(entry, tuple(known))}"
                )
            provider = known[entry]
        else:
            if not _is_host(entry.host):
                raise ConfigError(f"{place}.host: {entry.host!r} is not a host name or an address.")
            provider = own_provider(entry.name, entry.host, entry.port, entry.prefix, entry.scheme)
        for other in providers:
            _check_distinct(provider, other, place)
        providers.append(provider)
    return tuple(providers)


def _routes(routes: list[Route]) -> tuple[Route, ...]:
    for index, route in enumerate(routes):
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


def _unsupported(setting: str | dict[str, Any]) -> dict[Operation, Unsupported]:
    if isinstance(setting, str):
        return dict.fromkeys(UNSUPPORTED, _unsupported_setting(setting, "unsupported"))
    known = {operation.value: operation for operation in UNSUPPORTED}
    chosen: dict[Operation, Unsupported] = dict.fromkeys(UNSUPPORTED, "reject")
    for name, value in setting.items():
        if name not in known:
            raise ConfigError(f"unsupported.{name}: unknown operation.{nearest(name, known)}")
        chosen[known[name]] = _unsupported_setting(value, f"unsupported.{name}")
    return chosen


def _unsupported_setting(value: Any, place: str) -> Unsupported:
    if not isinstance(value, str) or value not in UNSUPPORTED_SETTINGS:
        raise ConfigError(f"{place}: {value!r} is neither 'reject' nor 'pass'.")
    return UNSUPPORTED_SETTINGS[value]


def _network(index: int, text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(
            f"clients.allow_from[{index}]: {text!r} is not an address or a network such as"
            " 192.168.1.0/24."
        ) from None
