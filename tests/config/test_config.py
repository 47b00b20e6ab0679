"""The configuration: what may stand in it, what wins, and what is said about what is wrong."""

import hashlib
import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from vast_intercept.config import (
    Config,
    ConfigError,
    EndpointId,
    ResponseStoreKind,
    UpstreamKind,
    load_config,
)
from vast_intercept.config.config import defaults
from vast_intercept.openai_api.operations import CONFIGURABLE, DROPPED, UNSERVED, Operation
from vast_intercept.secret import Secret

PROJECT = Path(__file__).parents[2]
KEY = "vast-0123456789abcdefghijklmnopqrstuvwxyz"
HASH = hashlib.sha256(b"sk-app").hexdigest()

Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a text or bytes as the configuration file; more keywords are the environment."""

    def load_text(
        content: str | bytes, options: dict[str, str] | None = None, **env: str
    ) -> Config:
        path = tmp_path / "vast.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_config(path, env, **(options or {}))

    return load_text


# --- what it may be ------------------------------------------------------------------------------

# DESIGN, "Contract: configuration", word for word.
CONTRACT = """\
vast:
  endpoint: my-endpoint            # name of the Serverless endpoint
  api_key: env:VAST_API_KEY        # env:NAME | file:PATH; a literal works and is warned about
  interface: openai                # openai = openai.vast.ai | serverless = run.vast.ai and its workers
  openai_url: https://openai.vast.ai
  route_url: https://run.vast.ai
  console_url: https://console.vast.ai
  ca_file: null                    # extra trusted CAs, for Vast's workers or a test server
providers: [openai]                # names from the built-in table, or {name, host, port, prefix, scheme, api}
routes:                            # first match wins; without a match: vast.endpoint
  - {model: "gpt-4*", endpoint: big-one}
unsupported: reject                # reject | pass (on to the original provider), or per operation:
#  embeddings: pass
clients:
  allow_from: [127.0.0.0/8, "::1"] # who may connect at all
  keys: []                         # if set: SHA-256 of the API keys that apps may use, each with a name
models: []                         # what GET /v1/models lists, besides routes and endpoints
"""  # noqa: E501


def vasts(name: str) -> EndpointId:
    """An endpoint of Vast's, through its OpenAI interface."""
    return EndpointId(UpstreamKind.OPENAI, name)


def test_the_contract_s_example_loads(load: Load) -> None:
    config = load(CONTRACT, VAST_API_KEY=KEY)
    assert config.endpoint == "my-endpoint"
    assert config.api_key == Secret(KEY)
    assert config.openai_url == "https://openai.vast.ai"
    assert config.ca_file is None
    assert [provider.name for provider in config.providers] == ["openai"]
    assert config.destinations_for("gpt-4o") == (vasts("big-one"),)
    assert config.destinations_for("gpt-3.5-turbo") == (vasts("my-endpoint"),)
    assert config.destinations_for(None) == (vasts("my-endpoint"),)
    assert config.unsupported == dict.fromkeys(UNSERVED, "reject")
    assert config.allow_from == (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    )
    assert config.client_keys == ()
    assert config.listed_models() == ["big-one", "my-endpoint"]
    assert config.warnings == ()


def test_the_project_s_own_file_says_what_the_defaults_are() -> None:
    file = load_config(PROJECT / "config" / "vast.yaml", {})
    assert file.source == str(PROJECT / "config" / "vast.yaml")
    for name in ("providers", "unsupported", "allow_from", "client_keys", "models", "openai_url"):
        assert getattr(file, name) == getattr(defaults(), name)


def test_what_is_kept_and_shown(load: Load) -> None:
    """The defaults, and what the project's own file says of them in its comments."""
    inspect = load("").inspect
    assert (inspect.port, inspect.keep_flows, inspect.keep_body_bytes) == (8082, 2_000, 268435456)
    assert (inspect.keep_filter, inspect.show_prompts) == ("", False)
    text = (PROJECT / "config" / "vast.yaml").read_text()
    for line in ("port: 8082", "keep_flows: 2000", "keep_body_bytes: 268435456"):
        assert line in text
    assert "show_prompts: false" in text
    example = next(line for line in text.splitlines() if "keep_filter: " in line)
    load(f"inspect:\n  {example.strip(' #')}")
    set_by_user = load(
        "inspect: {port: 0, keep_flows: 1, keep_body_bytes: 0, show_prompts: true,"
        " keep_filter: '~marked & !(~b \"x\")'}"
    ).inspect
    assert (set_by_user.port, set_by_user.keep_flows, set_by_user.keep_body_bytes) == (0, 1, 0)
    assert set_by_user.keep_filter == '~marked & !(~b "x")'
    assert set_by_user.show_prompts


