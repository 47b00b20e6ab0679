"""The configuration: one YAML file, environment variables and mitmproxy options, as one value.

The file is optional. Options win over environment variables, and these over the file.
"""

import os
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import asdict, replace

from ..openai_api.operations import Operation
from ..secret import VAST_KEY_VARIABLE, Secret
from .file import (
    ENDPOINT_PATTERN,
    PROVIDER,
    ClientKey,
    ConfigError,
    ConfigFile,
    InspectSection,
    Route,
    Unsupported,
    VastSettings,
    check_known,
    read_config_file,
)
from .providers import Provider
from .validation import (
    Network,
    Responses,
    read_ca_file,
    read_filter,
    read_key,
    read_networks,
    read_providers,
    read_responses,
    read_routes,
    read_unsupported,
    read_url,
    variables_with_key,
)

_PROJECT_CONFIG = Path(__file__).parents[3] / "config" / "vast.yaml"
_URLS = ("openai_url", "route_url", "console_url")


class UpstreamKind(StrEnum):
    """Which upstream answers. `vast.interface` has the same names for those of Vast."""

    OPENAI = "openai"
    SERVERLESS = "serverless"
    PROVIDER = "provider"


_INTERFACES = tuple(kind for kind in UpstreamKind if kind is not UpstreamKind.PROVIDER)


class EndpointId(NamedTuple):
    """An endpoint of Vast or a provider, by its name, and the upstream that leads there."""

    kind: UpstreamKind
    name: str


class Config(VastSettings, frozen=True):
    """A checked configuration. It never changes: a call keeps the one that it started with."""

    source: str = "the defaults"
    #: The sections and keys of the file that differ from the defaults.
    sections: frozenset[str] = frozenset()
    api_key: Secret | None = None
    api_key_problem: str = ""
    interface: UpstreamKind = UpstreamKind.OPENAI
    ca_file: Path | None = None
    providers: tuple[Provider, ...] = ()
    routes: tuple[Route, ...] = ()
    unsupported: dict[Operation, Unsupported] = msgspec.field(default_factory=dict)
    allow_from: tuple[Network, ...] = ()
    client_keys: tuple[ClientKey, ...] = ()
    responses: Responses = Responses()
    models: tuple[str, ...] = ()
    inspect: InspectSection = InspectSection()
    warnings: tuple[str, ...] = ()
    key_file: Path | None = None
    #: Environment variables that hold the Vast key, or may.
    key_variables: tuple[str, ...] = (VAST_KEY_VARIABLE,)

    def destinations_for(self, model: str | None) -> tuple[EndpointId, ...]:
        """Where calls for the model go: an endpoint and its fallbacks in order, or nowhere.

        The first route whose pattern matches the model says it, else the default endpoint. Among
        the fallbacks may be a provider. It is the one that the app asked for, whatever its name.
        """
        if route := self.route_for(model):
            return EndpointId(self.interface, route.endpoint), *map(self._fallback, route.fallback)
        return (EndpointId(self.interface, self.endpoint),) if self.endpoint else ()

    def _fallback(self, name: str) -> EndpointId:
        return EndpointId(UpstreamKind.PROVIDER if name == PROVIDER else self.interface, name)

    def route_for(self, model: str | None) -> Route | None:
        """The first route whose pattern matches the model."""
        if model is None:
            return None
        return next((route for route in self.routes if fnmatchcase(model, route.model)), None)

    @property
    def interface_url(self) -> str:
        """The URL of the interface that calls go through."""
        return self.route_url if self.interface is UpstreamKind.SERVERLESS else self.openai_url

    @property
    def falls_back_to_provider(self) -> bool:
        """Whether there is a route that may end at the provider, with the app's own key."""
        return any(PROVIDER in route.fallback for route in self.routes)

    def names_destination(self, name: str) -> bool:
        """Whether the configuration itself names the destination, rather than an app alone."""
        return name in self.endpoints() or any(name == each.name for each in self.providers)

    def endpoints(self) -> list[str]:
        """Vast's endpoints that calls may go to: the default one first, then those of routes."""
        names = [self.endpoint] if self.endpoint else []
        for route in self.routes:
            names += [route.endpoint, *(name for name in route.fallback if name != PROVIDER)]
        return list(dict.fromkeys(names))

    def listed_models(self) -> list[str]:
        """What `GET /v1/models` lists: `models`, then routes' names, then endpoints."""
        names = [*self.models]
        names += [route.model for route in self.routes if not set("*?[").intersection(route.model)]
        names += [route.endpoint for route in self.routes]
        if self.endpoint:
            names.append(self.endpoint)
        return list(dict.fromkeys(names))

    def knows_model(self, model: str) -> bool:
        """Whether `GET /v1/models/{id}` finds it: it is listed, or calls for it are served."""
        return bool(self.destinations_for(model)) or model in self.listed_models()

    def may_call(self, endpoint: str) -> bool:
        """Whether an app may name this endpoint itself, in the path."""
        return self.any_endpoint or endpoint in self.endpoints()


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
    vast = replace(
        file.vast,
        endpoint=endpoint or environ.get("VAST_ENDPOINT") or file.vast.endpoint,
        interface=interface or file.vast.interface,
    )
    try:
        config = _config_of(replace(file, vast=vast), environ)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}" if path else str(error)) from None
    source = str(path) if path else config.source
    default = asdict(ConfigFile())
    return replace(
        config,
        source=source,
        sections=frozenset(name for name in default if getattr(file, name) != default[name]),
        warnings=tuple(_warnings(config, file.vast.api_key, source)),
    )


