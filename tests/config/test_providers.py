"""Which requests are for a provider's API, and where in the path it starts."""

import re
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from vast_intercept.config import ApiPath, Provider, built_in_providers, find_provider, load_config
from vast_intercept.config.providers import own_provider
from vast_intercept.intercept.verdict import Asked, Origin, PassOn, Policy, judge
from vast_intercept.openai_api.operations import Operation, normalize_path
from vast_intercept.relay.work import ToVast

BUILT_IN = built_in_providers()
CONFIG = replace(load_config(None, {}), any_endpoint=True)

CHAT, TEXT = Operation.CHAT_COMPLETIONS, Operation.COMPLETIONS

# Real URLs: provider, host, path of a POST, and what it is (None: outside of the API).
URLS: list[tuple[str, str, str, ToVast | Operation | None]] = [
    ("openai", "api.openai.com", "/v1/chat/completions", ToVast(CHAT)),
    ("openai", "eu.api.openai.com", "/v1/chat/completions", ToVast(CHAT)),
    ("openai", "us.api.openai.com", "/v1/completions", ToVast(TEXT)),
    ("openai", "api.openai.com", "/v1/responses", ToVast(Operation.RESPONSES)),
    ("anthropic", "api.anthropic.com", "/v1/messages", ToVast(Operation.MESSAGES)),
    ("anthropic", "api.anthropic.com", "/v1/messages/batches", Operation.BATCHES),
    ("openai", "api.openai.com", "/v1/messages", Operation.OTHER),
    ("openai", "api.openai.com", "/v1/engines/davinci/completions", ToVast(TEXT, "davinci")),
    ("openai", "api.openai.com", "/v1/embeddings", Operation.EMBEDDINGS),
    ("openai", "api.openai.com", "/v1", Operation.OTHER),
    ("openai", "api.openai.com", "/v2/chat/completions", ToVast(CHAT)),
    ("openai", "api.openai.com", "/v1beta/chat/completions", ToVast(CHAT)),
    ("openai", "api.openai.com", "/", None),
    ("openai", "api.openai.com", "/dashboard/billing/usage", None),
    (
        "azure",
        "contoso.openai.azure.com",
        "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
        ToVast(CHAT, "gpt-4o"),
    ),
    (
        "azure",
        "contoso.openai.azure.com",
        "/openai/deployments/my%20dep/completions?api-version=2024-10-21",
        ToVast(TEXT, "my dep"),
    ),
    (
        "azure",
        "contoso.openai.azure.com",
        "/openai/deployments/dalle/images/generations?api-version=2024-10-21",
        Operation.IMAGES,
    ),
    ("azure", "contoso.openai.azure.com", "/openai/v1/chat/completions", ToVast(CHAT)),
    ("azure", "contoso.openai.azure.com", "/openai/realtime?deployment=x", Operation.REALTIME),
    ("azure", "contoso.openai.azure.com", "/openai/responses", Operation.RESPONSES),
    ("azure", "a.cognitiveservices.azure.com", "/openai/v1/chat/completions", ToVast(CHAT)),
    ("azure", "a.services.ai.azure.com", "/models/chat/completions", ToVast(CHAT)),
    ("azure", "a.services.ai.azure.com", "/models/embeddings", Operation.EMBEDDINGS),
    ("azure", "a.cognitiveservices.azure.com", "/vision/v3.2/analyze", None),
    ("together", "api.together.xyz", "/v1/chat/completions", ToVast(CHAT)),
    ("together", "api.together.ai", "/v1/rerank", Operation.RERANK),
    ("anyscale", "api.endpoints.anyscale.com", "/v1/chat/completions", ToVast(CHAT)),
    ("fireworks", "api.fireworks.ai", "/inference/v1/chat/completions", ToVast(CHAT)),
    ("fireworks", "api.fireworks.ai", "/v1/accounts/x/models", None),
    ("groq", "api.groq.com", "/openai/v1/chat/completions", ToVast(CHAT)),
    ("groq", "api.groq.com", "/openai/v1/audio/transcriptions", Operation.AUDIO),
    ("mistral", "api.mistral.ai", "/v1/chat/completions", ToVast(CHAT)),
    ("mistral", "api.mistral.ai", "/v1/fim/completions", Operation.OTHER),
    ("deepseek", "api.deepseek.com", "/chat/completions", ToVast(CHAT)),
    ("deepseek", "api.deepseek.com", "/v1/chat/completions", ToVast(CHAT)),
    ("deepseek", "api.deepseek.com", "/beta/completions", ToVast(TEXT)),
    ("openrouter", "openrouter.ai", "/api/v1/chat/completions", ToVast(CHAT)),
    ("openrouter", "openrouter.ai", "/docs", None),
    ("openrouter", "openrouter.ai", "/api/frontend/models", None),
    ("perplexity", "api.perplexity.ai", "/chat/completions", ToVast(CHAT)),
    ("perplexity", "api.perplexity.ai", "/search", Operation.OTHER),
    ("xai", "api.x.ai", "/v1/chat/completions", ToVast(CHAT)),
    ("xai", "us-east-1.api.x.ai", "/v1/images/generations", Operation.IMAGES),
    ("cerebras", "api.cerebras.ai", "/v1/chat/completions", ToVast(CHAT)),
    ("deepinfra", "api.deepinfra.com", "/v1/openai/chat/completions", ToVast(CHAT)),
    ("deepinfra", "api.deepinfra.com", "/v1/inference/some/model", None),
    ("huggingface", "router.huggingface.co", "/v1/chat/completions", ToVast(CHAT)),
    ("huggingface", "router.huggingface.co", "/together/v1/chat/completions", ToVast(CHAT)),
    (
        "huggingface",
        "router.huggingface.co",
        "/groq/openai/v1/chat/completions",
        ToVast(CHAT),
    ),
    (
        "huggingface",
        "router.huggingface.co",
        "/hf-inference/models/gpt2/v1/chat/completions",
        ToVast(CHAT, "gpt2"),
    ),
    # The model has two segments here; the body names it too.
    (
        "huggingface",
        "router.huggingface.co",
        "/hf-inference/models/meta-llama/Llama-3.1-8B-Instruct/v1/chat/completions",
        ToVast(CHAT),
    ),
    ("huggingface", "router.huggingface.co", "/hf-inference/models/bert", None),
    ("nvidia", "integrate.api.nvidia.com", "/v1/chat/completions", ToVast(CHAT)),
    (
        "gemini",
        "generativelanguage.googleapis.com",
        "/v1beta/openai/chat/completions",
        ToVast(CHAT),
    ),
    (
        "gemini",
        "generativelanguage.googleapis.com",
        "/v1beta/models/gemini-2.0-flash:generateContent?key=x",
        None,
    ),
    ("anthropic", "api.anthropic.com", "/v1/messages", ToVast(Operation.MESSAGES)),
    ("vast", "openai.vast.ai", "/my-ep/v1/chat/completions", ToVast(CHAT, None, "my-ep")),
    ("vast", "openai.vast.ai", "/my-ep/chat/completions", ToVast(CHAT, None, "my-ep")),
    ("vast", "openai.vast.ai", "/my%20ep/v1/completions", ToVast(TEXT, None, "my ep")),
    ("vast", "openai.vast.ai", "/", None),
]


