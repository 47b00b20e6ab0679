"""What the configuration says of endpoints: what each one serves, and where those are that are
machines of one's own."""

import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

import msgspec

from ..addresses import is_loopback_name
from ..openai_api.modalities import Modality
from ..openai_api.operations import BRIDGED, LISTED, SERVED_BY_VAST, Operation
from ..secret import Secret, is_sendable
from .file import PROVIDER, ConfigError, EndpointSection, check_known

#: What every endpoint serves, whatever its `serves` lists.
ALWAYS_SERVED = SERVED_BY_VAST | BRIDGED

_TEXT = "text"
_MAY_SERVE = tuple(sorted(LISTED | SERVED_BY_VAST))
_MODALITIES = (_TEXT, *Modality)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A server of one's own that speaks OpenAI's API, such as a Vast instance with vLLM."""

    #: Scheme, host and port, without a slash at the end.
    url: str
    api_key: Secret | None = None
    #: Why there is no key although one is configured, or nothing.
    api_key_problem: str = ""
    #: The environment variable that has the key, if one was named.
    key_variable: str | None = None


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
            raise ConfigError(f"{place}: {PROVIDER!r} is the provider that an app asks for.")
        endpoints[name] = Endpoint(
            name=name,
            serves=_serves(section.serves, f"{place}.serves"),
            modalities=_modalities(section.input_modalities, f"{place}.input_modalities"),
            machine=_machine(section, environ, place),
        )
        if section.url is None and not serverless:
            _refuse_lists(section, place)
    return endpoints


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


def _machine(section: EndpointSection, environ: Mapping[str, str], place: str) -> Machine | None:
    if section.url is None:
        return None
    key, problem = _key(section.api_key, environ)
    kind, _, name = (section.api_key or "").partition(":")
    return Machine(
        url=_url(section, f"{place}.url"),
        api_key=key,
        api_key_problem=problem,
        key_variable=name if kind == "env" else None,
    )


def _key(reference: str | None, environ: Mapping[str, str]) -> tuple[Secret | None, str]:
    if reference is None:
        return None, ""
    kind, _, name = reference.partition(":")
    key = environ.get(name, "").strip() if kind == "env" else reference
    if not key or not is_sendable(key):
        return None, f"the environment variable {name} is not set"
    return Secret(key), ""


def _url(section: EndpointSection, place: str) -> str:
    url = section.url or ""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"https", "http"} and parts.port != 0 and parts.hostname
    except ValueError:
        usable = None
    if not usable or parts.path.strip("/") or "@" in url or re.search(r"[\s?#]", url):
        raise ConfigError(f"{place}: {url!r} is not a URL such as https://203.0.113.7:41234.")
    if parts.scheme == "http" and not section.insecure and not is_loopback_name(usable):
        raise ConfigError(
            f"{place}: {url!r} would send the key and the prompts unencrypted: use https, or set"
            " insecure: true if they may be read on the way."
        )
    return url.rstrip("/")
