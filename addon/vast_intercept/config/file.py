"""The sections and keys of the configuration file, read with errors that name the place."""

import difflib
import re
from collections.abc import Collection, Hashable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from ..openai_api.operations import Api
from ..secret import VAST_KEY_VARIABLE
from .providers import Scheme

#: The default of `vast.api_key`.
DEFAULT_API_KEY = f"env:{VAST_KEY_VARIABLE}"

#: An endpoint's name becomes one segment of a path.
ENDPOINT_PATTERN = r"^(?!\.{1,2}\Z)[^/?#\s\x00-\x1f\ud800-\udfff]+\Z"
_SHA256 = r"^[0-9a-fA-F]{64}\Z"


class Unsupported(StrEnum):
    """What happens to calls of an operation that Vast does not serve."""

    REJECT = "reject"
    TO_PROVIDER = "pass"


class ConfigError(Exception):
    """The configuration cannot be used. The message says what is wrong, where, and what to do."""


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A mapping of the file: unknown keys are errors."""


type EndpointName = Annotated[str, msgspec.Meta(pattern=ENDPOINT_PATTERN)]

_DAY = 86_400
type Seconds = Annotated[float, msgspec.Meta(gt=0, le=_DAY)]
type SecondsOrNone = Annotated[float, msgspec.Meta(ge=0, le=_DAY)]

#: In a route's `fallback`: the provider that the app asked for, with the app's own key.
PROVIDER = "provider"


class TimeoutSection(Section, frozen=True):
    """`vast.timeout`: how many seconds a call waits for what."""

    connect: Seconds = 10
    first_byte: Seconds = 300
    between_bytes: Seconds = 60
    total: Seconds = 600
    queue: SecondsOrNone = 300


class VastSettings(Section, frozen=True):
    """The keys of `vast` whose values are in force as they are written."""

    endpoint: EndpointName | None = None
    any_endpoint: bool = False
    openai_url: str = "https://openai.vast.ai"
    route_url: str = "https://run.vast.ai"
    console_url: str = "https://console.vast.ai"
    #: Whether only the CAs of `ca_file` are trusted, and not the public ones.
    ca_only: bool = False
    timeout: TimeoutSection = msgspec.field(default_factory=TimeoutSection)
    keepalive: SecondsOrNone = 15
    drain: SecondsOrNone = 30
    # What Vast's SDK says where it is not told either.
    default_cost: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 100


class VastSection(VastSettings, frozen=True):
    """`vast`: where calls go, and with which key."""

    api_key: str = DEFAULT_API_KEY
    interface: str = "openai"
    ca_file: str | None = None


class EndpointSection(Section, frozen=True):
    """An item of `endpoints`: what an endpoint serves, or a machine with a server of its own."""

    #: Operations beyond chat and text completions, and what its model takes besides text.
    serves: list[str] = []
    input_modalities: list[str] = []
    #: Of a machine: scheme, host and port; a reference to its key, as `vast.api_key`; whether plain
    #: HTTP to another machine is accepted.
    url: str | None = None
    api_key: str | None = None
    insecure: bool = False


class OwnProvider(Section, frozen=True):
    """An item of `providers` that is not in the built-in table, such as a self-hosted vLLM."""

    name: str
    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    prefix: str = "/v1"
    scheme: Scheme = "https"
    api: Api = "openai"


class Route(Section, frozen=True):
    """Calls for models that match the pattern (`*` and `?`) go to the endpoint.

    Where it cannot answer, they go to the first of `fallback` that can: endpoints, or `provider`.
    With `reasoning: both`, the answers have the model's reasoning under both of its names. `roles`
    renames roles of messages on their way to Vast.
    """

    model: str
    endpoint: EndpointName
    fallback: list[EndpointName] = []
    reasoning: str = "as_is"
    roles: dict[str, str] = {}


class ClientKey(Section, frozen=True):
    """An API key that apps may use: a name for the app, and the key's SHA-256."""

    name: str
    sha256: Annotated[str, msgspec.Meta(pattern=_SHA256)]


class ClientsSection(Section, frozen=True):
    """`clients`: who may connect, and with which keys."""

    allow_from: list[str] = msgspec.field(default_factory=lambda: ["127.0.0.0/8", "::1"])
    keys: tuple[ClientKey, ...] = ()


class ResponsesSection(Section, frozen=True):
    """`responses`: where responses are kept that apps come back to, and built-in tools."""

    #: `memory`, `off`, or the path of an SQLite file. YAML reads `off` as false.
    store: str | bool = "memory"
    builtin_tools: str = "leave_out"


class InspectSection(Section, frozen=True):
    """`inspect`: what is kept and shown of calls."""

    #: Of the dashboard and the metrics, on 127.0.0.1; 0 for none.
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8082
    keep_flows: Annotated[int, msgspec.Meta(ge=1)] = 2_000
    keep_body_bytes: Annotated[int, msgspec.Meta(ge=0)] = 256 * 1024 * 1024
    keep_filter: str = ""
    show_prompts: bool = False


class ConfigFile(Section, frozen=True):
    """The whole file."""

    vast: VastSection = msgspec.field(default_factory=VastSection)
    endpoints: dict[EndpointName, EndpointSection] = {}
    providers: list[str | OwnProvider] = msgspec.field(default_factory=lambda: ["openai"])
    routes: list[Route] = []
    unsupported: str | dict[str, Any] = "reject"
    clients: ClientsSection = msgspec.field(default_factory=ClientsSection)
    responses: ResponsesSection = msgspec.field(default_factory=ResponsesSection)
    models: tuple[str, ...] = ()
    inspect: InspectSection = msgspec.field(default_factory=InspectSection)


