"""Finds the URL that an app would call, and how calls reach the interceptor."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..config import Config, ConfigFile, EndpointId, OwnProvider, built_in_providers
from ..openai_api.operations import Operation
from ..status import Status
from ..urls import place_of
from .findings import NotApplicable

#: The model that calls name, where none is better.
MODEL = "check"

_CHAT = "chat/completions"


def chat_url(status: Status, config: Config, file: ConfigFile, port: int) -> str | None:
    """The URL of chat completions of the first provider that is taken over, if any is.

    In mode `reverse:` it is the URL of the provider behind the interceptor.
    """
    hosts = sorted(status.provider_hosts, key=lambda host: host.startswith("*"))
    if not hosts:
        return None
    behind = place_of(door_of(status, port).mode.partition(":")[2].partition("@")[0]).host
    host = behind if behind in hosts else hosts[0]
    providers = (*config.providers, *built_in_providers().values())
    prefix = next((each.prefixes[0].rstrip("/") for each in providers if host in each.hosts), "/v1")
    prefix = prefix.replace("{endpoint}", config.endpoint or MODEL).replace("{model}", MODEL)
    name = f"[{host}]" if ":" in host else host.replace("*", MODEL, 1)
    origin = f"https://{name}"
    for own in file.providers:
        if isinstance(own, OwnProvider) and own.host.strip("[]") == host:
            origin = f"{own.scheme}://{name}" + (f":{own.port}" if own.port else "")
            break
    return f"{origin}{prefix}/{_CHAT}"


def url_of(chat_url: str, operation: str) -> str:
    """The URL of another operation, at the same provider as that of chat completions."""
    return chat_url.removesuffix(_CHAT) + operation


def model_for(
    config: Config, fits: Callable[[EndpointId], bool] = lambda _destination: True
) -> str:
    """A model with a destination that fits: without a default endpoint, the model of a route."""
    for model in _models(config):
        if any(map(fits, config.destinations_for(model))):
            return model
    return MODEL


def models_by_endpoint(config: Config, operation: Operation) -> dict[EndpointId, str]:
    """A model for each endpoint that a call of the operation may go to first, by endpoint."""
    found: dict[EndpointId, str] = {}
    for model in _models(config):
        for first in config.destinations_for(model, operation)[:1]:
            found.setdefault(first, model)
    return found


def _models(config: Config) -> Iterator[str]:
    """Models that calls can name: one that is none, then one for each route."""
    yield MODEL
    for route in config.routes:
        model = route.model.replace("*", "").replace("?", "x")
        if fnmatchcase(model, route.model):
            yield model


def chat_model(config: Config) -> str:
    """A model that a chat call can name.

    Raises NotApplicable if the configuration has endpoints, but none for chat completions. If it
    has none at all, the interceptor may still have been started with one.
    """
    model = model_for(config)
    if config.endpoints() and not config.destinations_for(model):
        raise NotApplicable(
            "neither vast.endpoint nor a route has an endpoint for chat completions"
        )
    return model


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
    mode = [*own, *default, *status.modes, "regular"][0]
    name = mode.partition(":")[0].partition("@")[0]
    return Door(name in {"regular", "upstream"}, name == "reverse", mode)
