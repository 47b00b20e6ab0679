"""Machines of one's own in the configuration: what they may be, and what is wrong with others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from vast_intercept.config import Config, ConfigError, EndpointId, UpstreamKind, load_config
from vast_intercept.config.endpoints import read_endpoints
from vast_intercept.config.file import EndpointSection
from vast_intercept.openai_api.operations import Operation
from vast_intercept.secret import Secret

KEY = "box-0123456789abcdefghijklmnopqrstuvwxyz"
URL_OF_BOX = "https://203.0.113.7:41234"
BOX = EndpointId(UpstreamKind.MACHINE, "my-box")
LARGE = EndpointId(UpstreamKind.SERVERLESS, "large")
PROVIDER = EndpointId(UpstreamKind.PROVIDER, "provider")

Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads `my-box` with these settings; `sections` are the rest, `env` is the environment."""

    def load_box(
        box: dict[str, Any] | None = None,
        sections: dict[str, Any] | None = None,
        endpoint: str | None = None,
        **env: str,
    ) -> Config:
        path = tmp_path / "vast.yaml"
        box = {"url": URL_OF_BOX, **(box or {})}
        path.write_text(yaml.safe_dump({"endpoints": {"my-box": box}, **(sections or {})}))
        return load_config(path, env, endpoint=endpoint)

    return load_box


