"""Steps: the configuration with the origin of each value, and the key in it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml

from ..config import (
    ConfigError,
    ConfigFile,
    Endpoint,
    UpstreamKind,
    VastSection,
    load_config,
    read_config_file,
)
from ..openai_api.errors import ApiError
from ..relay.upstreams.tls import public_context
from ..secret import Secret
from .findings import Finding, Problem
from .subject import Subject


def look_at_configuration(subject: Subject) -> Finding:
    """Looks whether the configuration is valid, and where each value comes from."""
    path = subject.path
    try:
        subject.config = load_config(path, subject.environ, endpoint=subject.endpoint)
        subject.file = read_config_file(path) if path else ConfigFile()
        public_context(subject.config)  # raises if the file of CAs has none
        document = yaml.safe_load(path.read_text("utf-8-sig")) if path else None
    except (ConfigError, ApiError) as error:
        said = error.message if isinstance(error, ApiError) else str(error)
        raise Problem(said.rstrip("."), _advice(subject, said)) from None
    subject.config_is_valid = True
    listed = list(_origins(subject, dict(_set_in_file(document or {}))))
    width = max(len(name) for name, _, _ in listed)
    details = tuple(f"{name:{width}}  {value}  ({source})" for name, value, source in listed)
    named_by = _named_by(subject)
    return Finding(f"valid: {path or 'no file'}{named_by and f', named by {named_by}'}", details)


def _named_by(subject: Subject) -> str:
    variable = "VAST_INTERCEPT_CONFIG"
    in_environ = variable if subject.environ.get(variable) else ""
    return "--config" if subject.config_option else in_environ


def _advice(subject: Subject, problem: str) -> str:
    if subject.path and not subject.path.is_file():
        if _named_by(subject) == "VAST_INTERCEPT_CONFIG":
            return "Have it name the file, or do without one: unset VAST_INTERCEPT_CONFIG"
        return "Name the file that the interceptor uses: vast-intercept check --config PATH"
    if "vast.endpoint:" in problem:
        if subject.endpoint:
            return "It comes from --endpoint: give another name there."
        if subject.environ.get("VAST_ENDPOINT"):
            return "It comes from VAST_ENDPOINT: export VAST_ENDPOINT=NAME"
    return f"Mend it in {subject.path}: an interceptor that runs reads it again by itself."


def _set_in_file(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields what a section sets, such as `vast.endpoint`, with its value if that is a text."""
    for key, value in section.items():
        if isinstance(value, dict) and key in {"vast", "clients"}:
            yield from _set_in_file(value, f"{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value if isinstance(value, str) else ""


def _origins(subject: Subject, in_file: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yields name, value and origin of what decides where calls go, and of what else was set."""
    config, environ = subject.config, subject.environ
    source = dict.fromkeys(in_file, "file")
    by_environ = "VAST_ENDPOINT" if environ.get("VAST_ENDPOINT") else ""
    by = "--endpoint" if subject.endpoint else by_environ
    yield "endpoint", config.endpoint or "none", by or source.get("vast.endpoint", "default")
    reference = in_file.get("vast.api_key", "")
    if reference and not reference.startswith(("env:", "file:")):
        reference = str(Secret(reference))  # the key itself
    if environ.get("VAST_API_KEY"):
        over = f", which wins over {reference} in the file" if reference else ""
        yield "api_key", str(config.api_key), f"VAST_API_KEY{over}"
    else:
        yield "api_key", reference or VastSection().api_key, "file" if reference else "default"
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
        "endpoints": ", ".join(map(_described, config.known_endpoints.values())),
        "routes": ", ".join(f"{route.model} → {route.endpoint}" for route in config.routes),
        "clients.keys": ", ".join(key.name for key in config.client_keys),
    }
    shown |= {name: value for name, value in others.items() if name in in_file and value}
    for name, value in shown.items():
        yield name.removeprefix("vast."), value, source.get(name, "default")


def _described(endpoint: Endpoint) -> str:
    """An endpoint with what it serves and takes, and where it is if it is a machine."""
    where = f" at {endpoint.machine.url}" if endpoint.machine else ""
    does = ", ".join([*sorted(endpoint.serves), *sorted(endpoint.modalities)])
    return f"{endpoint.name}{where}" + (f" ({does})" if does else "")


def look_at_key(subject: Subject) -> Finding:
    """Looks whether there is a Vast API key, if Vast is called, and the key of each machine."""
    config = subject.config
    subject.key_is_missing = config.lacks_vast_key
    if missing := config.missing_machine_keys():
        if config.lacks_vast_key:
            missing.insert(0, f"There is no Vast API key: {config.api_key_problem}.")
        raise Problem(
            " ".join(missing).rstrip("."),
            "Set them here and where the interceptor runs, or have the configuration name others.",
        )
    found = [f"{machine.api_key or 'none'} for {name}" for name, machine in config.machines.items()]
    if not config.calls_vast:
        warnings = (each for each in config.warnings if ".api_key" in each)
        return Finding(", ".join(found), advice="\n".join(warnings))
    vast = _look_at_vast_key(subject)
    return replace(vast, message=", ".join([vast.message, *found]))


def _look_at_vast_key(subject: Subject) -> Finding:
    config = subject.config
    if config.api_key is None:
        raise Problem(
            f"there is no Vast API key: {config.api_key_problem}",
            "Here and where the interceptor runs: export VAST_API_KEY=...\n"
            "or in the configuration's file: vast: {api_key: file:~/.config/vast/key}",
        )
    subject.key = config.api_key
    warning = "\n".join(each for each in config.warnings if ".api_key" in each)
    kind, _, name = subject.file.vast.api_key.partition(":")
    source: object = name if kind == "env" else subject.path
    if subject.environ.get("VAST_API_KEY"):
        source = "VAST_API_KEY"
    elif config.key_file:
        source = config.key_file
    return Finding(f"{config.api_key}, from {source}", advice=warning)