def find_config_file(option: str | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The path of the configuration's file, if there is one.

    An option or VAST_INTERCEPT_CONFIG names it; else it is the one in a checkout of the project.
    """
    if named := option or environ.get("VAST_INTERCEPT_CONFIG"):
        return Path(named).expanduser()
    return _PROJECT_CONFIG if _PROJECT_CONFIG.is_file() else None


def defaults() -> Config:
    """The configuration of someone who has set nothing."""
    return load_config(None, {})


def _config_of(file: ConfigFile, environ: Mapping[str, str]) -> Config:
    """What the file says, checked, with the key that the file or the environment names."""
    vast = file.vast
    if vast.endpoint and not re.search(ENDPOINT_PATTERN, vast.endpoint):
        raise ConfigError(f"vast.endpoint: {vast.endpoint!r} cannot be the name of an endpoint.")
    check_known(vast.interface, _INTERFACES, "vast.interface")
    read_filter(file.inspect.keep_filter, "inspect.keep_filter")
    key, key_problem, key_file = read_key(vast.api_key, environ)
    as_written = {name: getattr(vast, name) for name in VastSettings.__struct_fields__}
    return Config(
        **as_written | {name: read_url(as_written[name], f"vast.{name}") for name in _URLS},
        api_key=key,
        api_key_problem=key_problem,
        key_file=key_file,
        key_variables=variables_with_key(vast.api_key, key, environ),
        interface=UpstreamKind(vast.interface),
        ca_file=read_ca_file(vast.ca_file, only=vast.ca_only),
        providers=read_providers(file.providers),
        routes=read_routes(file.routes),
        unsupported=read_unsupported(file.unsupported),
        allow_from=tuple(read_networks(file.clients.allow_from)),
        client_keys=file.clients.keys,
        responses=read_responses(file.responses),
        models=file.models,
        inspect=file.inspect,
    )


def _warnings(config: Config, key_reference: str, source: str) -> Iterator[str]:
    """What a valid configuration lacks. `key_reference` is `vast.api_key` as the file has it."""
    if config.api_key and not config.key_file and key_reference == config.api_key.reveal():
        yield (
            f"{source}: vast.api_key holds the key itself, so that whoever reads the file has it."
            " Better write env:NAME or file:PATH."
        )
    if config.api_key is None:
        yield (
            f"There is no Vast API key: {config.api_key_problem}. Calls for Vast are refused until"
            " VAST_API_KEY is set, or vast.api_key in the configuration."
        )
    if not config.endpoint and not config.routes:
        yield (
            "There is no Vast endpoint. Calls for Vast are refused until VAST_ENDPOINT is set, or"
            " vast.endpoint in the configuration."
        )