def test_where_responses_are_kept(load: Load, tmp_path: Path) -> None:
    """The defaults, what the project's own file says of them in its comments, and all else."""
    responses = load("").responses
    assert (responses.store, responses.builtin_tools) == ("memory", "leave_out")
    text = (PROJECT / "config" / "vast.yaml").read_text()
    assert "store: memory" in text
    assert "builtin_tools: leave_out" in text
    # YAML 1.1 reads a bare `off` as false.
    assert load("responses: {store: off}").responses.store is ResponseStoreKind.OFF
    assert load("responses: {store: 'off'}").responses.store is ResponseStoreKind.OFF
    assert load("responses: {builtin_tools: reject}").responses.builtin_tools == "reject"
    file = tmp_path / "kept.sqlite"
    assert load(f"responses: {{store: {file}}}").responses.store == file
    assert load("responses: {store: ~/kept}").responses.store == Path.home() / "kept"


NOTHING = {
    "an empty file": "",
    "blanks": " \n\n",
    "comments": "# vast:\n#   endpoint: x\n",
    "an empty document": "---\n...\n",
    "null": "null",
    "an empty mapping": "{}",
    "a BOM": "\ufeff",
    "null sections": "vast:\nproviders:\nroutes:\nunsupported:\nclients: ~\nmodels: null\n",
    "empty sections": "vast: {}\nclients: {}\nroutes: []\nmodels: []\n",
}


@pytest.mark.parametrize("text", NOTHING.values(), ids=NOTHING.keys())
def test_a_file_that_says_nothing_changes_nothing(text: str, load: Load) -> None:
    config = load(text)
    for name in ("endpoint", "providers", "routes", "unsupported", "allow_from", "models"):
        assert getattr(config, name) == getattr(defaults(), name)
    assert [provider.name for provider in config.providers] == ["openai"]


def test_what_is_set_is_taken(load: Load, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("x")
    config = load(
        f"""
        vast: {{endpoint: "ep-é", openai_url: "https://h:8443/base/", ca_file: "{ca_file}"}}
        providers:
          - groq
          - {{name: own, host: vllm.internal, port: 8000, prefix: /api, scheme: http}}
          - {{name: plain, host: "[fe80::1]"}}
          - {{name: gateway, host: gateway.internal, api: anthropic}}
        routes:
          - {{model: "a*", endpoint: one}}
          - {{model: "ab?", endpoint: two}}
          - {{model: named, endpoint: two}}
        unsupported: {{embeddings: pass, images: reject}}
        clients:
          allow_from: [10.0.0.1/8, "fd00::/8", 192.168.1.7, "::ffff:172.16.0.0/108"]
          keys: [{{name: app, sha256: {HASH.upper()}}}]
        models: [gpt-4o, named]
        """
    )
    assert config.endpoint == "ep-é"
    assert config.openai_url == "https://h:8443/base"
    assert config.ca_file == ca_file
    groq, own, plain, gateway = config.providers
    assert (plain.api, gateway.api) == ("openai", "anthropic")
    assert groq.serves("api.groq.com", 443)
    assert own.serves("vllm.internal", 8000)
    assert own.prefixes == ("/api",)
    assert plain.serves("fe80::1", 443)
    destinations = [config.destinations_for(model) for model in ("abc", "named", "A")]
    names = [[each.name for each in found] for found in destinations]
    assert names == [["one"], ["two"], ["ep-é"]]
    assert config.unsupported[Operation.EMBEDDINGS] == "pass"
    assert {value for key, value in config.unsupported.items() if key != "embeddings"} == {"reject"}
    assert list(map(str, config.allow_from)) == [
        *("10.0.0.0/8", "fd00::/8", "192.168.1.7/32"),
        "172.16.0.0/12",
    ]
    assert config.client_keys[0].name == "app"
    assert config.listed_models() == ["gpt-4o", "named", "one", "two", "ep-é"]
    assert config.knows_model("like-a-model")  # vast.endpoint would serve it
    assert replace(config, endpoint=None).knows_model("like-a-model") is False
    assert config.knows_model("a-model-of-a-route")


def test_unsupported_holds_for_all_operations_or_by_name(load: Load) -> None:
    every = (*UNSERVED, *DROPPED)
    assert load("unsupported: pass").unsupported == dict.fromkeys(every, "pass")
    named = "unsupported: {" + ", ".join(f"{one}: pass" for one in CONFIGURABLE) + "}"
    assert load(named).unsupported == dict.fromkeys(CONFIGURABLE, "pass")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("{}", None),
        ("unsupported: reject", None),
        ("unsupported: {embeddings: pass}", None),
        ("unsupported: {traces: reject}", "reject"),
        ("unsupported: {traces: pass}", "pass"),
        ("unsupported: pass", "pass"),
    ],
)
def test_traces_are_dropped_unless_they_are_named_or_all_is_passed_on(
    load: Load, file: str, expected: str | None
) -> None:
    assert load(file).unsupported.get(Operation.TRACES) == expected


