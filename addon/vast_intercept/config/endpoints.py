"""The section `endpoints`: what each endpoint serves, and the URL and key of one's own machines."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import msgspec

from ..addresses import is_loopback_name
from ..openai_api.modalities import Modality
from ..openai_api.operations import BRIDGED, LISTED, SERVED_BY_VAST, Operation
from ..secret import Secret
from .file import PROVIDER, ConfigError, EndpointSection, check_known
from .keys import FoundKey, find_key

#: What every endpoint serves, whatever its `serves` lists.
ALWAYS_SERVED = SERVED_BY_VAST | BRIDGED

_TEXT = "text"
_MAY_SERVE = tuple(sorted(LISTED | SERVED_BY_VAST))
_MODALITIES = (_TEXT, *Modality)
_EXAMPLE = "https://203.0.113.7:41234"


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A server of one's own that speaks OpenAI's API, such as a Vast instance with vLLM."""

    #: Scheme, host and port, without a slash at the end.
    url: str
    #: None if there is none to be sent, or if the one that is configured is missing.
    api_key: Secret | None = None
    #: Why there is no key although one is configured, or nothing.
    api_key_problem: str = ""
    #: The environment variable that has the key, if one was named.
    key_variable: str | None = None
    key_file: Path | None = None
    #: Environment variables that hold the key, or may.
    key_variables: tuple[str, ...] = ()
    #: Whether the configuration's file holds the key itself.
    key_is_literal: bool = False
    #: Whether what is sent can be read on the way: plain HTTP to another machine.
    insecure: bool = False


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint of Vast's, or a machine, as far as the configuration tells of it."""

    name: str
    #: Operations of `LISTED`.
    serves: frozenset[Operation] = frozenset()
    #: What its model takes besides text.
    modalities: frozenset[Modality] = frozenset()
    machine: Machine | None = None


def read_endpoints(
    sections: Mapping[str, EndpointSection], environ: Mapping[str, str], *, serverless: bool
) -> dict[str, Endpoint]:
    """Checks `endpoints`. `serverless` says that Vast is reached by its Serverless protocol.

    Raises ConfigError.
    """
    endpoints = {}
    for name, section in sections.items():
        place = f"endpoints.{name}"
        if name == PROVIDER:
            raise ConfigError(
                f"{place}: {PROVIDER!r} stands for the provider that an app asks for, in a route's"
                " fallback. Choose another name."
            )
        endpoints[name] = Endpoint(
            name=name,
            serves=_serves(section.serves, f"{place}.serves"),
            modalities=_modalities(section.input_modalities, f"{place}.input_modalities"),
            machine=_machine(section, environ, place),
        )
        if section.url is None:
            _refuse_keys_of_machines(section, place)
            if not serverless:
                _refuse_lists(section, place)
    return endpoints


def warnings_of(endpoints: Iterable[Endpoint], source: str) -> Iterator[str]:
    """What is wrong with machines, or not safe, although calls can be sent to them.

    `source` is the configuration's file.
    """
    for endpoint in endpoints:
        if (machine := endpoint.machine) is None:
            continue
        place = f"endpoints.{endpoint.name}"
        if machine.insecure:
            yield (
                f"{source}: {place}.url is plain HTTP to another machine. Whoever is on the way can"
                " read its key, prompts and answers."
            )
        if machine.key_is_literal:
            yield (
                f"{source}: {place}.api_key holds the key itself, so that whoever reads the file"
                " has it. Better write env:NAME or file:PATH."
            )
        if machine.api_key_problem:
            yield f"{no_key(endpoint.name, machine)} Calls to it are refused until there is one."


def no_key(name: str, machine: Machine) -> str:
    """A sentence that says why there is no key for a machine whose configuration names one."""
    return (
        f"There is no key for the machine {name!r} (endpoints.{name}.api_key):"
        f" {machine.api_key_problem}."
    )


def _serves(names: Collection[str], place: str) -> frozenset[Operation]:
    for name in names:
        check_known(name, _MAY_SERVE, place, "operation")
    return frozenset(map(Operation, names)) & LISTED


