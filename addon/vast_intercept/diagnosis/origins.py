"""Tells where values of the configuration come from: an option, the environment, the file."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..config import Config, UpstreamKind, VastSection
from ..secret import Secret

_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class ValueOrigin:
    """A value, as it may be shown, and where it was set."""

    name: str
    value: str
    source: str


def origins(
    config: Config, set_in_file: Mapping[str, str], environ: Mapping[str, str], endpoint: str | None
) -> list[ValueOrigin]:
    """The origins of the values that decide where calls go, and of others that were set.

    `set_in_file` is the result of `keys_of`; `endpoint` is the option.
    """
    named_by = "--endpoint" if endpoint else "VAST_ENDPOINT" if environ.get("VAST_ENDPOINT") else ""
    source = named_by or _file_or_default(set_in_file, "vast.endpoint")
    return [
        ValueOrigin("endpoint", config.endpoint or "none", source),
        _api_key(config, set_in_file.get("vast.api_key", ""), environ),
        *_from_file_or_default(config, set_in_file),
    ]


def keys_of(path: Path | None) -> dict[str, str]:
    """The names that a valid configuration file sets, such as `vast.endpoint` or `routes`.

    Each comes with its value if that is a text, else with an empty text.
    """
    document = yaml.safe_load(path.read_text("utf-8-sig")) if path else None
    return dict(_keys(document or {}, ""))


def _keys(section: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in section.items():
        if isinstance(value, dict) and key in {"vast", "clients"}:
            yield from _keys(value, f"{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value if isinstance(value, str) else ""


def _api_key(config: Config, reference: str, environ: Mapping[str, str]) -> ValueOrigin:
    if reference and not reference.startswith(("env:", "file:")):
        reference = str(Secret(reference))  # the key itself
    if environ.get("VAST_API_KEY"):
        over = f", which wins over {reference} in the file" if reference else ""
        return ValueOrigin("api_key", str(config.api_key), f"VAST_API_KEY{over}")
    if reference:
        return ValueOrigin("api_key", reference, "file")
    return ValueOrigin("api_key", VastSection().api_key, _DEFAULT)


def _from_file_or_default(config: Config, set_in_file: Mapping[str, str]) -> Iterator[ValueOrigin]:
    url = "route_url" if config.interface is UpstreamKind.SERVERLESS else "openai_url"
    shown: dict[str, str] = {
        "vast.interface": config.interface,
        f"vast.{url}": config.interface_url,
        "vast.console_url": config.console_url,
        "providers": ", ".join(provider.name for provider in config.providers) or "none",
    }
    others = {
        "vast.ca_file": f"{config.ca_file}{' alone' if config.ca_only else ''}",
        "vast.timeout": f"total {config.timeout.total:g} s, queue {config.timeout.queue:g} s",
        "routes": ", ".join(f"{route.model} → {route.endpoint}" for route in config.routes),
        "clients.keys": ", ".join(key.name for key in config.client_keys),
    }
    shown |= {name: value for name, value in others.items() if name in set_in_file and value}
    for name, value in shown.items():
        yield ValueOrigin(name.removeprefix("vast."), value, _file_or_default(set_in_file, name))


def _file_or_default(set_in_file: Container[str], name: str) -> str:
    return "file" if name in set_in_file else _DEFAULT