@pytest.mark.parametrize(
    ("name", "host", "path", "expected"), URLS, ids=[f"{host}{path}" for _, host, path, _ in URLS]
)
def test_a_url_is(name: str, host: str, path: str, expected: ToVast | Operation | None) -> None:
    provider = find_provider(BUILT_IN.values(), host, 443)
    assert provider
    assert provider.name == name
    asked = Asked(
        origin=Origin.LIVE, method="POST", place=("https", host, 443, path), provider=provider
    )
    verdict = judge(asked, Policy(config=CONFIG))
    if expected is None:
        assert verdict == PassOn()
    elif isinstance(expected, ToVast):
        assert verdict == expected
    else:
        assert verdict.operation is expected


def test_every_built_in_provider_is_in_the_table() -> None:
    assert {name for name, *_ in URLS} == set(BUILT_IN)


def test_a_host_belongs_to_one_provider() -> None:
    for one, other in combinations(BUILT_IN.values(), 2):
        for host in (*one.hosts, *other.hosts):
            example = host.replace("*", "some.name")
            assert not (one.serves(example, 443) and other.serves(example, 443))


def test_all_built_in_providers_can_be_taken_together(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "vast.yaml"
    path.write_text(f"providers: [{', '.join(BUILT_IN)}]")
    assert {provider.name for provider in load_config(path, {}).providers} == set(BUILT_IN)


LOOK_ALIKES = [
    "api.openai.com.evil.com",
    "xapi.openai.com",
    "api-openai.com",
    "api.openai.com-evil.com",
    "apixopenai.com",
    "openai.com",
    "evil.com/api.openai.com",
    "evil.com?.api.openai.com",
    "evil.com#.api.openai.com",
    "evil@api.openai.com",
    ".api.openai.com",
    "api.openai.com..",
    "api.openai.com\n",
    "",
]


@pytest.mark.parametrize("host", LOOK_ALIKES, ids=repr)
def test_a_host_that_only_looks_alike_is_not_served(host: str) -> None:
    provider = BUILT_IN["openai"]
    assert not provider.serves(host, 443)
    assert not any(re.search(regex, f"{host}:443") for regex in provider.host_regexes())


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_dot_of_a_host_is_a_dot(name: str) -> None:
    provider = BUILT_IN[name]
    for host in provider.hosts:
        tail = host.removeprefix("*.")
        for at in (index for index, character in enumerate(tail) if character == "."):
            wrong = f"a.{tail[:at]}x{tail[at + 1 :]}"
            assert not provider.serves(wrong, 443)
            assert not provider.serves(wrong.removeprefix("a."), 443)


@pytest.mark.parametrize(
    "host",
    [
        "API.OpenAI.com",
        "api.openai.com.",
        "eu.api.openai.com",
        "EU.API.OPENAI.COM",
        "a-b.c.api.openai.com.",
    ],
)
@pytest.mark.parametrize(
    ("port", "served"), [(443, True), (80, True), (8443, False), (44, False), (4430, False)]
)
def test_a_host_is_served_however_it_is_written(host: str, port: int, served: bool) -> None:
    provider = BUILT_IN["openai"]
    assert provider.serves(host, port) == served
    assert taken_over(provider, f"{host}:{port}") == served


def taken_over(provider: Provider, host_and_port: str) -> bool:
    """As mitmproxy's next_layer addon does it."""
    return any(re.search(regex, host_and_port, re.IGNORECASE) for regex in provider.host_regexes())


LABELS = st.text("abAB01-_.", max_size=6)


@given(st.data())
def test_what_is_taken_over_is_what_is_served(data: st.DataObject) -> None:
    provider = data.draw(st.sampled_from(sorted(BUILT_IN.values(), key=lambda one: one.name)))
    name = data.draw(st.sampled_from(provider.hosts)).replace("*", data.draw(LABELS))
    at = data.draw(st.integers(0, len(name)))
    cut = data.draw(st.sampled_from([0, 0, 1]))
    host = name[:at] + data.draw(st.just("") | LABELS) + name[at + cut :]
    port = data.draw(st.sampled_from([443, 80, 4433, 8443, 3]))
    assert taken_over(provider, f"{host}:{port}") == provider.serves(host, port)
    if provider.serves(host, port):
        tails = [pattern.removeprefix("*").lower() for pattern in provider.hosts]
        assert any(host.lower().removesuffix(".").endswith(tail) for tail in tails)


OWN = {
    "a name": ("vllm.internal", None, "https", ["vllm.internal", "VLLM.internal."], 443),
    "a name over HTTP": ("vllm", None, "http", ["vllm"], 80),
    "an IPv4 address": ("10.0.0.5", 8000, "http", ["10.0.0.5"], 8000),
    "an IPv6 address": ("fe80::1", 8000, "http", ["fe80::1", "FE80::1"], 8000),
    "an IPv6 address in brackets": ("[::1]", 8000, "http", ["::1"], 8000),
}


@pytest.mark.parametrize(
    ("host", "port", "scheme", "hosts", "served"), OWN.values(), ids=OWN.keys()
)
def test_a_provider_of_one_s_own_may_have(
    host: str, port: int | None, scheme: str, hosts: list[str], served: int
) -> None:
    provider = own_provider("own", host, port, "/v1", scheme)  # type: ignore[arg-type]
    for one in hosts:
        assert provider.serves(one, served)
        assert taken_over(provider, f"{one}:{served}")
        assert not provider.serves(one, served + 1)
        assert not taken_over(provider, f"{one}:{served + 1}")
    assert not provider.serves("10x0.0.5", served)


@pytest.mark.parametrize(
    ("prefix", "path", "segments"),
    [
        ("/v1", "/v1/models", ("models",)),
        ("v1/", "/v1/models", ("models",)),
        ("/", "/v1/models", ("v1", "models")),
        ("", "/models", ("models",)),
        ("/a/b", "/a/b/c", ("c",)),
        ("/a/b", "/a", None),
        ("/v1", "/v1x/models", None),
        ("/v1", "/V1/models", ("models",)),
    ],
)
def test_an_api_starts_behind_its_prefix(
    prefix: str, path: str, segments: tuple[str, ...] | None
) -> None:
    found = own_provider("own", "h", None, prefix, "https").find_api(normalize_path(path))
    assert found == (None if segments is None else ApiPath(segments))


def test_the_first_host_that_is_a_provider_s_counts() -> None:
    both = [BUILT_IN["openai"], BUILT_IN["groq"]]
    assert find_provider(both, "api.groq.com", 443) is BUILT_IN["groq"]
    assert find_provider(both, "example.com", 443) is None
    assert find_provider(both, "", 443) is None
    assert find_provider([], "api.openai.com", 443) is None


@given(st.text(), st.integers(0, 65535), st.text())
def test_any_host_and_path_is_looked_at(host: str, port: int, path: str) -> None:
    for provider in BUILT_IN.values():
        provider.serves(host, port)
        provider.find_api(normalize_path(path))
