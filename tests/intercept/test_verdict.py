"""What happens to a request: the policy, line by line, and what each path is."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from vast_intercept.config import Config, Endpoint, Provider, Route, built_in_providers, load_config
from vast_intercept.config.file import Unsupported
from vast_intercept.intercept import verdict
from vast_intercept.intercept.clients import Client
from vast_intercept.intercept.verdict import (
    Asked,
    LeaveAlone,
    Origin,
    PassOn,
    Policy,
    RefuseAtOnce,
    Verdict,
    judge,
)
from vast_intercept.openai_api.errors import bad_request
from vast_intercept.openai_api.operations import DROPPED, GENERATING, LISTED, UNSERVED, Operation
from vast_intercept.relay.work import (
    AnswerHere,
    CountTokens,
    Refuse,
    StoredAction,
    StoredResponse,
    ToProvider,
    ToVast,
)

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


KEY = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz"


def judged(
    config: Config,
    provider: Provider,
    method: str,
    path: str,
    headers: Mapping[str, str] = MappingProxyType({}),
    *,
    key: str = KEY,
) -> Verdict:
    """What happens to a call that an app with that key makes just now."""
    fields = {"authorization": f"Bearer {key}"} | headers
    asked = Asked(
        origin=Origin.LIVE,
        method=method,
        place=("https", "host.example", 443, path),
        headers=tuple(
            (name.encode(), value.encode(errors="surrogatepass")) for name, value in fields.items()
        ),
        provider=provider,
    )
    return judge(asked, Policy(config=config))


# --- the table, from its top --------------------------------------------------------------------

CHAT = "/v1/chat/completions"
IMAGES = "/v1/images/generations"
TRACES = "/v1/traces/ingest"
IMAGES_AT_OPENAI = "https", "api.openai.com", 443, IMAGES
RESPONSE = "/v1/responses/resp_1"
EMBEDDINGS = "/v1/embeddings"  # which is passed on
SPEECH = "/v1/audio/speech"
IS_CHAT, IS_IMAGES = Operation.CHAT_COMPLETIONS, Operation.IMAGES
EMBEDDER = {"embedder": Endpoint(name="embedder", serves=frozenset({Operation.EMBEDDINGS}))}
SPEAKER = {"speaker": Endpoint(name="speaker", serves=frozenset({Operation.AUDIO_SPEECH}))}
MISDIRECTED = bad_request("Not here.", "misdirected_request", status=421)
STRANGER = Client(shown_key="***1234", may_call=False)
MANY_KEYS = tuple((b"x-key-%d" % number, b"of-its-own-%d" % number) for number in range(17))
UNREADABLE = "vast.yaml cannot be read."


def refused(code: str, status: int, operation: Operation | None = IS_CHAT) -> tuple[object, ...]:
    return Refuse, status, code, operation


#: What is asked (for the rest: a live chat completion), the policy, and the verdict. Each line also
#: has what the lines below it are about, to show that it comes first.
TABLE: dict[str, tuple[dict[str, Any], dict[str, Any], object]] = {
    "another host": (
        {"provider": None, "host_problem": MISDIRECTED},
        {"problem": UNREADABLE},
        LeaveAlone(),
    ),
    "another host by an edit": ({"provider": None, "origin": Origin.EDITED}, {}, LeaveAlone()),
    "another host by an edit, of a client that is not listed": (
        {"provider": None, "origin": Origin.EDITED, "client": STRANGER},
        {},
        refused("invalid_api_key", 401, None),
    ),
    "another host by an edit, without a valid configuration": (
        {"provider": None, "origin": Origin.EDITED_AT_RELAY, "client": STRANGER},
        {"problem": UNREADABLE},
        refused("configuration_invalid", 500, None),
    ),
    "another host by an edit, with keys": (
        {"provider": None, "origin": Origin.EDITED_WITH_KEYS},
        {},
        LeaveAlone(),
    ),
    "another host by an edit, too late": (
        {"provider": None, "origin": Origin.EDITED_AT_RELAY},
        {},
        refused("edited_call_not_served", 400, None),
    ),
    "loaded from a file": (
        {"origin": Origin.FILE, "host_problem": MISDIRECTED, "client": STRANGER},
        {"problem": UNREADABLE},
        LeaveAlone(IS_CHAT),
    ),
    "no room": (
        {"host_problem": MISDIRECTED, "client": STRANGER},
        {"has_room": False, "problem": UNREADABLE},
        (RefuseAtOnce, 503, "interceptor_overloaded", IS_CHAT),
    ),
    "no room to pass on": (
        {"path": "/about", "method": "GET"},
        {"has_room": False},
        (RefuseAtOnce, 503, "interceptor_overloaded", None),
    ),
    "misdirected": (
        {"host_problem": MISDIRECTED, "client": STRANGER, "headers": MANY_KEYS},
        {"problem": UNREADABLE, "falls_back": True},
        refused("misdirected_request", 421),
    ),
    "a header that names no host": (
        {"host_problem": bad_request("No host.", "invalid_host")},
        {},
        refused("invalid_host", 400),
    ),
    "misdirected outside of the API": (
        {"host_problem": MISDIRECTED, "path": "/about", "method": "GET"},
        {},
        refused("misdirected_request", 421, None),
    ),
    "too many keys for a fallback": (
        {"client": STRANGER, "headers": MANY_KEYS},
        {"problem": UNREADABLE, "falls_back": True},
        refused("request_too_complex", 400),
    ),
    "many keys for Vast alone": ({"headers": MANY_KEYS}, {}, ToVast(IS_CHAT)),
    "too many keys to pass on": (
        {"headers": MANY_KEYS, "path": EMBEDDINGS},
        {},
        refused("request_too_complex", 400, Operation.EMBEDDINGS),
    ),
    "too many keys outside of the API": (
        {"headers": MANY_KEYS, "path": "/about"},
        {},
        refused("request_too_complex", 400, None),
    ),
    "as many keys as an app may send": (
        {"headers": MANY_KEYS[1:], "path": EMBEDDINGS},
        {},
        PassOn(Operation.EMBEDDINGS),
    ),
    "outside of the API": (
        {"path": "/about", "client": STRANGER},
        {"problem": UNREADABLE},
        PassOn(),
    ),
    "a preflight": (
        {"method": "OPTIONS", "client": STRANGER},
        {"problem": UNREADABLE},
        (AnswerHere, 204, None, None),
    ),
    "no valid configuration": (
        {"client": STRANGER},
        {"problem": UNREADABLE},
        refused("configuration_invalid", 500),
    ),
    "no valid configuration to pass on by": (
        {"path": EMBEDDINGS, "headers": MANY_KEYS},
        {"problem": UNREADABLE},
        refused("configuration_invalid", 500, Operation.EMBEDDINGS),
    ),
    "a client that is not listed": ({"client": STRANGER}, {}, refused("invalid_api_key", 401)),
    "a client that is not listed, to be passed on": (
        {"client": STRANGER, "path": EMBEDDINGS, "headers": MANY_KEYS},
        {},
        refused("invalid_api_key", 401, Operation.EMBEDDINGS),
    ),
    "a client that is not listed asks for models": (
        {"client": STRANGER, "path": "/v1/models", "method": "GET"},
        {},
        refused("invalid_api_key", 401, Operation.MODELS),
    ),
    "a client that is listed": ({"client": Client("billing")}, {}, ToVast(IS_CHAT)),
    "an endpoint of somebody else's": (
        {"path": "/secret/v1/chat/completions", "provider": VAST},
        {},
        refused("endpoint_not_allowed", 403),
    ),
    "a replay": ({"origin": Origin.REPLAYED}, {"key_problem": "unset"}, ToVast(IS_CHAT)),
    "a replay for the provider": (
        {"origin": Origin.REPLAYED_FOR_PROVIDER},
        {},
        ToProvider(IS_CHAT),
    ),
    "a replay for the provider, without a key": (
        {"origin": Origin.REPLAYED_FOR_PROVIDER},
        {"key_problem": "It is not set."},
        refused("provider_key_missing", 500),
    ),
    "a replay for the provider of what it may not get": (
        {"origin": Origin.REPLAYED_FOR_PROVIDER, "path": IMAGES},
        {"key_problem": "It is not set."},
        refused("unsupported_endpoint", 404, IS_IMAGES),
    ),
    "a completion": ({}, {}, ToVast(IS_CHAT)),
    "edited into a completion": ({"origin": Origin.EDITED}, {}, ToVast(IS_CHAT)),
    "edited into a completion, with keys": (
        {"origin": Origin.EDITED_WITH_KEYS},
        {"falls_back": True},
        ToVast(IS_CHAT),
    ),
    "edited into a completion, too late": (
        {"origin": Origin.EDITED_AT_RELAY},
        {},
        refused("edited_call_not_served", 400),
    ),
    "edited by a client that is not listed": (
        {"origin": Origin.EDITED_WITH_KEYS, "client": STRANGER},
        {},
        refused("invalid_api_key", 401),
    ),
    "edited without a valid configuration": (
        {"origin": Origin.EDITED},
        {"problem": UNREADABLE},
        refused("configuration_invalid", 500),
    ),
    "served by an endpoint, although it would be passed on": (
        {"path": EMBEDDINGS},
        {"endpoints": EMBEDDER},
        ToVast(Operation.EMBEDDINGS),
    ),
    "served by an endpoint, and loaded from a file": (
        {"path": SPEECH, "origin": Origin.FILE},
        {"endpoints": SPEAKER},
        LeaveAlone(Operation.AUDIO_SPEECH),
    ),
    "served by an endpoint, and replayed for its provider": (
        {"path": SPEECH, "origin": Origin.REPLAYED_FOR_PROVIDER},
        {"endpoints": SPEAKER},
        ToProvider(Operation.AUDIO_SPEECH),
    ),
    "edited into what an endpoint serves, too late": (
        {"path": SPEECH, "origin": Origin.EDITED_AT_RELAY},
        {"endpoints": SPEAKER},
        refused("edited_call_not_served", 400, Operation.AUDIO_SPEECH),
    ),
    "served by no endpoint": (
        {"path": SPEECH},
        {"endpoints": EMBEDDER},
        refused("unsupported_endpoint", 404, Operation.AUDIO),
    ),
    "served by an endpoint, but asked with another method": (
        {"path": SPEECH, "method": "GET"},
        {"endpoints": SPEAKER},
        refused("unsupported_endpoint", 404, Operation.AUDIO),
    ),
    "models": (
        {"path": "/v1/models", "method": "GET"},
        {},
        (AnswerHere, 200, None, Operation.MODELS),
    ),
    "edited into a question for models, too late": (
        {"path": "/v1/models", "method": "GET", "origin": Origin.EDITED_AT_RELAY},
        {},
        (AnswerHere, 200, None, Operation.MODELS),
    ),
    "a model whose calls are not served": (
        {"path": "/v1/models/gpt-5", "method": "GET"},
        {"endpoint": None},
        refused("model_not_found", 404, Operation.MODELS),
    ),
    "passed on": ({"path": EMBEDDINGS}, {}, PassOn(Operation.EMBEDDINGS)),
    "a replay is passed on": (
        {"path": EMBEDDINGS, "origin": Origin.REPLAYED},
        {},
        PassOn(Operation.EMBEDDINGS),
    ),
    "edited, and passed on with keys": (
        {"path": EMBEDDINGS, "origin": Origin.EDITED_WITH_KEYS, "headers": MANY_KEYS},
        {},
        PassOn(Operation.EMBEDDINGS),
    ),
    "edited into what would be passed on": (
        {"path": EMBEDDINGS, "origin": Origin.EDITED},
        {},
        refused("edited_call_not_served", 400, Operation.EMBEDDINGS),
    ),
    "edited into what is outside of the API": (
        {"path": "/about", "origin": Origin.EDITED},
        {},
        refused("edited_call_not_served", 400, None),
    ),
    "edited, and misdirected": (
        {"path": "/about", "origin": Origin.EDITED, "host_problem": MISDIRECTED},
        {},
        refused("misdirected_request", 421, None),
    ),
    "a stored response, edited when its body was with the relay": (
        {"path": RESPONSE, "method": "GET", "origin": Origin.EDITED_AT_RELAY},
        {},
        refused("edited_call_not_served", 400, Operation.RESPONSES),
    ),
    "a stored response, replayed for its provider": (
        {"path": RESPONSE, "method": "GET", "origin": Origin.REPLAYED_FOR_PROVIDER},
        {},
        refused("unsupported_endpoint", 404, Operation.RESPONSES),
    ),
    "a websocket for responses": (
        {"path": "/v1/responses", "method": "GET", "headers": ((b"upgrade", b"websocket"),)},
        {},
        refused("websocket_not_served", 426, Operation.RESPONSES),
    ),
    "traces": ({"path": TRACES}, {}, (AnswerHere, 204, None, Operation.TRACES)),
    "traces of a client that is not listed": (
        {"path": TRACES, "client": STRANGER},
        {},
        refused("invalid_api_key", 401, Operation.TRACES),
    ),
    "traces, to be refused": (
        {"path": TRACES},
        {"unsupported": {Operation.TRACES: Unsupported.REJECT}},
        refused("unsupported_endpoint", 404, Operation.TRACES),
    ),
    "traces, to be passed on": (
        {"path": TRACES},
        {"unsupported": {Operation.TRACES: Unsupported.TO_PROVIDER}},
        PassOn(Operation.TRACES),
    ),
    "a question for traces": (
        {"path": TRACES, "method": "GET"},
        {},
        refused("unsupported_endpoint", 404, Operation.TRACES),
    ),
    "recorded": (
        {"client": STRANGER},
        {"recording": True, "problem": UNREADABLE},
        PassOn(IS_CHAT),
    ),
    "recorded, although an endpoint serves it": (
        {"path": SPEECH},
        {"recording": True, "endpoints": SPEAKER},
        PassOn(Operation.AUDIO_SPEECH),
    ),
    "recorded, although it would be refused": (
        {"path": IMAGES},
        {"recording": True},
        PassOn(IS_IMAGES),
    ),
    "a question for models is recorded": (
        {"path": "/v1/models", "method": "GET"},
        {"recording": True},
        PassOn(Operation.MODELS),
    ),
    "a question for a stored response is recorded": (
        {"path": RESPONSE, "method": "GET"},
        {"recording": True},
        PassOn(Operation.RESPONSES),
    ),
    "traces are recorded": ({"path": TRACES}, {"recording": True}, PassOn(Operation.TRACES)),
    "a preflight of a call that is recorded": (
        {"method": "OPTIONS"},
        {"recording": True},
        PassOn(),
    ),
    "a stray call is recorded": (
        {"path": "/chat/completions"},
        {"recording": True},
        PassOn(IS_CHAT),
    ),
    "outside of the API while calls are recorded": (
        {"path": "/about"},
        {"recording": True},
        PassOn(),
    ),
    "another host while calls are recorded": (
        {"provider": None},
        {"recording": True},
        LeaveAlone(),
    ),
    "loaded from a file while calls are recorded": (
        {"origin": Origin.FILE},
        {"recording": True},
        LeaveAlone(IS_CHAT),
    ),
    "no room for a call that is to be recorded": (
        {},
        {"recording": True, "has_room": False},
        (RefuseAtOnce, 503, "interceptor_overloaded", IS_CHAT),
    ),
    "misdirected while calls are recorded": (
        {"host_problem": MISDIRECTED},
        {"recording": True},
        refused("misdirected_request", 421),
    ),
    "too many keys to be recorded": (
        {"headers": MANY_KEYS},
        {"recording": True},
        refused("request_too_complex", 400),
    ),
    "edited while calls are recorded": (
        {"origin": Origin.EDITED_WITH_KEYS, "path": IMAGES},
        {"recording": True},
        PassOn(IS_IMAGES),
    ),
    "edited while calls are recorded, without its keys": (
        {"origin": Origin.EDITED_AT_RELAY},
        {"recording": True},
        refused("edited_call_not_served", 400),
    ),
    "replayed while calls are recorded": (
        {"origin": Origin.REPLAYED},
        {"recording": True},
        PassOn(IS_CHAT),
    ),
    "replayed for its provider while calls are recorded": (
        {"origin": Origin.REPLAYED_FOR_PROVIDER},
        {"recording": True},
        ToProvider(IS_CHAT),
    ),
    "rehearsed": ({"origin": Origin.REPLAYED}, {"rehearsing": True}, ToVast(IS_CHAT)),
    "rehearsed, and the configuration has it passed on": (
        {"origin": Origin.REPLAYED, "path": EMBEDDINGS},
        {"rehearsing": True},
        refused("not_rehearsed", 403, Operation.EMBEDDINGS),
    ),
    "rehearsed, outside of the API": (
        {"origin": Origin.REPLAYED, "path": "/about"},
        {"rehearsing": True},
        refused("not_rehearsed", 403, None),
    ),
    "rehearsed, and of another host": (
        {"origin": Origin.REPLAYED, "provider": None},
        {"rehearsing": True},
        refused("not_rehearsed", 403, None),
    ),
    "replayed for its provider in a rehearsal": (
        {"origin": Origin.REPLAYED_FOR_PROVIDER},
        {"rehearsing": True},
        refused("not_rehearsed", 403),
    ),
    "live in a rehearsal, and passed on": (
        {"path": EMBEDDINGS},
        {"rehearsing": True, "recording": True},
        refused("not_rehearsed", 403, Operation.EMBEDDINGS),
    ),
    "sent elsewhere by an edit in a rehearsal": (
        {"origin": Origin.EDITED_AT_RELAY, "provider": None},
        {"rehearsing": True},
        refused("not_rehearsed", 403, None),
    ),
    "loaded from a file in a rehearsal": (
        {"origin": Origin.FILE},
        {"rehearsing": True},
        LeaveAlone(IS_CHAT),
    ),
    "refused": ({"path": IMAGES}, {}, refused("unsupported_endpoint", 404, IS_IMAGES)),
    "edited into what is refused": (
        {"path": IMAGES, "origin": Origin.EDITED_AT_RELAY},
        {},
        refused("unsupported_endpoint", 404, IS_IMAGES),
    ),
}


@pytest.mark.parametrize(("asked", "policy", "expected"), TABLE.values(), ids=TABLE.keys())
def test_the_first_line_of_the_table_that_fits_is_the_verdict(
    asked: dict[str, Any], policy: dict[str, Any], expected: object, config: Config
) -> None:
    policy = dict(policy)
    config = replace(config, endpoint=policy.pop("endpoint", config.endpoint))
    config = replace(config, unsupported=policy.pop("unsupported", config.unsupported))
    config = replace(config, known_endpoints=policy.pop("endpoints", {}))
    if policy.pop("falls_back", False):
        route = Route(model="*", endpoint="my-endpoint", fallback=["provider"])
        config = replace(config, routes=(route,))
        assert config.falls_back_to_provider
    place = "https", "host.example", 443, asked.get("path", CHAT)
    live: dict[str, Any] = {"origin": Origin.LIVE, "method": "POST", "provider": OPENAI}
    others = {name: value for name, value in asked.items() if name != "path"}
    given = judge(Asked(place=place, **live | others), Policy(config=config, **policy))
    if not isinstance(expected, tuple):
        assert given == expected
        return
    kind, status, code, operation = expected
    assert (type(given), given.operation) == (kind, operation)
    if isinstance(given, AnswerHere):
        assert given.status == status
    else:
        assert isinstance(given, Refuse)
        assert (given.error.status, given.error.code) == (status, code)


def test_the_table_in_words_has_the_same_errors() -> None:
    told = {
        (int(status), code)
        for status, code in re.findall(r"(\d{3})\s+(\w+_\w+)", str(verdict.__doc__))
    }
    tested = {row[2][1:3] for row in TABLE.values() if isinstance(row[2], tuple) and row[2][2]}
    assert told == tested


@pytest.mark.parametrize("origin", [each for each in Origin if each is not Origin.LIVE])
def test_only_of_a_live_call_the_key_is_known(origin: Origin, config: Config) -> None:
    """The key of all others is masked: whether its provider would take it, nobody can tell."""
    asked = Asked(origin=origin, method="POST", place=IMAGES_AT_OPENAI, provider=OPENAI)
    given = judge(asked, Policy(config=config))
    if origin is Origin.FILE:
        assert given == LeaveAlone(IS_IMAGES)
    else:
        assert isinstance(given, Refuse)
        assert "unsupported: {images: pass}" in given.error.message


# --- which call a path is -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/chat/completions", ToVast(Operation.CHAT_COMPLETIONS)),
        ("POST", "/v1/completions?x=y", ToVast(Operation.COMPLETIONS)),
        ("POST", "/v1/engines/ada/completions", ToVast(Operation.COMPLETIONS, "ada")),
        (
            "POST",
            "//v1/./images/..//chat%2e/../chat/completions/",
            ToVast(Operation.CHAT_COMPLETIONS),
        ),
    ],
)
def test_a_generation_goes_to_vast(
    method: str, path: str, expected: ToVast, config: Config
) -> None:
    assert judged(config, OPENAI, method, path) == expected


def test_the_path_s_model_and_endpoint_come_along(config: Config) -> None:
    path = "/openai/deployments/gpt-4o/chat/completions?api-version=1"
    assert judged(config, AZURE, "POST", path) == ToVast(Operation.CHAT_COMPLETIONS, model="gpt-4o")
    assert judged(config, VAST, "POST", "/big-one/v1/completions") == ToVast(
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
    work = judged(config, VAST, method, path)
    assert isinstance(work, Refuse)
    assert (work.error.status, work.error.code) == (403, "endpoint_not_allowed")
    assert "'secret'" in work.error.message
    assert "my-endpoint" not in work.error.message
    any_of_them = replace(config, any_endpoint=True)
    assert not isinstance(judged(any_of_them, VAST, method, path), Refuse)


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
    assert judged(config, OPENAI, method, path) == PassOn()


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
    "/responses/compact": Operation.RESPONSES,
    "/images/generations": Operation.IMAGES,
    "/audio/transcriptions": Operation.AUDIO,
    "/moderations": Operation.MODERATIONS,
    "/threads/runs": Operation.THREADS,
    "/traces/ingest": Operation.TRACES,
}


@pytest.mark.parametrize(("path", "operation"), STRAY.items(), ids=STRAY.keys())
def test_a_call_outside_of_the_api_is_never_passed_on_by_accident(
    path: str, operation: Operation, config: Config
) -> None:
    decision = judged(config, OPENAI, "POST", path)
    assert decision.operation is operation
    if operation in GENERATING and not path.endswith("/compact"):
        assert decision == ToVast(operation)
    elif operation in DROPPED:
        assert decision == AnswerHere(204, operation=operation)
    else:
        assert isinstance(decision, Refuse)
        assert decision.error.code == "unsupported_endpoint"
    # The same words as another method refuse, or ask a browser's question.
    for method in ("PUT", "post", "BREW"):
        assert isinstance(judged(config, OPENAI, method, path), Refuse)
    asked = {"access-control-request-method": "POST"}
    answer = judged(config, OPENAI, "OPTIONS", path, asked)
    assert isinstance(answer, AnswerHere)
    assert answer.status == 204
    # Without a body there is no prompt, and it may be a page.
    if not path.startswith("/V1/"):  # which is the API
        assert judged(config, OPENAI, "GET", path) == PassOn()


def test_a_websocket_outside_of_the_api_is_refused(config: Config) -> None:
    upgrade = {"upgrade": "websocket"}
    work = judged(config, OPENAI, "GET", "/realtime?model=m", upgrade)
    assert isinstance(work, Refuse)
    assert judged(config, OPENAI, "GET", "/realtime?model=m") == PassOn()


def test_outside_of_the_api_the_configuration_lets_calls_go_as_well(config: Config) -> None:
    assert isinstance(judged(config, OPENAI, "POST", "/embeddings"), PassOn)


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
    work = judged(config, AZURE, "POST", path)
    assert work == ToVast(Operation.CHAT_COMPLETIONS, model=model)


@pytest.mark.parametrize("path", ["/api/models", "/account/organization", "/chat", "/login"])
def test_pages_of_a_provider_s_host_are_left_alone(path: str, config: Config) -> None:
    assert judged(config, built_in_providers()["openrouter"], "POST", path) == PassOn()


SAMPLES = {
    operation: {
        Operation.STORED_COMPLETIONS: ("GET", "/v1/chat/completions"),
        Operation.OTHER: ("POST", "/v1/no/such/thing"),
    }.get(operation, ("POST", f"/v1/{operation}/x"))
    for operation in UNSERVED
}


@pytest.mark.parametrize("operation", UNSERVED, ids=str)
def test_what_vast_does_not_serve_is_refused_or_passed_on(
    operation: Operation, config: Config, tmp_path: Path
) -> None:
    method, path = SAMPLES[operation]
    passing = operation in {Operation.EMBEDDINGS, Operation.FILES}
    decision = judged(config, OPENAI, method, path + "?key=secret")
    assert decision.operation is operation
    if passing:
        assert isinstance(decision, PassOn)
        return
    assert isinstance(decision, Refuse)
    error = decision.error
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
    assert isinstance(judged(advised, OPENAI, method, path), PassOn)


@pytest.mark.parametrize("key", ["", "anything", "sk-no-key", "vast-" + "0123456789abcdef" * 4])
def test_a_call_is_not_to_be_passed_on_with_what_is_no_key(key: str, config: Config) -> None:
    work = judged(config, OPENAI, "POST", "/v1/images/generations", key=key)
    assert isinstance(work, Refuse)
    assert "openai would refuse these calls, too: the app has no key for it." in work.error.message
    assert "unsupported:" not in work.error.message


# --- operations that an endpoint serves ---------------------------------------------------------

PATHS_OF_LISTED = {
    operation: (
        f"/v1/{operation}",
        f"/v1//{operation}/?key=x",
        *((f"/{operation}",) if operation is not Operation.SCORE else ()),
    )
    for operation in sorted(LISTED)
}


def serving(*operations: Operation, **more: Any) -> Config:
    text = "vast: {interface: serverless, endpoint: my-endpoint}\nendpoints:\n  other: {}\n"
    text += "  embedder: {serves: [" + ", ".join(operations) + "]}\n"
    return load_config_of(text, **more)


def load_config_of(text: str, **more: Any) -> Config:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "vast.yaml"
        path.write_text(text)
        return replace(load_config(path, {}), **more)


@pytest.mark.parametrize("operation", PATHS_OF_LISTED)
def test_what_an_endpoint_serves_goes_there_and_nothing_else(operation: Operation) -> None:
    for path in PATHS_OF_LISTED[operation]:
        assert judged(serving(operation), OPENAI, "POST", path) == ToVast(operation), path
        others = LISTED - {operation}
        without = judged(serving(*others), OPENAI, "POST", path)
        assert isinstance(without, Refuse), path
        assert without.error.code == "unsupported_endpoint"
        assert without.operation not in others
        assert isinstance(judged(serving(operation), OPENAI, "GET", path), Refuse | PassOn)
        below = judged(serving(operation), OPENAI, "POST", f"/v1/{operation}/batch")
        assert isinstance(below, Refuse)


@pytest.mark.parametrize("operation", PATHS_OF_LISTED)
def test_the_error_names_the_two_lines_that_would_serve_it(operation: Operation) -> None:
    for interface in ("serverless", "openai"):
        config = load_config_of(f"vast: {{interface: {interface}, endpoint: my-endpoint}}")
        work = judged(config, OPENAI, "POST", f"/v1/{operation}")
        assert isinstance(work, Refuse)
        first, second, *rest = work.error.message.split("`")[1::2]
        assert (first, second) == ("endpoints:", f"  my-endpoint: {{serves: [{operation}]}}")
        vast = "vast: {interface: serverless}"
        assert (vast in rest) == (interface == "openai")
        advised = load_config_of(f"{vast}\n{first}\n{second}\n")
        assert judged(advised, OPENAI, "POST", f"/v1/{operation}") == ToVast(operation)


@pytest.mark.parametrize(
    ("endpoint", "who"),
    [
        ("{serves: [embeddings]}", "the endpoint"),
        ("{input_modalities: [image]}", "the endpoint"),
        ("{url: 'http://localhost:8000'}", "the machine"),
    ],
)
def test_the_error_has_an_endpoint_of_the_configuration_serve_more(endpoint: str, who: str) -> None:
    config = load_config_of(
        f"vast: {{interface: serverless, endpoint: mine}}\nendpoints: {{mine: {endpoint}}}"
    )
    work = judged(config, OPENAI, "POST", "/v1/score")
    assert isinstance(work, Refuse)
    assert f"If {who} 'mine' serves them, add score to endpoints.mine.serves in" in str(work.error)
    assert "`endpoints:`" not in work.error.message
    assert "interface" not in work.error.message


@pytest.mark.parametrize(
    ("provider", "path", "model", "endpoint"),
    [
        (OPENAI, "/v1/engines/ada/embeddings", "ada", None),
        (AZURE, "/openai/deployments/ada/embeddings?api-version=1", "ada", None),
        (AZURE, "/OpenAI/Deployments/ada/embeddings", "ada", None),
        (AZURE, "/openai/v1/embeddings", None, None),
        (VAST, "/embedder/v1/embeddings", None, "embedder"),
    ],
)
def test_model_and_endpoint_of_a_listed_operation_may_be_in_the_path(
    provider: Provider, path: str, model: str | None, endpoint: str | None
) -> None:
    config = serving(Operation.EMBEDDINGS)
    expected = ToVast(Operation.EMBEDDINGS, model, endpoint)
    assert judged(config, provider, "POST", path) == expected


@pytest.mark.parametrize("endpoint", ["my-endpoint", "other", "unheard-of"])
def test_an_endpoint_in_the_path_must_serve_it_itself(endpoint: str) -> None:
    for config in (serving(Operation.EMBEDDINGS), serving(Operation.EMBEDDINGS, any_endpoint=True)):
        work = judged(config, VAST, "POST", f"/{endpoint}/v1/embeddings")
        assert isinstance(work, Refuse)
        assert work.error.code == "unsupported_endpoint"
        assert f"`  {endpoint}: {{serves: [embeddings]}}`" in work.error.message


@pytest.mark.parametrize("setting", ["pass", "reject"])
def test_an_endpoint_that_serves_it_wins_over_unsupported(setting: str) -> None:
    text = (
        f"vast: {{interface: serverless}}\nunsupported: {{audio: {setting}}}\n"
        "endpoints: {speaker: {serves: [audio/speech]}}"
    )
    config = load_config_of(text)
    assert judged(config, OPENAI, "POST", SPEECH) == ToVast(Operation.AUDIO_SPEECH)
    other = judged(config, OPENAI, "POST", "/v1/audio/transcriptions")
    assert isinstance(other, PassOn if setting == "pass" else Refuse)
    assert other.operation is Operation.AUDIO


ITEMS, CANCEL = StoredAction.INPUT_ITEMS, StoredAction.CANCEL
ASKED = (("order", "asc"), ("limit", "2"), ("after", "a b"))

#: What is asked of Responses, besides `POST /v1/responses`, and what the relay is to do; None if
#: nothing is served.
OF_RESPONSES: dict[str, object] = {
    "GET /v1/responses/resp_1": StoredResponse(StoredAction.RETRIEVE, "resp_1"),
    "HEAD /v1/responses/resp_1/": StoredResponse(StoredAction.RETRIEVE, "resp_1"),
    "GET /v1/responses/resp_1?stream=true&key=sk-secret": StoredResponse(
        StoredAction.RETRIEVE, "resp_1", (("stream", "true"),)
    ),
    "GET /v1/responses/a%2Fb": StoredResponse(StoredAction.RETRIEVE, "a/b"),
    "DELETE /v1/responses/resp_1": StoredResponse(StoredAction.DELETE, "resp_1"),
    "GET /v1/responses/resp_1/input_items": StoredResponse(ITEMS, "resp_1"),
    "GET /v1/responses/resp_1/input_items?order=asc&limit=2&x=y&after=a+b": StoredResponse(
        ITEMS, "resp_1", ASKED
    ),
    "POST /v1/responses/resp_1/cancel": StoredResponse(CANCEL, "resp_1"),
    "POST /v1/responses/input_tokens": CountTokens(Operation.RESPONSES),
    "POST /v1/responses/compact": None,
    "POST /v1/responses/resp_1": None,
    "GET /v1/responses": None,
    "PUT /v1/responses": None,
    "DELETE /v1/responses": None,
    "GET /v1/responses/resp_1/cancel": None,
    "GET /v1/responses/resp_1/input_items/msg_1": None,
}


@pytest.mark.parametrize(("line", "work"), OF_RESPONSES.items(), ids=OF_RESPONSES.keys())
def test_what_is_asked_of_responses_is_answered_here(
    line: str, work: object, config: Config
) -> None:
    method, _, path = line.partition(" ")
    given = judged(config, OPENAI, method, path)
    assert given.operation is Operation.RESPONSES
    if work is None:
        assert isinstance(given, Refuse)
        assert given.error.code == "unsupported_endpoint"
    else:
        assert given == work


@pytest.mark.parametrize("line", ["POST /v1/responses", *OF_RESPONSES])
@pytest.mark.parametrize("setting", ["pass", "reject"])
def test_the_configuration_says_what_happens_to_all_of_responses(
    line: str, setting: str, tmp_path: Path
) -> None:
    (tmp_path / "vast.yaml").write_text(f"unsupported: {{responses: {setting}}}")
    configured = load_config(tmp_path / "vast.yaml", {})
    method, _, path = line.partition(" ")
    given = judged(configured, OPENAI, method, path)
    assert type(given) is (PassOn if setting == "pass" else Refuse)
    assert given.operation is Operation.RESPONSES


def test_tokens_of_messages_are_counted_here(config: Config) -> None:
    anthropic = built_in_providers()["anthropic"]
    given = judged(config, anthropic, "POST", "/v1/messages/count_tokens")
    assert given == CountTokens(Operation.MESSAGES)


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
    work = judged(config, provider, "POST", path, key=key)
    assert isinstance(work, Refuse)
    assert "unsupported: {images: pass}" in work.error.message


def test_a_websocket_of_the_realtime_api_is_refused(config: Config) -> None:
    work = judged(config, OPENAI, "GET", "/v1/realtime?model=gpt-4o-realtime-preview")
    assert isinstance(work, Refuse)
    assert work.error.code == "unsupported_endpoint"


def test_pass_for_all_passes_all(tmp_path: Path) -> None:
    (tmp_path / "vast.yaml").write_text("unsupported: pass")
    config = load_config(tmp_path / "vast.yaml", {})
    for operation, (method, path) in SAMPLES.items():
        assert judged(config, OPENAI, method, path) == PassOn(operation)
    assert isinstance(judged(config, OPENAI, "POST", "/v1/chat/completions"), ToVast)
    assert isinstance(judged(config, OPENAI, "GET", "/v1/models"), AnswerHere)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/images/generations", "/v1/files"])
def test_a_cors_preflight_is_answered(path: str, config: Config) -> None:
    """https://fetch.spec.whatwg.org/#cors-preflight-fetch, what a browser checks."""
    asked = "authorization,content-type,x-stainless-lang"
    answer = judged(config, OPENAI, "OPTIONS", path, {"access-control-request-headers": asked})
    assert isinstance(answer, AnswerHere)
    assert (answer.status, answer.body, answer.operation) == (204, b"", None)
    headers = answer.headers
    assert headers["access-control-allow-origin"] == "*"
    # "*" does not cover authorization: the names have to be given.
    assert headers["access-control-allow-headers"] == asked
    assert "POST" in headers["access-control-allow-methods"].split(", ")
    assert int(headers["access-control-max-age"]) > 0
    plain = judged(config, OPENAI, "OPTIONS", path)
    assert isinstance(plain, AnswerHere)
    assert "authorization" in plain.headers["access-control-allow-headers"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_models_are_listed(method: str, config: Config) -> None:
    decision = judged(config, OPENAI, method, "/v1/models/")
    assert decision.operation is Operation.MODELS
    assert isinstance(decision, AnswerHere)
    assert decision.status == 200
    assert decision.headers["content-type"] == "application/json"
    body = json.loads(decision.body)
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
    work = judged(config, OPENAI, "GET", f"/v1/{path}")
    assert isinstance(work, AnswerHere)
    assert json.loads(work.body)["id"] == model


UNKNOWN = ["gpt-5", "GPT-4o", "a/b", "na'me\"", "%F0%9F%90%8E", "%00", "x" * 9_000, "\udcff"]


@pytest.mark.parametrize("model", UNKNOWN)
def test_a_model_whose_calls_are_served_is_there(model: str, config: Config) -> None:
    for provider, path in ((OPENAI, "/v1/models"), (VAST, "/big-one/v1/models")):
        work = judged(config, provider, "GET", f"{path}/{model}")
        assert isinstance(work, AnswerHere)
        assert json.loads(work.body)["object"] == "model"


@pytest.mark.parametrize("model", UNKNOWN)
def test_a_model_whose_calls_are_not_served_is_not(model: str, config: Config) -> None:
    work = judged(replace(config, endpoint=None), OPENAI, "GET", f"/v1/models/{model}")
    assert isinstance(work, Refuse)
    assert (work.error.status, work.error.code, work.error.param) == (
        404,
        "model_not_found",
        "model",
    )
    json.loads(work.error.body())


@given(st.text(), st.binary(), st.text())
def test_any_request_gets_a_decision_that_can_be_sent(method: str, raw: bytes, asked: str) -> None:
    config = load_config(None, {})
    path = raw.decode("utf-8", "surrogateescape")  # as mitmproxy gives it
    for provider in built_in_providers().values():
        for prefix in ("/", "/v1/", "/v1/models/", "/openai/deployments/"):
            decision = judged(
                config,
                provider,
                method,
                prefix + path,
                {"access-control-request-headers": asked},
            )
            if isinstance(decision, Refuse):
                json.loads(decision.error.body())
                str(decision.error).encode()


ANTHROPIC = built_in_providers()["anthropic"]


@pytest.mark.parametrize(
    ("line", "operation"),
    [
        ("POST /v1/messages/batches", "batches"),
        ("GET /v1/messages", "messages"),
        ("POST /v1/messages/other", "messages"),
        ("POST /v1/complete", "other"),
        ("POST /v1/responses", "other"),
        ("POST /v2/messages", "other"),
        ("POST /api/event_logging/v2/batch", "other"),
    ],
)
def test_nothing_else_of_anthropics_slips_past(line: str, operation: str, config: Config) -> None:
    method, _, path = line.partition(" ")
    given = judged(config, ANTHROPIC, method, path)
    assert isinstance(given, Refuse)
    assert (given.operation, given.error.status) == (operation, 404)
    assert "OpenAI" not in given.error.message


@pytest.mark.parametrize("path", ["/v1/messages?beta=true", "/messages", "/v1/messages/"])
def test_messages_go_to_vast(path: str, config: Config) -> None:
    assert judged(config, ANTHROPIC, "POST", path) == ToVast(Operation.MESSAGES)


def test_anthropics_models_are_listed_in_its_shape(config: Config) -> None:
    given = judged(config, ANTHROPIC, "GET", "/v1/models")
    assert isinstance(given, AnswerHere)
    page = json.loads(given.body)
    assert page.keys() == {"data", "has_more", "first_id", "last_id"}
    assert page["has_more"] is False
    (model, *_) = page["data"]
    assert model["type"] == "model"
    assert model["id"] == model["display_name"] == page["first_id"]
    one = judged(config, ANTHROPIC, "GET", f"/v1/models/{model['id']}")
    assert isinstance(one, AnswerHere)
    assert json.loads(one.body) == model
