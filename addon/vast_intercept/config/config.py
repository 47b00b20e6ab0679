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
from .endpoints import (
    ALWAYS_SERVED,
    Endpoint,
    Machine,
    no_key,
    read_endpoints,
    warnings_of,
)
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
    read_networks,
    read_providers,
    read_responses,
    read_routes,
    read_unsupported,
    read_url,
    read_vast_key,
)

_PROJECT_CONFIG = Path(__file__).parents[3] / "config" / "vast.yaml"
_URLS = ("openai_url", "route_url", "console_url")


class UpstreamKind(StrEnum):
    """Which upstream answers. `vast.interface` has the same names for those of Vast."""

    OPENAI = "openai"
    SERVERLESS = "serverless"
    MACHINE = "machine"
    PROVIDER = "provider"


_INTERFACES = (UpstreamKind.OPENAI, UpstreamKind.SERVERLESS)


class EndpointId(NamedTuple):
    """An endpoint of Vast, a machine or a provider, by its name, and the upstream to it."""

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
    #: Those of the section `endpoints`, by name.
    known_endpoints: dict[str, Endpoint] = msgspec.field(default_factory=dict)
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
    #: Whether the file holds the Vast key itself.
    key_is_literal: bool = False
    #: Environment variables that hold the Vast key, or may.
    key_variables: tuple[str, ...] = (VAST_KEY_VARIABLE,)

    def destinations_for(
        self, model: str | None, operation: Operation = Operation.CHAT_COMPLETIONS
    ) -> tuple[EndpointId, ...]:
        """Where calls for the model go: an endpoint and its fallbacks in order, or nowhere.

        The first route says it whose pattern matches the model and whose endpoint serves the
        operation, else the first endpoint that serves it; the default endpoint comes first. Among
        the fallbacks may be a provider. It is the one that the app asked for, whatever its name.
        """
        for route in self.routes:
            if _matches(route, model) and self.serves(route.endpoint, operation):
                return self.destination(route.endpoint), *self._fallbacks(route, operation)
        if operation in ALWAYS_SERVED:
            return (self.destination(self.endpoint),) if self.endpoint else ()
        serving = (name for name in self.endpoints() if self.serves(name, operation))
        return tuple(self.destination(name) for name in serving)[:1]

    def _fallbacks(self, route: Route, operation: Operation) -> Iterator[EndpointId]:
        for name in route.fallback:
            if name == PROVIDER:
                yield EndpointId(UpstreamKind.PROVIDER, name)
            elif self.serves(name, operation):
                yield self.destination(name)

    def destination(self, name: str) -> EndpointId:
        """The endpoint of Vast's, or the machine, that the configuration means by a name."""
        machine = self.known_endpoint(name).machine
        return EndpointId(UpstreamKind.MACHINE if machine else self.interface, name)

    def known_endpoint(self, name: str) -> Endpoint:
        """What the configuration says of an endpoint, which may be nothing but its name."""
        return self.known_endpoints.get(name) or Endpoint(name=name)

    def serves(self, name: str, operation: Operation) -> bool:
        """Whether calls of the operation may go to an endpoint."""
        return operation in ALWAYS_SERVED or operation in self.known_endpoint(name).serves

    def serves_anywhere(self, operation: Operation) -> bool:
        """Whether there is an endpoint that serves the operation."""
        return any(self.serves(name, operation) for name in self.endpoints())

    def route_for(self, model: str | None) -> Route | None:
        """The first route whose pattern matches the model."""
        return next((route for route in self.routes if _matches(route, model)), None)

    @property
    def machines(self) -> dict[str, Machine]:
        """The machines of one's own, by name."""
        return {
            name: endpoint.machine
            for name, endpoint in self.known_endpoints.items()
            if endpoint.machine
        }

    @property
    def calls_vast(self) -> bool:
        """Whether calls may go to Vast: not if all that may be called are machines."""
        names = self.endpoints()
        return self.any_endpoint or not names or any(each not in self.machines for each in names)

    @property
    def lacks_vast_key(self) -> bool:
        """Whether there is no Vast key although calls may need one."""
        return self.api_key is None and self.calls_vast

    def missing_machine_keys(self) -> list[str]:
        """Sentences that say which machines have no key although the configuration names one."""
        found = self.machines.items()
        return [no_key(name, machine) for name, machine in found if machine.api_key_problem]

    @property
    def key_files(self) -> tuple[Path, ...]:
        """The files that keys are read from: Vast's, then those of machines."""
        files = (self.key_file, *(each.key_file for each in self.machines.values()))
        return tuple(dict.fromkeys(each for each in files if each))

    @property
    def all_key_variables(self) -> tuple[str, ...]:
        """Environment variables that hold the Vast key or a machine's, or may."""
        machines = self.machines.values()
        names = [*self.key_variables, *(name for each in machines for name in each.key_variables)]
        return tuple(dict.fromkeys(names))

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
        """The endpoints and machines that calls may go to, by name.

        The default one comes first, then those of `endpoints`, then those of routes.
        """
        names = [self.endpoint] if self.endpoint else []
        names += self.known_endpoints
        for route in self.routes:
            names += [route.endpoint, *(name for name in route.fallback if name != PROVIDER)]
        return list(dict.fromkeys(names))

    def listed_models(self) -> list[str]:
        """What `GET /v1/models` lists: `models`, then routes' names, then endpoints."""
        names = [*self.models]
        names += [route.model for route in self.routes if not set("*?[").intersection(route.model)]
        names += [route.endpoint for route in self.routes]
        names += self.known_endpoints
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
        warnings=tuple(_warnings(config, source)),
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
    key = read_vast_key(vast.api_key, environ)
    endpoints = read_endpoints(
        file.endpoints, environ, serverless=vast.interface == UpstreamKind.SERVERLESS
    )
    as_written = {name: getattr(vast, name) for name in VastSettings.__struct_fields__}
    return Config(
        **as_written | {name: read_url(as_written[name], f"vast.{name}") for name in _URLS},
        api_key=key.key,
        api_key_problem=key.problem,
        key_is_literal=key.is_literal and key.key is not None,
        key_file=key.file,
        key_variables=key.variables,
        interface=UpstreamKind(vast.interface),
        ca_file=read_ca_file(vast.ca_file, only=vast.ca_only),
        known_endpoints=endpoints,
        providers=read_providers(file.providers),
        routes=read_routes(file.routes),
        unsupported=read_unsupported(file.unsupported),
        allow_from=tuple(read_networks(file.clients.allow_from)),
        client_keys=file.clients.keys,
        responses=read_responses(file.responses),
        models=file.models,
        inspect=file.inspect,
    )


def _matches(route: Route, model: str | None) -> bool:
    return model is not None and fnmatchcase(model, route.model)


def _warnings(config: Config, source: str) -> Iterator[str]:
    """What a valid configuration lacks, or has that is not safe."""
    if config.key_is_literal:
        yield (
            f"{source}: vast.api_key holds the key itself, so that whoever reads the file has it."
            " Better write env:NAME or file:PATH."
        )
    if config.lacks_vast_key:
        yield (
            f"There is no Vast API key: {config.api_key_problem}. Calls for Vast are refused until"
            " VAST_API_KEY is set, or vast.api_key in the configuration."
        )
    yield from warnings_of(config.known_endpoints.values(), source)
    if config.endpoint or config.routes:
        return
    if config.known_endpoints:
        name = next(iter(config.known_endpoints))
        yield (
            "There is no default endpoint. Calls for chat and text are refused until VAST_ENDPOINT"
            f" or vast.endpoint in the configuration names one, such as {name!r}."
        )
    else:
        yield (
            "There is no Vast endpoint. Calls for Vast are refused until VAST_ENDPOINT is set, or"
            " vast.endpoint in the configuration."
        )