# --- what wins -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "environment", "file", "expected"),
    [
        ("option", "environment", "file", "option"),
        ("", "environment", "file", "environment"),
        (None, "environment", "file", "environment"),
        ("", "", "file", "file"),
        (None, "", "", None),
        ("option", "", "", "option"),
    ],
)
def test_an_option_wins_over_the_environment_and_that_over_the_file(
    option: str | None, environment: str, file: str, expected: str | None, load: Load
) -> None:
    text = f"vast: {{endpoint: {file}}}" if file else ""
    options = {} if option is None else {"endpoint": option}
    assert load(text, options, VAST_ENDPOINT=environment).endpoint == expected


def test_the_environment_s_key_wins_over_the_file_s(load: Load, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-the-file-0123456789\n")
    text = f"vast: {{api_key: 'file:{tmp_path / 'key'}'}}"
    assert load(text).api_key == Secret("from-the-file-0123456789")
    assert load(text, VAST_API_KEY=KEY).api_key == Secret(KEY)
    assert load("vast: {api_key: env:MINE}", MINE="mine").api_key == Secret("mine")
    assert load("vast: {api_key: env:MINE}", MINE="mine", VAST_API_KEY=KEY).api_key == Secret(KEY)


def test_the_interface_option_wins(load: Load) -> None:
    with pytest.raises(ConfigError, match=r"vast\.interface: 'opnai' is unknown.*'openai'"):
        load("vast: {interface: openai}", {"interface": "opnai"})
    load("vast: {interface: opnai}", {"interface": "openai"})


def test_how_long_calls_wait_can_be_set_one_by_one(load: Load) -> None:
    config = load("vast: {timeout: {queue: 0, first_byte: 2.5}, keepalive: 1, drain: 0}")
    timeout = config.timeout
    assert (timeout.queue, timeout.first_byte) == (0, 2.5)
    assert (timeout.connect, timeout.between_bytes, timeout.total) == (10, 60, 600)
    assert (config.keepalive, config.drain, config.default_cost) == (1, 0, 100)
    assert load("vast: {keepalive: 0}").keepalive == 0


def test_a_route_s_fallbacks_follow_its_endpoint(load: Load) -> None:
    config = load("routes: [{model: 'a*', endpoint: one, fallback: [two, provider]}]")
    provider = EndpointId(UpstreamKind.PROVIDER, "provider")
    assert config.destinations_for("a1") == (vasts("one"), vasts("two"), provider)
    assert config.destinations_for("b") == ()
    assert config.falls_back_to_provider
    assert not load("routes: [{model: a, endpoint: one, fallback: [two]}]").falls_back_to_provider


def test_the_first_route_whose_pattern_matches_is_the_route(load: Load) -> None:
    config = load(
        "routes: [{model: 'a*', endpoint: one, reasoning: both}, {model: '*', endpoint: two}]"
    )
    chosen = [config.route_for(model) for model in ("a1", "b")]
    assert [(each.endpoint, each.reasoning) for each in chosen if each] == [
        ("one", "both"),
        ("two", "as_is"),
    ]
    assert config.route_for(None) is None
    assert load("").route_for("a") is None


def test_the_serverless_interface_has_its_urls(load: Load) -> None:
    config = load("vast: {interface: serverless, route_url: 'https://r/x/'}")
    assert (config.interface, config.route_url) == ("serverless", "https://r/x")
    assert config.console_url == "https://console.vast.ai"


# --- what is wrong -------------------------------------------------------------------------------

# text, and what the message must hold (besides the file's name)
WRONG: dict[str, tuple[str | bytes, list[str]]] = {
    # Time and fallbacks.
    "an unknown time": ("vast: {timeout: {conect: 1}}", ["vast.timeout.conect", "'connect'"]),
    "no time to connect": ("vast: {timeout: {connect: 0}}", ["vast.timeout.connect", "> 0"]),
    "a negative time": ("vast: {drain: -1}", ["vast.drain", ">= 0"]),
    "an endless time": ("vast: {timeout: {total: .inf}}", ["vast.timeout.total", "<= 86400"]),
    "a time that is a text": ("vast: {keepalive: 15s}", ["vast.keepalive", "a number"]),
    "a fallback to itself": (
        "routes: [{model: a, endpoint: one, fallback: [one]}]",
        ["routes[0].fallback[0]", "'one' comes twice"],
    ),
    "a fallback that is no name": (
        "routes: [{model: a, endpoint: one, fallback: ['a b']}]",
        ["routes[0].fallback[0]", "can be part of a path"],
    ),
    "an unknown role to rename": (
        "routes: [{model: a, endpoint: one, roles: {developers: system}}]",
        ["routes[0].roles: unknown role 'developers'. Did you mean 'developer'?"],
    ),
    "an unknown role to rename it to": (
        "routes: [{model: a, endpoint: one, roles: {developer: me}}]",
        ["routes[0].roles.developer: unknown role 'me'. Known are: developer, system"],
    ),
    "roles that are a list": (
        "routes: [{model: a, endpoint: one, roles: [developer]}]",
        ["routes[0].roles", "a mapping"],
    ),
    "a role that is a number": (
        "routes: [{model: a, endpoint: one, roles: {developer: 1}}]",
        ["routes[0].roles", "a text"],
    ),
    "reasoning under a name of its own": (
        "routes: [{model: a, endpoint: one, reasoning: reasoning_content}]",
        ["routes[0].reasoning", "'reasoning_content' is unknown", "as_is, both"],
    ),
    "both of two names, misspelled": (
        "routes: [{model: a, endpoint: one, reasoning: bot}]",
        ["routes[0].reasoning", "Did you mean 'both'?"],
    ),
    "a route's URL without TLS": ("vast: {route_url: 'http://run.vast.ai'}", ["vast.route_url"]),
    "a console's URL that is none": ("vast: {console_url: console}", ["vast.console_url"]),
    # The file.
    "a syntax error": ("vast: {endpoint: [", ["YAML", "line 1"]),
    "two colons": ("a: b\nc: d: e", ["YAML", "line 2"]),
    "a tab": ("vast:\n\tendpoint: x", ["YAML", "line 2"]),
    "two documents": ("vast: {}\n---\nvast: {}", ["YAML"]),
    "a key twice": ("vast: {}\nmodels: []\nvast: {}", ["'vast'", "twice", "line 3"]),
    "a key twice further in": ("vast: {endpoint: a, endpoint: b}", ["'endpoint'", "twice"]),
    "a control character": ("vast: \x01", ["YAML"]),
    "a null byte": (b"\0", ["YAML"]),
    "not UTF-8": (b"models: [\xff]", ["UTF-8", "byte 9"]),
    "UTF-16": ("vast: {}".encode("utf-16"), ["UTF-8"]),
    "nested deeply": ("[" * 5_000, ["YAML"]),
    "an unknown alias": ("vast: *x", ["YAML"]),
    "an unhashable key": ("? [a]\n: b", ["YAML"]),
    "a Python object": ("!!python/object/apply:os.system [ls]", ["YAML"]),
    "an empty integer": ("models: !!int ''", ["YAML"]),
    "an empty float": ("models: !!float ''", ["YAML"]),
    "not a boolean": ("models: !!bool maybe", ["YAML"]),
    "not a time": ("models: !!timestamp now", ["YAML"]),
    "a date out of range": ("models: 2024-13-45", ["YAML"]),
    "a list": ("- vast", ["mapping", "list"]),
    "a text": ("vast", ["mapping", "text"]),
    "a number": ("5", ["mapping", "number"]),
    "a key that is a number": ("1: x", ["key", "text"]),
    "a key that is a number further in": ("vast: {1: x}", ["vast", "key", "text"]),
    # Unknown keys, each with the nearest known one.
    "an unknown section": ("vasst: {}", ["vasst: unknown key", "'vast'"]),
    "nothing near": (
        "qqqqqq: 1",
        ["qqqqqq", "vast, endpoints, providers, routes, unsupported, clients"],
    ),
    "an unknown key of vast": ("vast: {endpont: x}", ["vast.endpont", "'endpoint'"]),
    "an unknown key of clients": ("clients: {allow: []}", ["clients.allow:", "'allow_from'"]),
    "an unknown key of a client": (
        f"clients: {{keys: [{{name: a, sha256: {HASH}}}, {{name: b, sha265: x}}]}}",
        ["clients.keys[1].sha265", "'sha256'"],
    ),
    "an unknown key of a route": ("routes: [{modle: x}]", ["routes[0].modle", "'model'"]),
    "an unknown key of a provider": (
        "providers: [openai, {name: a, hots: b}]",
        ["providers[1].hots", "'host'"],
    ),
    "an unknown operation": (
        "unsupported: {embedding: pass}",
        ["unsupported.embedding", "'embeddings'"],
    ),
    "an operation that Vast serves": (
        "unsupported: {chat/completions: pass}",
        ["unsupported.chat/"],
    ),
    # Wrong types.
    "vast a text": ("vast: x", ["vast:", "mapping", "text"]),
    "endpoint a number": ("vast: {endpoint: 5}", ["vast.endpoint:", "text", "number"]),
    "endpoint a list": ("vast: {endpoint: [a]}", ["vast.endpoint:"]),
    "providers a text": ("providers: openai", ["providers:", "list"]),
    "a provider a number": ("providers: [openai, 5]", ["providers[1]:"]),
    "a port a text": ("providers: [{name: a, host: b, port: '80'}]", ["providers[0].port:"]),
    "a port out of range": ("providers: [{name: a, host: b, port: 65536}]", ["providers[0].port:"]),
    "a port of zero": ("providers: [{name: a, host: b, port: 0}]", ["providers[0].port:"]),
    "a scheme unknown": (
        "providers: [{name: a, host: b, scheme: ftp}]",
        ["providers[0].scheme:", "ftp"],
    ),
    "an api unknown": (
        "providers: [{name: a, host: b, api: gemini}]",
        ["providers[0].api:", "gemini"],
    ),
    "routes a mapping": ("routes: {a: b}", ["routes:", "list"]),
    "a route a text": ("routes: [a]", ["routes[0]:", "mapping"]),
    "a route without endpoint": ("routes: [{model: a}]", ["routes[0]:", "endpoint"]),
    "a route's model a number": ("routes: [{model: 4, endpoint: a}]", ["routes[0].model:"]),
    "unsupported a list": ("unsupported: [images]", ["unsupported:"]),
    "unsupported of one true": ("unsupported: {images: yes}", ["unsupported"]),
    "clients a list": ("clients: []", ["clients:", "mapping"]),
    "allow_from a text": ("clients: {allow_from: '::1'}", ["clients.allow_from:", "list"]),
    "keys of texts": (f"clients: {{keys: [{HASH}]}}", ["clients.keys[0]:", "mapping"]),
    "models a text": ("models: gpt-4", ["models:", "list"]),
    "a model a number": ("models: [a, 4.1]", ["models[1]:", "text"]),
    # Wrong values.
    "an endpoint with a slash": ("vast: {endpoint: a/b}", ["vast.endpoint:", "slashes"]),
    "an endpoint with a blank": ("vast: {endpoint: a b}", ["vast.endpoint:", "blanks"]),
    "an endpoint with a line feed": ('vast: {endpoint: "a\\n"}', ["vast.endpoint:"]),
    "an empty endpoint": ("vast: {endpoint: ''}", ["vast.endpoint:"]),
    "a route's endpoint with a slash": (
        "routes: [{model: a, endpoint: a/b}]",
        ["routes[0].endpoint"],
    ),
    "an unknown interface": ("vast: {interface: opnai}", ["vast.interface", "'openai'"]),
    "an unknown provider": ("providers: [openai, grok]", ["providers[1]", "'grok'", "'groq'"]),
    "a provider twice": ("providers: [openai, openai]", ["providers[1]", "'openai'"]),
    "a name twice": (
        "providers: [openai, {name: openai, host: x}]",
        ["providers[1]", "two providers", "'openai'"],
    ),
    "a host twice": (
        "providers: [openai, {name: mine, host: API.openai.com}]",
        ["providers[1]", "'mine'", "'openai'"],
    ),
    "a host that a wildcard covers": (
        "providers: [{name: mine, host: eu.api.openai.com}, openai]",
        ["providers[1]", "'mine'", "'openai'"],
    ),
    "an IPv6 address twice": (
        "providers: [{name: a, host: '::1'}, {name: b, host: '[::1]'}]",
        ["providers[1]", "'a'", "'b'"],
    ),
    "a provider without host": ("providers: [{name: a}]", ["providers[0]:", "host"]),
    "an empty host": ("providers: [{name: a, host: ''}]", ["providers[0].host"]),
    "a URL as host": ("providers: [{name: a, host: 'https://x'}]", ["providers[0].host"]),
    "a port in the host": ("providers: [{name: a, host: 'x:8000'}]", ["providers[0].host"]),
    "a wildcard host": ("providers: [{name: a, host: '*'}]", ["providers[0].host"]),
    "unsupported unknown": ("unsupported: drop", ["unsupported:", "'drop'", "'reject'", "'pass'"]),
    "unsupported of one unknown": (
        "unsupported: {images: drop}",
        ["unsupported.images:", "'drop'"],
    ),
    "a bad network": ("clients: {allow_from: ['::1', 10.0.0.0/33]}", ["clients.allow_from[1]:"]),
    "a name for a network": ("clients: {allow_from: [localhost]}", ["clients.allow_from[0]:"]),
    "a short hash": ("clients: {keys: [{name: a, sha256: abc}]}", ["clients.keys[0].sha256", "64"]),
    "a key instead of its hash": (
        f"clients: {{keys: [{{name: a, sha256: sk-{'g' * 61}}}]}}",
        ["clients.keys[0].sha256", "64"],
    ),
    "a hash with a line feed": (
        f"clients:\n  keys:\n  - name: a\n    sha256: |\n      {HASH}\n",
        ["clients.keys[0].sha256", "64"],
    ),
    "inspect a list": ("inspect: []", ["inspect:", "mapping"]),
    "a misspelled limit": (
        "inspect: {keep_flow: 5}",
        ["inspect.keep_flow: unknown key", "'keep_flows'"],
    ),
    "a metrics port": ("inspect: {metrics_port: 1}", ["inspect.metrics_port: unknown key"]),
    "a port too high": ("inspect: {port: 65536}", ["inspect.port:", "65535"]),
    "a port below zero": ("inspect: {port: -1}", ["inspect.port:", "0"]),
    "a port that is a text": ("inspect: {port: '8082'}", ["inspect.port:", "a number"]),
    "a port with a fraction": ("inspect: {port: 80.5}", ["inspect.port:"]),
    "no flows": ("inspect: {keep_flows: 0}", ["inspect.keep_flows:", "1"]),
    "bytes with a unit": ("inspect: {keep_body_bytes: 64m}", ["inspect.keep_body_bytes:"]),
    "bytes below zero": ("inspect: {keep_body_bytes: -1}", ["inspect.keep_body_bytes:"]),
    "no filter expression": ("inspect: {keep_filter: '~nosuch x'}", ["inspect.keep_filter:"]),
    "half a filter expression": (
        "inspect: {keep_filter: '~comment ('}",
        ["inspect.keep_filter:", "'~comment ('", "filter expressions", "~marked"],
    ),
    "a filter that is a number": ("inspect: {keep_filter: 3}", ["inspect.keep_filter:", "text"]),
    "show_prompts a text": ("inspect: {show_prompts: 'on'}", ["inspect.show_prompts:", "true"]),
    "a store that is misspelled": (
        "responses: {store: memroy}",
        ["responses.store:", "'memroy'", "a path with a slash", "Did you mean 'memory'?"],
    ),
    "a store that is on": ("responses: {store: on}", ["responses.store:", "'on'", "'memory'"]),
    "a store that is a number": ("responses: {store: 3}", ["responses.store:", "a text"]),
    "a store that is a folder": ("responses: {store: /}", ["responses.store:", "is a folder"]),
    "a store in no folder": (
        "responses: {store: /does/not/exist.sqlite}",
        ["responses.store:", "there is no folder /does/not"],
    ),
    "a store of nobody's": ("responses: {store: ~no-such-user/x}", ["responses.store"]),
    "a store with a null byte": ('responses: {store: "/a\\0b"}', ["responses.store"]),
    "a way with built-in tools that there is not": (
        "responses: {builtin_tools: drop}",
        ["responses.builtin_tools:", "'drop' is unknown", "leave_out"],
    ),
    "an unknown key of responses": (
        "responses: {stroe: memory}",
        ["responses.stroe: unknown key. Did you mean 'store'?"],
    ),
    "a missing ca_file": (
        "vast: {ca_file: /does/not/exist.pem}",
        ["vast.ca_file", "/does/not/exist"],
    ),
    "a ca_file that is a folder": ("vast: {ca_file: /}", ["vast.ca_file"]),
    "a ca_file of nobody's": ("vast: {ca_file: '~no-such-user/ca.pem'}", ["vast.ca_file"]),
    "a key file of nobody's": ("vast: {api_key: 'file:~no-such-user/key'}", ["vast.api_key"]),
    "a key file with a null byte": ('vast: {api_key: "file:a\\0b"}', ["vast.api_key"]),
    "a key file with half a surrogate": ('vast: {api_key: "file:\\ud800"}', ["vast.api_key"]),
    "a key file without a name": ("vast: {api_key: 'file:'}", ["vast.api_key", "file:PATH"]),
    "a variable without a name": ("vast: {api_key: 'env:'}", ["vast.api_key", "env:NAME"]),
    # URLs that keys go to.
    "HTTP": ("vast: {openai_url: 'http://openai.vast.ai'}", ["vast.openai_url", "unencrypted"]),
    "HTTP to a look-alike": ("vast: {openai_url: 'http://localhost.evil.com'}", ["unencrypted"]),
    "HTTP to an address": ("vast: {openai_url: 'http://192.168.0.1'}", ["unencrypted"]),
    "a URL without scheme": ("vast: {openai_url: openai.vast.ai}", ["vast.openai_url"]),
    "an unknown scheme": ("vast: {openai_url: 'ftp://x'}", ["vast.openai_url"]),
    "an empty URL": ("vast: {openai_url: ''}", ["vast.openai_url"]),
    "a URL without host": ("vast: {openai_url: 'https:///x'}", ["vast.openai_url"]),
    "a URL with a query": ("vast: {openai_url: 'https://x?a=b'}", ["vast.openai_url"]),
    "a URL with a fragment": ("vast: {openai_url: 'https://x#a'}", ["vast.openai_url"]),
    "a URL with a blank": ("vast: {openai_url: 'https://x y'}", ["vast.openai_url"]),
    "a URL with half an IPv6 address": ("vast: {openai_url: 'https://[::1'}", ["vast.openai_url"]),
    "a URL with a bad port": ("vast: {openai_url: 'https://x:99999'}", ["vast.openai_url"]),
    "a URL with a port in letters": ("vast: {openai_url: 'https://x:abc'}", ["vast.openai_url"]),
}


@pytest.mark.parametrize(("content", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said(content: str | bytes, said: list[str], load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(content)
    message = str(caught.value)
    for part in ("vast.yaml: ", *said):
        assert part in message
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@openai.vast.ai",
        "https://hunter2@openai.vast.ai",
        "http://user:hunter2@localhost",
        "ftp://user:hunter2@x",
        "https://user:hunter2@x?y",
        "https://user:hunter2@[::1",
        "https://user:hunter2@x:abc",
    ],
)
def test_a_url_with_a_password_is_refused_and_not_repeated(url: str, load: Load) -> None:
    with pytest.raises(ConfigError, match="password") as caught:
        load(f"vast: {{openai_url: '{url}'}}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://127.0.0.1", "http://127.8.8.8/x", "http://[::1]:80"]
)
def test_http_to_this_machine_is_allowed(url: str, load: Load) -> None:
    assert load(f"vast: {{openai_url: '{url}'}}").openai_url == url


@pytest.mark.parametrize("name", ["a b", "a/b", "a\n", "..?"])
def test_an_endpoint_of_the_environment_is_checked_too(name: str, load: Load) -> None:
    with pytest.raises(ConfigError, match=r"vast\.endpoint"):
        load("", VAST_ENDPOINT=name)
    with pytest.raises(ConfigError, match=r"vast\.endpoint"):
        load("", {"endpoint": name})


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            load_config(path, {})
        assert str(path) in str(caught.value)


# --- the key -------------------------------------------------------------------------------------


def test_a_literal_key_works_and_is_warned_about_without_showing_it(load: Load) -> None:
    config = load(f"vast: {{api_key: {KEY}, endpoint: e}}")
    assert config.api_key == Secret(KEY)
    (warning,) = config.warnings
    assert "vast.api_key" in warning
    assert "env:NAME" in warning
    assert KEY not in warning + repr(config) + str(config)
    assert KEY[:12] not in repr(config)


def test_a_literal_key_that_the_environment_replaces_is_no_matter(load: Load) -> None:
    config = load("vast: {api_key: literal-0123456789, endpoint: e}", VAST_API_KEY=KEY)
    assert (config.api_key, config.warnings) == (Secret(KEY), ())


KEY_FILES = {
    "missing": (None, "cannot be read"),
    "empty": (b"", "empty"),
    "blank": (b" \n\n", "empty"),
    "binary": (b"\x80\x81\xff", "not text"),
    "with a null byte": (b"abc\0def", "something else"),
    "two lines": (b"one-key-0123456789\ntwo-key-0123456789\n", "something else"),
    "with a blank": (b"one two", "something else"),
    "other than ASCII": ("clé-0123456789".encode(), "something else"),
    "huge": (b"x" * 1_000_000, "too large"),
}


@pytest.mark.parametrize(("content", "said"), KEY_FILES.values(), ids=KEY_FILES.keys())
def test_a_key_file_may_be_wrong(
    content: bytes | None, said: str, load: Load, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    config = load(f"vast: {{api_key: 'file:{path}', endpoint: e}}")
    assert config.api_key is None
    assert config.key_file == path
    assert str(path) in config.api_key_problem
    assert said in config.api_key_problem
    (warning,) = config.warnings
    assert config.api_key_problem in warning
    for secret in ("one-key", "two-key", "abc"):
        assert secret not in warning.replace(str(path), "")


def test_a_key_file_that_is_a_folder_cannot_be_read(load: Load, tmp_path: Path) -> None:
    config = load(f"vast: {{api_key: 'file:{tmp_path}'}}")
    assert config.api_key is None
    assert "cannot be read" in config.api_key_problem


def test_white_space_around_a_key_is_not_the_key(load: Load, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"\n {KEY} \r\n")
    assert load(f"vast: {{api_key: 'file:{tmp_path / 'key'}'}}").api_key == Secret(KEY)
    assert load("", VAST_API_KEY=f" {KEY}\n").api_key == Secret(KEY)


@pytest.mark.parametrize("value", ["", " ", "two words", "a\nb", "k\u00e9y", "a\0b"], ids=repr)
def test_a_key_of_the_environment_may_be_wrong(value: str, load: Load) -> None:
    config = load("", VAST_API_KEY=value)
    assert config.api_key is None
    assert "VAST_API_KEY" in config.api_key_problem


def test_what_is_missing_is_warned_about(load: Load) -> None:
    key, endpoint = load("").warnings
    assert "VAST_API_KEY" in key
    assert "VAST_ENDPOINT" in endpoint
    assert load("routes: [{model: a, endpoint: b}]", VAST_API_KEY=KEY).warnings == ()


# --- properties ----------------------------------------------------------------------------------

SECTIONS = ["vast", "providers", "routes", "unsupported", "clients", "models"]
KEYS = ["endpoint", "api_key", "openai_url", "ca_file", "name", "host", "port", "model", "keys"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.binary(max_size=4)
    | st.sampled_from(["openai", "file:~x/y", "https://[", "env:A", "[::1]", "10.0.0.0/8", "pass"])
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(SECTIONS) | st.text(max_size=4),
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(KEYS) | SCALARS, inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=3,
)


def as_yaml(document: object) -> str:
    return yaml.dump(document, allow_unicode=True)


TAGGED = st.builds(
    "models: !!{} {!r}".format,
    st.sampled_from(["int", "float", "bool", "timestamp", "binary", "set", "omap", "null", "str"]),
    st.text("0123456789:.-+eT~ax", max_size=12),
)
SOUP = st.text("{}[]:,-?&*!|>'\"#%@`~ \nvastn", max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    st.text()
    | st.text("{}[]:,-?&*!|>'\"#%@`~ \nvastn", max_size=30)
    | TAGGED
    | DOCUMENTS.map(as_yaml)
)
def test_any_text_is_a_configuration_or_a_configuration_error(load: Load, text: str) -> None:
    try:
        config = load(text.encode("utf-8", "surrogatepass"))
    except ConfigError as error:
        assert "vast.yaml" in str(error)  # noqa: PT017
    else:
        assert isinstance(config, Config)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary())
def test_any_bytes_are_a_configuration_or_a_configuration_error(load: Load, content: bytes) -> None:
    try:
        load(content)
    except ConfigError as error:
        assert "vast.yaml" in str(error)  # noqa: PT017