def test_a_machine_has_an_address_a_key_and_operations(load: Load) -> None:
    config = load({"api_key": "env:BOX_KEY", "serves": ["embeddings"]}, BOX_KEY=f"{KEY}\n")
    machine = config.machines["my-box"]
    assert (machine.url, machine.api_key) == (URL_OF_BOX, Secret(KEY))
    assert config.destinations_for("any", Operation.EMBEDDINGS) == (BOX,)
    assert config.destinations_for("any", Operation.RERANK) == ()
    assert KEY not in repr(config)
    assert config.listed_models() == ["my-box"]


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("https://203.0.113.7:41234/", URL_OF_BOX),
        ("https://llm.example", "https://llm.example"),
        ("HTTPS://llm.example:443", "https://llm.example:443"),
        ("https://[2001:db8::7]:8000", "https://[2001:db8::7]:8000"),
        ("https://büro.example", "https://büro.example"),
        ("http://127.0.0.1:18000", "http://127.0.0.1:18000"),
        ("http://localhost:18000", "http://localhost:18000"),
        ("http://[::1]:18000", "http://[::1]:18000"),
    ],
)
def test_urls_that_may_be(load: Load, url: str, read: str) -> None:
    config = load({"url": url}, {"vast": {"endpoint": "my-box"}})
    assert config.machines["my-box"].url == read
    assert config.warnings == ()
    assert URL(read).host


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a path": (
        {"url": f"{URL_OF_BOX}/v1"},
        ["my-box.url", "has a path, '/v1'", f"{URL_OF_BOX}/v1/chat/completions"],
    ),
    "a user and a password": (
        {"url": f"https://me:{KEY}@203.0.113.7"},
        ["my-box.url", "user name or a password", "api_key"],
    ),
    "a query": (
        {"url": f"{URL_OF_BOX}?token={KEY}"},
        ["my-box.url", "end before its ?", "api_key"],
    ),
    "a fragment": ({"url": f"{URL_OF_BOX}#{KEY}"}, ["my-box.url", "end before its ?"]),
    "no scheme": ({"url": "203.0.113.7:41234"}, ["my-box.url", "begin with https://"]),
    "no scheme before a name": ({"url": "box:8000"}, ["my-box.url", "begin with https://"]),
    "a scheme without slashes": ({"url": "https:box"}, ["my-box.url", "begin with https://"]),
    "another scheme": ({"url": "ws://box:8000"}, ["my-box.url", "neither https nor http"]),
    "no host": ({"url": "https://"}, ["my-box.url", "names no host"]),
    "a port alone": ({"url": "https://:8000"}, ["my-box.url", "names no host"]),
    "an empty url": ({"url": ""}, ["my-box.url", "begin with https://"]),
    "a port of zero": ({"url": "https://box:0"}, ["my-box.url", "not a URL"]),
    "a port out of range": ({"url": "https://box:65536"}, ["my-box.url", "not a URL"]),
    "a port that is no number": ({"url": "https://box:http"}, ["my-box.url", "not a URL"]),
    "a blank": ({"url": "https://my box"}, ["my-box.url", "not a URL"]),
    "an empty label": ({"url": "https://a..b"}, ["my-box.url", "not a URL"]),
    "half an address": ({"url": "https://[::1"}, ["my-box.url", "not a URL"]),
    "a url that is a number": ({"url": 8000}, ["endpoints.my-box.url:", "text", "number"]),
    "plain http": (
        {"url": "http://203.0.113.7:8000"},
        ["my-box.url", "unencrypted", "use https", "insecure: true"],
    ),
    "plain http to all addresses": ({"url": "http://0.0.0.0:8000"}, ["my-box.url", "unencrypted"]),
    "insecure without need": ({"insecure": True}, ["my-box.insecure", URL_OF_BOX, "take it out"]),
    "insecure on this machine": (
        {"url": "http://localhost:8000", "insecure": True},
        ["my-box.insecure", "take it out"],
    ),
    "insecure that is no boolean": ({"insecure": "yes"}, ["endpoints.my-box.insecure:", "true"]),
    "an unknown operation": (
        {"serves": ["embedding"]},
        ["my-box.serves: unknown operation 'embedding'. Did you mean 'embeddings'?"],
    ),
    "an operation in capitals": ({"serves": ["RERANK"]}, ["'RERANK'. Did you mean 'rerank'?"]),
    "serves that is a text": (
        {"serves": "embeddings"},
        ["endpoints.my-box.serves: expected a list such as [embeddings], got a text."],
    ),
    "modalities that are a text": (
        {"input_modalities": "image"},
        ["my-box.input_modalities: expected a list such as [image], got a text."],
    ),
    "an unknown modality": ({"input_modalities": ["images"]}, ["my-box.input_mod", "'image'"]),
    "an unknown key": ({"urls": 1}, ["endpoints.my-box.urls: unknown key", "'url'"]),
    "a key that names no variable": ({"api_key": "env:"}, ["my-box.api_key", "env:NAME"]),
    "a key that names no file": ({"api_key": "file:"}, ["my-box.api_key", "file:PATH"]),
    "a file that cannot be one": ({"api_key": "file:a\0b"}, ["my-box.api_key", "name of a file"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_its_place_and_without_the_key(load: Load, name: str) -> None:
    box, said = WRONG[name]
    with pytest.raises(ConfigError) as error:
        load(box)
    message = str(error.value)
    for part in [".yaml: endpoints.", *said]:
        assert part in message, message
    assert KEY not in message


@given(st.text(max_size=40), st.sampled_from(["", "https://", "http://", "https://box"]))
def test_any_url_is_usable_or_refused(text: str, before: str) -> None:
    section = EndpointSection(url=before + text)
    try:
        machine = read_endpoints({"a": section}, {}, serverless=True)["a"].machine
    except ConfigError:
        return
    assert machine
    url = URL(f"{machine.url}/v1/chat/completions")
    assert (url.path, bool(url.host), url.user) == ("/v1/chat/completions", True, None)


@pytest.mark.parametrize(
    ("endpoints", "said"),
    [
        ({"provider": {"url": URL_OF_BOX}}, ["endpoints.provider", "another name"]),
        ({"my box": {"url": URL_OF_BOX}}, ["endpoints: 'my box'", "cannot be the name"]),
        ({"a/b": {}}, ["endpoints: 'a/b'", "cannot be the name"]),
        ({"a\ud800": {}}, ["endpoints: 'a\\ud800'", "cannot be the name"]),
        ({5: {}}, ["endpoints", "not a text. Put it in quotes"]),
        ([], ["endpoints", "mapping"]),
        ({"large": {"api_key": "env:X"}}, ["endpoints.large.api_key", "needs a url"]),
        ({"large": {"insecure": True}}, ["endpoints.large.insecure", "needs a url"]),
        ({"large": "x"}, ["endpoints.large:", "mapping"]),
        (
            {"ok": {"url": URL_OF_BOX}, "large": {"serves": ["embeddings"]}},
            ["endpoints.large.serves", "OpenAI interface", "serverless"],
        ),
        (
            {"large": {"input_modalities": ["image"]}},
            ["endpoints.large.input_modalities", "OpenAI interface"],
        ),
    ],
)
def test_endpoints_that_may_not_be(load: Load, endpoints: Any, said: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        load(sections={"endpoints": endpoints})
    for part in said:
        assert part in str(error.value)


# --- where calls go ------------------------------------------------------------------------------


def test_a_machine_serves_lists_whatever_the_interface_of_vast_is(load: Load) -> None:
    config = load({"serves": ["rerank", "chat/completions"], "input_modalities": ["text", "audio"]})
    assert config.known_endpoint("my-box").serves == {Operation.RERANK}
    assert config.known_endpoint("my-box").modalities == {"audio"}


@pytest.mark.parametrize("by", ["file", "option", "variable"])
def test_a_machine_can_be_the_default(load: Load, by: str) -> None:
    config = load(
        sections={"vast": {"endpoint": "my-box" if by == "file" else "large"}},
        endpoint="my-box" if by == "option" else None,
        **({"VAST_ENDPOINT": "my-box"} if by == "variable" else {}),
    )
    assert config.destinations_for(None) == (BOX,)
    assert config.endpoints() == ["my-box"]


def test_machines_and_endpoints_stand_in_for_each_other(load: Load) -> None:
    routes = [
        {"model": "a", "endpoint": "my-box", "fallback": ["large", "provider"]},
        {"model": "b", "endpoint": "large", "fallback": ["my-box"]},
    ]
    config = load(sections={"vast": {"interface": "serverless"}, "routes": routes})
    assert config.destinations_for("a") == (BOX, LARGE, PROVIDER)
    assert config.destinations_for("b") == (LARGE, BOX)
    assert config.calls_vast


def test_an_endpoint_of_vast_may_be_named_like_the_word_for_the_provider(load: Load) -> None:
    config = load(sections={"vast": {"endpoint": "provider"}, "endpoints": {}})
    assert config.destinations_for(None) == (EndpointId(UpstreamKind.OPENAI, "provider"),)


# --- keys and warnings ---------------------------------------------------------------------------


ONLY_BOX = {"vast": {"endpoint": "my-box"}}


def test_without_vast_no_key_of_it_is_missed(load: Load) -> None:
    config = load(sections=ONLY_BOX)
    assert not config.calls_vast
    assert config.warnings == ()


@pytest.mark.parametrize(
    "vast", [{"endpoint": "large"}, {"endpoint": "my-box", "any_endpoint": True}]
)
def test_a_key_of_vast_is_missed_where_calls_may_go_there(load: Load, vast: Any) -> None:
    (warning,) = load(sections={"vast": vast}).warnings
    assert "no Vast API key" in warning


def test_a_machine_alone_is_no_default(load: Load) -> None:
    (warning,) = load().warnings
    assert "no default endpoint" in warning
    assert "'my-box'" in warning


def test_plain_http_is_warned_about(load: Load) -> None:
    box = {"url": "http://203.0.113.7:8000", "insecure": True}
    (warning,) = load(box, ONLY_BOX).warnings
    assert "endpoints.my-box.url is plain HTTP" in warning


def test_a_key_in_the_file_works_and_is_warned_about_without_showing_it(load: Load) -> None:
    config = load({"api_key": KEY}, ONLY_BOX, COPY=KEY, OTHER="x")
    assert config.machines["my-box"].api_key == Secret(KEY)
    (warning,) = config.warnings
    assert "endpoints.my-box.api_key holds the key itself" in warning
    assert KEY not in warning
    assert "COPY" in config.all_key_variables
    assert "OTHER" not in config.all_key_variables


@pytest.mark.parametrize(
    ("reference", "env", "why"),
    [
        ("env:BOX_KEY", {}, "the environment variable BOX_KEY is not set"),
        ("env:BOX_KEY", {"BOX_KEY": " "}, "the environment variable BOX_KEY is not set"),
        ("env:BOX_KEY", {"BOX_KEY": "a b"}, "holds something else than a key"),
        ("file:{folder}/none", {}, "cannot be read (No such file or directory)"),
        ("file:{folder}/empty", {}, "is empty"),
        ("file:{folder}/large", {}, "too large"),
        ("file:{folder}", {}, "cannot be read"),
        ("ключ", {}, "endpoints.my-box.api_key holds something else than a key"),
    ],
)
def test_a_key_that_is_missing_is_warned_about(
    load: Load, tmp_path: Path, reference: str, env: dict[str, str], why: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_text("x" * 5_000)
    config = load({"api_key": reference.format(folder=tmp_path)}, ONLY_BOX, **env)
    machine = config.machines["my-box"]
    assert machine.api_key is None
    assert why in machine.api_key_problem
    (warning,) = config.warnings
    assert "no key for the machine 'my-box' (endpoints.my-box.api_key)" in warning
    assert why in warning
    assert "refused" in warning
    assert config.missing_machine_keys() != []


def test_keys_are_kept_from_others_and_their_files_are_known(load: Load, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    boxes = {
        "my-box": {"url": URL_OF_BOX, "api_key": "env:BOX_KEY"},
        "filed": {"url": URL_OF_BOX, "api_key": f"file:{tmp_path}/key"},
        "open": {"url": URL_OF_BOX},
    }
    config = load(sections={"endpoints": boxes}, BOX_KEY="another-key-0123456789", COPY=KEY)
    assert set(config.all_key_variables) == {"VAST_API_KEY", "BOX_KEY", "COPY"}
    assert config.key_files == (tmp_path / "key",)
    assert config.machines["filed"].api_key == Secret(KEY)
    assert config.machines["open"].api_key is None
    assert config.missing_machine_keys() == []
