"""Finds the URL that an app would call, and how calls reach the interceptor."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from ..config import Config, ConfigFile, OwnProvider, Provider, built_in_providers
from ..status import Status

_MODEL = "check"


def chat_url(status: Status, config: Config, file: ConfigFile, port: int) -> str | None:
    """The URL of chat completions of the first provider that is taken over, if any is.

    In mode `reverse:` it is the URL of the provider behind the interceptor.
    """
    host = _host(status, port)
    if host is None:
        return None
    provider = _provider(host, (*config.providers, *built_in_providers().values()))
    scheme, own_port = _scheme_and_port(host, file)
    prefix = "/v1"
    if provider:
        prefix = provider.prefixes[0].rstrip("/")
        prefix = prefix.replace("{endpoint}", config.endpoint or _MODEL)
        prefix = prefix.replace("{model}", _MODEL)
    name = f"[{host}]" if ":" in host else host.replace("*", _MODEL, 1)
    return f"{scheme}://{name}{own_port}{prefix}/chat/completions"


def model_for(config: Config) -> str:
    """A model that has an endpoint: without a default endpoint, the model of a route."""
    if config.destinations_for(_MODEL):
        return _MODEL
    for route in config.routes:
        model = route.model.replace("*", "").replace("?", "x")
        if fnmatchcase(model, route.model):
            return model
    return _MODEL


def _host(status: Status, port: int) -> str | None:
    """A provider's host, preferably one that is not a pattern."""
    hosts = sorted(status.provider_hosts, key=lambda host: host.startswith("*"))
    behind = urlsplit(door_of(status, port).mode.partition(":")[2]).hostname
    return behind if behind in hosts else next(iter(hosts), None)


@dataclass(frozen=True, slots=True)
class Door:
    """How an interceptor takes calls at a port. `mode` is mitmproxy's mode."""

    #: Whether apps use it as an HTTP proxy.
    is_proxy: bool
    #: Whether apps have it as their base URL.
    is_reverse: bool
    mode: str


def door_of(status: Status, port: int) -> Door:
    """The door at a port, by mitmproxy's modes such as `reverse:https://api.openai.com@8081`."""
    own = [mode for mode in status.modes if mode.endswith((f"@{port}", f":{port}")) and "@" in mode]
    default = [mode for mode in status.modes if "@" not in mode]
    mode = next(iter([*own, *default, *status.modes]), "regular")
    name = mode.partition(":")[0].partition("@")[0]
    return Door(name in {"regular", "upstream"}, name == "reverse", mode)


def _provider(host: str, providers: Iterable[Provider]) -> Provider | None:
    return next((provider for provider in providers if host in provider.hosts), None)


def _scheme_and_port(host: str, file: ConfigFile) -> tuple[str, str]:
    for entry in file.providers:
        if isinstance(entry, OwnProvider) and entry.host.strip("[]") == host:
            return entry.scheme, f":{entry.port}" if entry.port else ""
    return "https", ""