class _UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a key that comes twice, of which PyYAML itself silently takes the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value!r} comes twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


# PyYAML raises any of these for a value that does not fit its tag (`!!int ""`, `!!bool x`).
_NOT_YAML = (yaml.YAMLError, RecursionError, ValueError, TypeError, LookupError, AttributeError)


def read_config_file(path: Path) -> ConfigFile:
    """Reads the file. Raises ConfigError, with the path of the key that is wrong."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not valid UTF-8 (at byte {error.start}).") from None
    try:
        document = yaml.load(text, _UniqueKeyLoader)  # noqa: S506  (a SafeLoader)
    except _NOT_YAML as error:
        raise ConfigError(f"{path}: is not valid YAML: {_one_line(error)}") from None
    document = _without_empty(document or {})
    try:
        return msgspec.convert(document, ConfigFile)
    except msgspec.ValidationError as error:
        said = _explain(str(error))
        if said.startswith((_AN_ENDPOINT, "endpoints: ")):
            said = _explain_endpoint(document["endpoints"]) or said
        raise ConfigError(f"{path}: {said}") from None


def _without_empty(value: Any) -> Any:
    """`value` without keys that have no value, such as a section that is commented out."""
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items() if item is not None}
    return value


def _one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"{error.problem} (line {mark.line + 1}, column {mark.column + 1})"
    return " ".join(str(error).split())


# How msgspec names a value of the mapping.
_AN_ENDPOINT = "endpoints[...]"
_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(?P<key>.*)`", re.DOTALL)
_SECTION_AT: dict[str, type[Section]] = {
    "": ConfigFile,
    "vast": VastSection,
    "vast.timeout": TimeoutSection,
    "clients": ClientsSection,
    "endpoints[...]": EndpointSection,
    "providers[...]": OwnProvider,
    "routes[...]": Route,
    "clients.keys[...]": ClientKey,
    "responses": ResponsesSection,
    "inspect": InspectSection,
}


# msgspec speaks of JSON's types, a configuration of YAML's.
_PLAIN_TERMS = {
    f"matching regex {_SHA256!r}": "of 64 hexadecimal digits, the SHA-256 of a key",
    f"matching regex {ENDPOINT_PATTERN!r}": "that can be part of a path (no blanks, no slashes)",
    "`object | null`": "a mapping",
    "`str | object`": "a text or a mapping",
    "`str | null`": "a text",
    "`bool | str`": "a text",
    "`int | null`": "a number",
    "`object`": "a mapping",
    "`array`": "a list",
    "`str`": "a text",
    "`int`": "a number",
    "`float`": "a number",
    "`bool`": "true or false",
    "`null`": "nothing",
}


# Lists of names, where people write a single name without brackets.
_LISTS_OF_NAMES = {"serves": "[embeddings]", "input_modalities": "[image]"}


def _explain(message: str) -> str:
    """msgspec's message in plain words: the key's path first, then the nearest known key."""
    if " - at `key` in `$" in message:
        place = message.rpartition("`$")[2].removesuffix("`").removeprefix(".")
        return f"{place or 'the file'}: has a key that is not a text. Put it in quotes."
    what, _, place = message.partition(" - at `$")
    place = place.removesuffix("`").removeprefix(".")
    if unknown := _UNKNOWN_KEY.fullmatch(what):
        key = unknown["key"]
        full = f"{place}.{key}" if place else key
        section = _SECTION_AT.get(re.sub(r"\[\d+\]", "[...]", place))
        return f"{full}: unknown key.{nearest(key, section.__struct_fields__ if section else ())}"
    for term, plain in _PLAIN_TERMS.items():
        what = what.replace(term, plain)
    if "a list, got" in what and (example := _LISTS_OF_NAMES.get(place.rpartition(".")[2])):
        what = what.replace("a list", f"a list such as {example}")
    return f"{place or 'the file'}: {what[:1].lower()}{what[1:]}."


def _explain_endpoint(endpoints: Any) -> str | None:
    """What is wrong with one of `endpoints`, with its name: msgspec names no keys of mappings."""
    for name, section in endpoints.items() if isinstance(endpoints, dict) else ():
        if isinstance(name, str) and not re.search(ENDPOINT_PATTERN, name):
            return f"endpoints: {name!r} cannot be the name of an endpoint."
        try:
            msgspec.convert({name: section}, dict[str, EndpointSection])
        except msgspec.ValidationError as error:
            said = _explain(str(error).replace("`$", "`$.endpoints"))
            return said.replace(_AN_ENDPOINT, f"endpoints.{name}", 1)
    return None


def check_known(word: str, known: Collection[str], place: str, what: str = "") -> None:
    """Raises ConfigError, with the nearest known word, unless `word` is one of `known`.

    `place` is where the file says it, and `what` the kind of word, such as `role`.
    """
    if word not in known:
        problem = f"unknown {what} {word!r}" if what else f"{word!r} is unknown"
        raise ConfigError(f"{place}: {problem}.{nearest(word, known)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence, after a blank, that names the known word closest to `word`, or all of them."""
    if close := difflib.get_close_matches(word.lower(), known, 1, 0.5):
        return f" Did you mean {str(close[0])!r}?"
    return f" Known are: {', '.join(known)}." if known else ""
