"""What happens to a request to a provider."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.config import Config, Provider, built_in_providers, load_config
from vast_intercept.intercept.decide import Decision, PassOn, decide
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.operations import GENERATING, UNSUPPORTED, Operation
from vast_intercept.relay.call import Answer, Generate

OPENAI = built_in_providers()["openai"]
AZURE = built_in_providers()["azure"]
VAST = built_in_providers()["vast"]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path: Path = tmp_path_factory.mktemp("config") / "vast.yaml"
    path.write_text(
        """
        vast: {endpoint: my-endpoint}
        unsupported: {embeddings: pass, files: pass}
        routes: [{model: "gpt-4*", endpoint: big-one}, {model: named, endpoint: big-one}]
        models: [gpt-3.5-turbo, org/model]
        """
    )
    return load_config(path, {})


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/chat/completions", Generate(Operation.CHAT_COMPLETIONS)),
        ("POST", "/v1/completions?x=y", Generate(Operation.COMPLETIONS)),
        ("POST", "/v1/engines/ada/completions", Generate(Operation.COMPLETIONS, "ada")),
        (
            "POST",
            "//v1/./images/..//chat%2e/../chat/completions/",
            Generate(Operation.CHAT_COMPLETIONS),
        ),
    ],
)
def test_a_generation_goes_to_vast(
    method: str, path: str, expected: Generate, config: Config
) -> None:
    assert decide(config, OPENAI, method, path) == Decision(expected, expected.operation)


def test_the_path_s_model_and_endpoint_come_along(config: Config) -> None:
    path = "/openai/deployments/gpt-4o/chat/completions?api-version=1"
    assert decide(config, AZURE, "POST", path).work == Generate(
        Operation.CHAT_COMPLETIONS, model="gpt-4o"
    )
    assert decide(config, VAST, "POST", "/big-one/v1/completions").work == Generate(
        Operation.COMPLETIONS, endpoint="big-one"
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/secret/v1/chat/completions"),
        ("POST", "/secret/completions"),
        ("POST", "/my-endpoint/../secret/v1/completions"),
        ("POST", "/secre%74/v1/completions"),
        ("GET", "/secret/v1/models/m"),
        ("GET", "/secret/models"),
    ],
)
def test_an_app_may_only_name_an_endpoint_that_the_configuration_names(
    method: str, path: str, config: Config
) -> None:
    work = decide(config, VAST, method, path).work
    assert isinstance(work, ApiError)
    assert (work.status, work.code) == (403, "endpoint_not_allowed")
    assert "'secret'" in work.message
    assert "my-endpoint" not in work.message
    any_of_them = replace(config, any_endpoint=True)
    assert not isinstance(decide(any_of_them, VAST, method, path).work, ApiError)


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "*",
        "/v2",
        "/chat",
        "/v1/../x",
        "/%76%32",
        "/?/v1/models",
    ],
)
def test_outside_of_the_api_a_request_goes_on(method: str, path: str, config: Config) -> None:
    assert decide(config, OPENAI, method, path) == Decision(PassOn.OUTSIDE_API)


STRAY = {
    "/chat/completions": Operation.CHAT_COMPLETIONS,
    "/chat/completions/": Operation.CHAT_COMPLETIONS,
    "//chat//completions?x=y": Operation.CHAT_COMPLETIONS,
    "/completions": Operation.COMPLETIONS,
    "/V1/chat/completions": Operation.CHAT_COMPLETIONS,
    "/v2/chat/completions": Operation.CHAT_COMPLETIONS,
    "/Chat/Completions": Operation.CHAT_COMPLETIONS,
    "/api/v1/chat/completions": Operation.CHAT_COMPLETIONS,
    "/openai/deployments/gpt-4o/chat/completions": Operation.CHAT_COMPLETIONS,
    "/chat%2Fcompletions": Operation.CHAT_COMPLETIONS,
    "/v1%2Fchat%2fcompletions": Operation.CHAT_COMPLETIONS,
    "/v2\\chat\\completions": Operation.CHAT_COMPLETIONS,
    "/v1;x=1/chat/completions;y": Operation.CHAT_COMPLETIONS,
    "/chat/completions%20": Operation.CHAT_COMPLETIONS,
    "/engines/davinci/completions": Operation.COMPLETIONS,
    "/responses": Operation.RESPONSES,
    "/images/generations": Operation.IMAGES,
    "/audio/transcriptions": Operation.AUDIO,
    "/moderations": Operation.MODERATIONS,
    "/threads/runs": Operation.THREADS,
}


@pytest.mark.parametrize(("path", "operation"), STRAY.items(), ids=STRAY.keys())
def test_a_call_outside_of_the_api_is_never_passed_on_by_accident(
    path: str, operation: Operation, config: Config
) -> None:
    decision = decide(config, OPENAI, "POST", path)
    assert decision.operation is operation
    if operation in GENERATING:
        assert decision.work == Generate(operation)
    else:
        assert isinstance(decision.work, ApiError)
        assert decision.work.code == "unsupported_endpoint"
    # The same words as another method refuse, or ask a browser's question.
    for method in ("PUT", "post", "BREW"):
        assert isinstance(decide(config, OPENAI, method, path).work, ApiError)
    asked = {"access-control-request-method": "POST"}
    answer = decide(config, OPENAI, "OPTIONS", path, asked).work
    assert isinstance(answer, Answer)
    assert answer.status == 204
    # Without a body there is no prompt, and it may be a page.
    if not path.startswith("/V1/"):  # which is the API
        assert decide(config, OPENAI, "GET", path).work is PassOn.OUTSIDE_API


def test_a_websocket_outside_of_the_api_is_refused(config: Config) -> None:
    upgrade = {"upgrade": "websocket"}
    work = decide(config, OPENAI, "GET", "/realtime?model=m", upgrade).work
    assert isinstance(work, ApiError)
    assert decide(config, OPENAI, "GET", "/realtime?model=m").work is PassOn.OUTSIDE_API


def test_outside_of_the_api_the_configuration_lets_calls_go_as_well(config: Config) -> None:
    assert decide(config, OPENAI, "POST", "/embeddings").work is PassOn.IN_API


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/OpenAI/Deployments/GPT-4o/chat/completions", "GPT-4o"),
        ("/openai/deployments/gpt-4o/chat/completions/", "gpt-4o"),
        ("/deployments/gpt-4o/chat/completions", None),
        ("/v1/chat/completions", None),
        ("/chat/completions", None),
    ],
)
def test_azure_s_paths_with_other_prefixes(path: str, model: str | None, config: Config) -> None:
    work = decide(config, AZURE, "POST", path).work
    assert work == Generate(Operation.CHAT_COMPLETIONS, model=model)


@pytest.mark.parametrize("path", ["/api/models", "/account/organization", "/chat", "/login"])
def test_pages_of_a_provider_s_host_are_left_alone(path: str, config: Config) -> None:
    assert decide(config, built_in_providers()["openrouter"], "POST", path).work is (
        PassOn.OUTSIDE_API
    )


SAMPLES = {
    operation: {
        Operation.STORED_COMPLETIONS: ("GET", "/v1/chat/completions"),
        Operation.OTHER: ("POST", "/v1/no/such/thing"),
    }.get(operation, ("POST", f"/v1/{operation}/x"))
    for operation in UNSUPPORTED
}


@pytest.mark.parametrize("operation", UNSUPPORTED, ids=str)
def test_what_vast_does_not_serve_is_refused_or_passed_on(
    operation: Operation, config: Config, tmp_path: Path
) -> None:
    method, path = SAMPLES[operation]
    passing = operation in {Operation.EMBEDDINGS, Operation.FILES}
    decision = decide(config, OPENAI, method, path + "?key=secret")
    assert decision.operation is operation
    if passing:
        assert decision.work is PassOn.IN_API
        return
    error = decision.work
    assert isinstance(error, ApiError)
    assert (error.status, error.type, error.code, error.retry) == (
        404,
        "invalid_request_error",
        "unsupported_endpoint",
        False,
    )
    assert f"{method} {path} " in error.message
    assert "secret" not in error.message
    # What the message says to do helps.
    advice = error.message.split("`")[1]
    (tmp_path / "vast.yaml").write_text(advice)
    advised = load_config(tmp_path / "vast.yaml", {})
    assert decide(advised, OPENAI, method, path).work is PassOn.IN_API


@pytest.mark.parametrize("key", ["", "anything", "sk-no-key", "vast-" + "0123456789abcdef" * 4])
def test_a_call_is_not_to_be_passed_on_with_what_is_no_key(key: str, config: Config) -> None:
    work = decide(config, OPENAI, "POST", "/v1/images/generations", key=key).work
    assert isinstance(work, ApiError)
    assert "openai would refuse these calls, too: the app has no key for it." in work.message
    assert "unsupported:" not in work.message


@pytest.mark.parametrize(
    ("provider", "key"),
    [(OPENAI, "sk-" + "x" * 48), (OPENAI, "sk-proj-" + "x" * 100), (AZURE, "0123456789abcdef" * 2)],
)
def test_a_call_may_be_passed_on_with_what_looks_like_a_key(
    provider: Provider, key: str, tmp_path: Path
) -> None:
    (tmp_path / "vast.yaml").write_text("providers: [openai, azure]")
    config = load_config(tmp_path / "vast.yaml", {})
    path = "/openai/v1/images/edits" if provider is AZURE else "/v1/images/edits"
    work = decide(config, provider, "POST", path, key=key).work
    assert isinstance(work, ApiError)
    assert "unsupported: {images: pass}" in work.message


def test_a_websocket_of_the_realtime_api_is_refused(config: Config) -> None:
    work = decide(config, OPENAI, "GET", "/v1/realtime?model=gpt-4o-realtime-preview").work
    assert isinstance(work, ApiError)
    assert work.code == "unsupported_endpoint"


def test_pass_for_all_passes_all(tmp_path: Path) -> None:
    (tmp_path / "vast.yaml").write_text("unsupported: pass")
    config = load_config(tmp_path / "vast.yaml", {})
    for operation, (method, path) in SAMPLES.items():
        assert decide(config, OPENAI, method, path) == Decision(PassOn.IN_API, operation)
    assert isinstance(decide(config, OPENAI, "POST", "/v1/chat/completions").work, Generate)
    assert isinstance(decide(config, OPENAI, "GET", "/v1/models").work, Answer)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/images/generations", "/v1/files"])
def test_a_cors_preflight_is_answered(path: str, config: Config) -> None:
    """https://fetch.spec.whatwg.org/#cors-preflight-fetch, what a browser checks."""
    asked = "authorization,content-type,x-stainless-lang"
    decision = decide(config, OPENAI, "OPTIONS", path, {"access-control-request-headers": asked})
    answer = decision.work
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body, decision.operation) == (204, b"", None)
    headers = answer.headers
    assert headers["access-control-allow-origin"] == "*"
    # "*" does not cover authorization: the names have to be given.
    assert headers["access-control-allow-headers"] == asked
    assert "POST" in headers["access-control-allow-methods"].split(", ")
    assert int(headers["access-control-max-age"]) > 0
    plain = decide(config, OPENAI, "OPTIONS", path).work
    assert isinstance(plain, Answer)
    assert "authorization" in plain.headers["access-control-allow-headers"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_models_are_listed(method: str, config: Config) -> None:
    decision = decide(config, OPENAI, method, "/v1/models/")
    assert decision.operation is Operation.MODELS
    assert isinstance(decision.work, Answer)
    assert decision.work.status == 200
    assert decision.work.headers["content-type"] == "application/json"
    body = json.loads(decision.work.body)
    assert body["object"] == "list"
    assert [model["id"] for model in body["data"]] == [
        "gpt-3.5-turbo",
        "org/model",
        "named",
        "big-one",
        "my-endpoint",
    ]
    for model in body["data"]:
        assert set(model) == {"id", "object", "created", "owned_by"}
        assert model["object"] == "model"
        assert type(model["created"]) is int


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("models/gpt-3.5-turbo", "gpt-3.5-turbo"),
        ("models/org/model", "org/model"),
        ("models/org%2Fmodel", "org/model"),
        ("models/gpt-4-anything", "gpt-4-anything"),
        ("engines/big-one", "big-one"),
    ],
)
def test_a_model_that_is_known_is_there(path: str, model: str, config: Config) -> None:
    work = decide(config, OPENAI, "GET", f"/v1/{path}").work
    assert isinstance(work, Answer)
    assert json.loads(work.body)["id"] == model