def _modalities(names: Collection[str], place: str) -> frozenset[Modality]:
    for name in names:
        check_known(name, _MODALITIES, place, "modality")
    return frozenset(Modality(name) for name in names if name != _TEXT)


def _refuse_lists(section: EndpointSection, place: str) -> None:
    for key, names in (
        ("serves", section.serves),
        ("input_modalities", section.input_modalities),
    ):
        if names:
            raise ConfigError(
                f"{place}.{key}: Vast's OpenAI interface serves chat and text completions of text"
                " alone. Set vast.interface to serverless, which reaches the workers themselves."
            )


def _refuse_keys_of_machines(section: EndpointSection, place: str) -> None:
    if section.api_key is not None:
        raise ConfigError(
            f"{place}.api_key: is the key of a machine, which needs a url here. Endpoints of Vast's"
            " are called with vast.api_key."
        )
    if section.insecure:
        raise ConfigError(f"{place}.insecure: is for a machine, which needs a url here.")


def _machine(section: EndpointSection, environ: Mapping[str, str], place: str) -> Machine | None:
    if section.url is None:
        return None
    url = _url(section.url, f"{place}.url")
    in_the_open = url.scheme == "http" and not is_loopback_name(url.hostname or "")
    _check_security(section, place, in_the_open=in_the_open)
    found = FoundKey(None, "")
    if section.api_key is not None:
        found = find_key(section.api_key, environ, f"{place}.api_key")
    return Machine(
        url=url.geturl().rstrip("/"),
        api_key=found.key,
        api_key_problem=found.problem,
        key_file=found.file,
        key_variable=found.variable,
        key_variables=found.variables,
        key_is_literal=found.is_literal and found.key is not None,
        insecure=in_the_open,
    )


def _check_security(section: EndpointSection, place: str, *, in_the_open: bool) -> None:
    """Raises ConfigError where `insecure` is missing, or says what is not so."""
    if in_the_open and not section.insecure:
        raise ConfigError(
            f"{place}.url: {section.url!r} would send the key, prompts and answers unencrypted: use"
            " https. If they may be read on the way, set insecure: true beside it."
        )
    if section.insecure and not in_the_open:
        raise ConfigError(
            f"{place}.insecure: only allows plain HTTP to another machine, and"
            f" {section.url!r} needs no leave: take it out. Certificates are always verified."
        )


def _url(url: str, place: str) -> SplitResult:
    """The URL of a machine. Raises ConfigError, which quotes nothing that may be a key."""
    if "@" in url:
        raise ConfigError(
            f"{place}: a URL must not hold a user name or a password. Have api_key beside it name"
            " the key."
        )
    if "?" in url or "#" in url:
        raise ConfigError(
            f"{place}: must end before its ? or #. Have api_key beside it name the key, if the rest"
            " is one."
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:  # UnicodeError is one
        raise _no_url(url, place) from None
    if "://" not in url:
        raise ConfigError(
            f"{place}: {url!r} does not begin with https://. Write a URL such as {_EXAMPLE}."
        )
    if parts.scheme not in {"https", "http"}:
        raise ConfigError(f"{place}: {url!r} is neither https nor http.")
    if not host:
        raise ConfigError(f"{place}: {url!r} names no host. Write a URL such as {_EXAMPLE}.")
    if port == 0 or re.search(r"[\s\\\x00-\x1f\x7f]", url) or not re.fullmatch(r"[\w.:-]+", host):
        raise _no_url(url, place)
    if parts.path.strip("/"):
        raise ConfigError(
            f"{place}: {url!r} has a path, {parts.path!r}. Leave it out: calls go to"
            f" {parts.scheme}://{parts.netloc}/v1/chat/completions and so on."
        )
    return parts._replace(path="")


def _no_url(url: str, place: str) -> ConfigError:
    return ConfigError(f"{place}: {url!r} is not a URL such as {_EXAMPLE}.")
