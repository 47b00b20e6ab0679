"""What the check's own calls are, for interceptors and configurations of all kinds."""

from typing import Any

import pytest
from msgspec.structs import replace

from vast_intercept.config import ConfigFile, OwnProvider, Route, load_config
from vast_intercept.config.config import defaults
from vast_intercept.config.endpoints import read_endpoints
from vast_intercept.config.file import EndpointSection
from vast_intercept.diagnosis.findings import NotApplicable
from vast_intercept.diagnosis.target import chat_model, chat_url, door_of, model_for
from vast_intercept.status import Status, Tally


def status(**changes: Any) -> Status:
    usual: dict[str, Any] = {
        "version": "1",
        "pid": 1,
        "modes": ["regular"],
        "listening": [("127.0.0.1", 8080)],
        "ca_file": "/ca.pem",
        "config": "the defaults",
        "problem": "",
        "provider_hosts": ["api.openai.com", "*.api.openai.com"],
        "provider_ports": [80, 443],
        "tally": Tally(),
    }
    return Status(**(usual | changes))


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        (["api.openai.com"], "https://api.openai.com/v1/chat/completions"),
        (["*.openai.azure.com", "api.groq.com"], "https://api.groq.com/openai/v1/chat/completions"),
        (
            ["*.openai.azure.com"],
            "https://check.openai.azure.com/openai/deployments/check/chat/completions",
        ),
        (["openai.vast.ai"], "https://openai.vast.ai/mine/v1/chat/completions"),
        (["unknown.example"], "https://unknown.example/v1/chat/completions"),
        ([], None),
    ],
)
def test_the_first_provider_is_called(hosts: list[str], url: str | None) -> None:
    config = load_config(None, {}, endpoint="mine")
    assert chat_url(status(provider_hosts=hosts), config, ConfigFile(), 8080) == url


def test_a_provider_of_ones_own_is_called_as_it_is() -> None:
    own = OwnProvider(name="lab", host="::1", port=8000, scheme="http")
    file = ConfigFile(providers=[own])
    url = chat_url(status(provider_hosts=["::1"]), defaults(), file, 8080)
    assert url == "http://[::1]:8000/v1/chat/completions"


@pytest.mark.parametrize(
    ("modes", "port", "is_proxy", "is_reverse"),
    [
        (["regular"], 8080, True, False),
        (["upstream:http://proxy.example:3128"], 8080, True, False),
        (["reverse:https://api.openai.com"], 8080, False, True),
        (["transparent"], 8080, False, False),
        (["regular", "reverse:https://api.groq.com@8081"], 8081, False, True),
        (["regular@9000", "socks5@127.0.0.1:8081"], 8081, False, False),
    ],
)
def test_a_mode_is_a_way_in(modes: list[str], port: int, is_proxy: bool, is_reverse: bool) -> None:
    door = door_of(status(modes=modes), port)
    assert (door.is_proxy, door.is_reverse) == (is_proxy, is_reverse)


@pytest.mark.parametrize(
    "mode", ["reverse:https://api.groq.com", "reverse:https://api.groq.com@8080"]
)
def test_the_provider_behind_a_reverse_proxy_is_the_one(mode: str) -> None:
    hosts = ["api.openai.com", "api.groq.com"]
    told = status(provider_hosts=hosts, modes=[mode])
    url = chat_url(told, defaults(), ConfigFile(), 8080)
    assert url == "https://api.groq.com/openai/v1/chat/completions"


@pytest.mark.parametrize(
    ("endpoint", "patterns", "model"),
    [
        ("mine", ["gpt-4*"], "check"),
        (None, ["gpt-4*"], "gpt-4"),
        (None, ["o?", "*"], "check"),
        (None, ["[a-c]-*", "o?"], "ox"),
        (None, [], "check"),
    ],
)
def test_the_model_has_somewhere_to_go(
    endpoint: str | None, patterns: list[str], model: str
) -> None:
    routes = tuple(Route(model=pattern, endpoint="other") for pattern in patterns)
    assert model_for(replace(defaults(), endpoint=endpoint, routes=routes)) == model


def test_endpoints_that_do_not_chat_are_asked_for_no_chat() -> None:
    file = {"embedder": EndpointSection(serves=["embeddings"])}
    config = replace(defaults(), known_endpoints=read_endpoints(file, {}, serverless=True))
    with pytest.raises(NotApplicable, match="chat completions"):
        chat_model(config)
    assert chat_model(replace(config, endpoint="my-endpoint")) == "check"
    # With none at all, the interceptor may have one of its own.
    assert chat_model(defaults()) == "check"