UNKNOWN = ["gpt-5", "GPT-4o", "a/b", "na'me\"", "%F0%9F%90%8E", "%00", "x" * 9_000, "\udcff"]


@pytest.mark.parametrize("model", UNKNOWN)
def test_a_model_whose_calls_are_served_is_there(model: str, config: Config) -> None:
    for provider, path in ((OPENAI, "/v1/models"), (VAST, "/big-one/v1/models")):
        work = decide(config, provider, "GET", f"{path}/{model}").work
        assert isinstance(work, Answer)
        assert json.loads(work.body)["object"] == "model"


@pytest.mark.parametrize("model", UNKNOWN)
def test_a_model_whose_calls_are_not_served_is_not(model: str, config: Config) -> None:
    work = decide(replace(config, endpoint=None), OPENAI, "GET", f"/v1/models/{model}").work
    assert isinstance(work, ApiError)
    assert (work.status, work.code, work.param) == (404, "model_not_found", "model")
    json.loads(work.body())


@given(st.text(), st.binary(), st.text())
def test_any_request_gets_a_decision_that_can_be_sent(method: str, raw: bytes, asked: str) -> None:
    config = load_config(None, {})
    path = raw.decode("utf-8", "surrogateescape")  # as mitmproxy gives it
    for provider in built_in_providers().values():
        for prefix in ("/", "/v1/", "/v1/models/", "/openai/deployments/"):
            decision = decide(config, provider, method, prefix + path, asked)
            if isinstance(decision.work, ApiError):
                json.loads(decision.work.body())
                str(decision.work).encode()
