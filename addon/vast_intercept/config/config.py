"""The configuration: one YAML file, environment variables and mitmproxy options, as one value.

The file is optional. Options win over environment variables, and these over the file.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from ..openai_api.operations import Operation
from ..secret import VAST_KEY_VARIABLE, Secret
from .checks import (
    Network,
    read_ca_file,
    read_filter,
    read_key,
    read_network,
    read_providers,
    read_routes,
    read_unsupported,
    read_url,
    variables_with_key,
)
from .file import (
    ENDPOINT_PATTERN,
    INTERFACES,
    PROVIDER,
    ClientKey,
    ConfigError,
    ConfigFile,
    InspectSection,
    Route,
    TimeoutSection,
    Unsupported,
    nearest,
    read_config_file,
    set_sections,
)
from .providers import Provider

_PROJECT_CONFIG = Path(__file__).parents[3] / "config" / "vast.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration that was checked. Immutable: a call keeps the one that it started with."""

    source: str = "the defaults"
    #: Those of the file that say something else than the defaults.
    sections: frozenset[str] = frozenset()
    endpoint: str | None = None
    any_endpoint: bool = False
    api_key: Secret | None = None
    api_key_problem: str = ""
    interface: str = "openai"
    openai_url: str = "https://openai.vast.ai"
    route_url: str = "https://run.vast.ai"
    console_url: str = "https://console.vast.ai"
    ca_file: Path | None = None
    #: Whether only those of `ca_file` are trusted, and not the public CAs.
    ca_only: bool = False
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
    inspect: InspectSection = field(default_factory=InspectSection)
    warnings: tuple[str, ...] = ()
    key_file: Path | None = None
    #: Environment variables that hold the Vast key, or may.
    key_variables: tuple[str, ...] = (VAST_KEY_VARIABLE,)

    def destinations_for(self, model: str | None) -> tuple[str, ...]:
        """Where calls for the model go: an endpoint, and its fallbacks in order; or nowhere.

        It is the first route whose pattern matches the model, else the default endpoint.
        """
        if route := self.route_for(model):
            return route.endpoint, *route.fallback
        return (self.endpoint,) if self.endpoint else ()

    def route_for(self, model: str | None) -> Route | None:
        """The first route whose pattern matches the model."""
        if model is not None:
            for route in self.routes:
                if fnmatchcase(model, route.model):
                    return route
        return None

    @property
    def falls_back_to_provider(self) -> bool:
        """Whether there is a route that may end at the provider, with the app's own key."""
        return any(PROVIDER in route.fallback for route in self.routes)

    def names_destination(self, name: str) -> bool:
        """Whether calls may go there by this configuration's will, and not just by an app's."""
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
        names += [route.model for route in self.routes if not _is_pattern(route.model)]
        names += [route.endpoint for route in self.routes]
        if self.endpoint:
            names.append(self.endpoint)
        return list(dict.fromkeys(names))

    def knows_model(self, model: str) -> bool:
        """Whether `GET /v1/models/{id}` has an answer: a call would be served, or it is listed."""
        return bool(self.destinations_for(model)) or model in self.listed_models()

    def may_call(self, endpoint: str) -> bool:
        """Whether an app may name this endpoint itself, in the path."""
        return self.any_endpoint or endpoint in self.endpoints()


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
    sections = frozenset(set_sections(file))
    vast = msgspec.structs.replace(
        file.vast,
        endpoint=endpoint or environ.get("VAST_ENDPOINT") or file.vast.endpoint,
        interface=interface or file.vast.interface,
    )
    file = msgspec.structs.replace(file, vast=vast)
    try:
        return replace(
            _checked(file, str(path) if path else "the defaults", environ), sections=sections
        )
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}" if path else str(error)) from None


def config_file(option: str | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The configuration's file, if there is one.

    It is what an option or VAST_INTERCEPT_CONFIG names, else the project's own in a checkout of it.
    """
    if named := option or environ.get("VAST_INTERCEPT_CONFIG"):
        return Path(named).expanduser()
    return _PROJECT_CONFIG if _PROJECT_CONFIG.is_file() else None


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
    key, key_problem, key_file = read_key(file.vast.api_key, environ)
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
        any_endpoint=file.vast.any_endpoint,
        api_key=key,
        api_key_problem=key_problem,
        key_file=key_file,
        key_variables=variables_with_key(file.vast.api_key, key, environ),
        interface=file.vast.interface,
        openai_url=read_url(file.vast.openai_url, "vast.openai_url"),
        route_url=read_url(file.vast.route_url, "vast.route_url"),
        console_url=read_url(file.vast.console_url, "vast.console_url"),
        ca_file=read_ca_file(file.vast.ca_file, only=file.vast.ca_only),
        ca_only=file.vast.ca_only,
        timeout=file.vast.timeout,
        keepalive=file.vast.keepalive,
        drain=file.vast.drain,
        default_cost=file.vast.default_cost,
        providers=read_providers(file.providers),
        routes=read_routes(file.routes),
        unsupported=read_unsupported(file.unsupported),
        allow_from=tuple(
            map(read_network, range(len(file.clients.allow_from)), file.clients.allow_from)
        ),
        client_keys=tuple(file.clients.keys),
        models=tuple(file.models),
        inspect=_checked_inspect(file.inspect),
        warnings=tuple(warnings),
    )


def _checked_inspect(section: InspectSection) -> InspectSection:
    read_filter(section.keep_filter, "inspect.keep_filter")
    return section
