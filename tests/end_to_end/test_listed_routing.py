"""Where calls beyond text go: by route, by what endpoints serve, and nowhere else."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from .. import harness
from ..fixtures.provider import Provider
from ..fixtures.watching import Dashboard, saved_flow, until
from ..fixtures.workers import serverless
from ..harness import APP_KEY, ENDPOINT, Certificates, Interceptor, StandIn, error_of, use

OPENAI = "https://api.openai.com/v1"
EMBEDDINGS = f"{OPENAI}/embeddings"
TEXTS = b' {"model" : "%s",\t"input":["h\xc3\xa9","\\u00e9"], "encoding_format":"float"} '
# `big-one` and `liar` are said to serve more than their workers do.
SERVES = {
    "embedder": ["embeddings", "rerank"],
    "second": ["embeddings"],
    "liar": ["score", "images/generations"],
}


class Scene(NamedTuple):
    standin: StandIn
    provider: Provider
    interceptor: Interceptor

    @property
    def lab(self) -> str:
        """The URL of the provider's API."""
        return f"http://127.0.0.1:{self.provider.server_port}/v1"

    def serves_no_chats(self, endpoint: str) -> None:
        """Has workers answer as the real one does whose template does not list a path."""
        for each in self.standin.workers():
            if each["endpoint"] == endpoint:
                unknown = {"status": 404, "body": "404: Not Found"}
                self.standin.set_worker(each["number"], "refusing", **unknown)

    def worked(self, path: str) -> list[str]:
        """The endpoints whose workers got a call to this path."""
        endpoints = {each["number"]: each["endpoint"] for each in self.standin.workers()}
        return [endpoints[call["worker"]] for call in self.standin.calls(path=path)]


def routes() -> list[dict[str, Any]]:
    return [
        {"model": "to-chat*", "endpoint": ENDPOINT, "fallback": ["embedder"]},
        {"model": "to-*", "endpoint": "second", "fallback": [ENDPOINT, "embedder"]},
        {"model": "lab-*", "endpoint": "embedder", "fallback": [ENDPOINT, "provider"]},
        {"model": "liar-*", "endpoint": "liar", "fallback": ["provider"]},
        {"model": "chat-*", "endpoint": "second"},
    ]


@pytest.fixture(scope="module")
def _scene(certs: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    ca, certificate, key = certs
    options = ["--workers", "1", "--root-cert", str(ca), "--endpoint", "embedder"]
    options += ["--endpoint", "second", "--endpoint", "liar"]
    options += ["--routes", "embedder=/v1/embeddings,/v1/rerank"]
    options += ["--routes", "second=/v1/embeddings", "--routes", "liar=/v1/score"]
    options += ["--model-routes", "/v1/embeddings,/v1/rerank"]
    options += ["--tls-cert", str(certificate), "--tls-key", str(key)]
    folder = tmp_path_factory.mktemp("routing")
    with contextlib.ExitStack() as stack:
        standin = StandIn(*options, scheme="https")
        stack.callback(standin.stop)
        standin.trust(ca)
        provider = stack.enter_context(Provider())
        threading.Thread(target=provider.serve_forever, daemon=True).start()
        stack.callback(provider.shutdown)
        lab = {"name": "lab", "host": "127.0.0.1", "scheme": "http"}
        config = {
            "vast": serverless(standin, ca, timeout={"total": 5, "queue": 0.3}),
            "endpoints": {name: {"serves": serves} for name, serves in SERVES.items()},
            "providers": ["openai", "azure", "vast", {**lab, "port": provider.server_port}],
            "routes": routes(),
            "unsupported": {"embeddings": "pass", "moderations": "pass"},
        }
        options = ["-w", str(folder / "flows"), "--set", "flow_detail=0"]
        interceptor = stack.enter_context(harness.intercept(folder, config, *options))
        yield Scene(standin, provider, interceptor)


@pytest.fixture
def scene(_scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    use(_scene.interceptor, monkeypatch)
    for worker in _scene.standin.workers():
        _scene.standin.set_worker(worker["number"], "ready")
    _scene.standin.forget_calls()
    _scene.provider.received.clear()
    return _scene


def post(url: str, body: bytes) -> requests.Response:
    headers = {"authorization": f"Bearer {APP_KEY}", "content-type": "application/json"}
    return requests.post(url, data=body, headers=headers, timeout=30)


def embed(model: str, url: str = EMBEDDINGS) -> requests.Response:
    return post(url, TEXTS % model.encode())


@pytest.mark.parametrize(
    ("model", "endpoint"),
    [
        ("text-embedding-3-small", "embedder"),  # no route: the first that serves it
        ("to-embed", "second"),  # a route
        ("to-chat-and-embed", "second"),  # the first route's endpoint does not serve it
    ],
)
def test_the_first_route_that_fits_or_the_first_endpoint_that_serves_it(
    scene: Scene, model: str, endpoint: str
) -> None:
    answer = embed(model)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-vast-endpoint"] == endpoint
    assert scene.worked("/v1/embeddings") == [endpoint]
    (call,) = scene.standin.calls(path="/v1/embeddings")
    payload = TEXTS % b""
    assert harness.body_of(call).endswith(b',"payload":' + payload + b"}")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/embeddings",
        "https://api.openai.com/v1//embeddings/",
        f"{OPENAI}/engines/to-embed/embeddings",
        "https://x.openai.azure.com/openai/deployments/to-embed/embeddings?api-version=1",
        "https://openai.vast.ai/second/v1/embeddings",
        "https://openai.vast.ai/second/embeddings",
    ],
)
def test_however_the_path_is_written(scene: Scene, url: str) -> None:
    model = "to-embed" if "openai.com/" in url and "engines" not in url else "other"
    answer = embed(model, url)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-vast-endpoint"] == "second"
    assert scene.worked("/v1/embeddings") == ["second"]


def test_fallbacks_are_endpoints_that_serve_it(scene: Scene) -> None:
    for worker in scene.standin.workers():
        if worker["endpoint"] == "second":
            scene.standin.set_worker(worker["number"], "cold")
    answer = embed("to-embed")
    assert answer.headers["x-vast-endpoint"] == "embedder"
    assert scene.worked("/v1/embeddings") == ["embedder"]
    asked = [json.loads(harness.body_of(each)) for each in scene.standin.calls(path="/route/")]
    assert {each["endpoint"] for each in asked} == {"second", "embedder"}


def test_the_provider_gets_the_app_s_own_bytes(scene: Scene) -> None:
    for worker in scene.standin.workers():
        if worker["endpoint"] == "embedder":
            scene.standin.set_worker(worker["number"], "cold")
    scene.provider.answer = 200, b'{"of": "the provider"}'
    answer = embed("lab-embed", f"{scene.lab}/embeddings?api-version=7")
    assert answer.json() == {"of": "the provider"}
    assert answer.headers["x-vast-endpoint"] == "lab"
    ((path, headers, body),) = scene.provider.received
    assert (path, body) == ("/v1/embeddings?api-version=7", TEXTS % b"lab-embed")
    assert headers["authorization"] == f"Bearer {APP_KEY}"
    assert scene.worked("/v1/embeddings") == []


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        # The worker does not know the first, and the model behind it not the second.
        ("images/generations", {"prompt": "a cat"}),
        ("score", {"queries": "a", "documents": ["b"]}),
    ],
)
def test_an_endpoint_that_does_not_serve_what_it_is_said_to_serve(
    scene: Scene, operation: str, body: dict[str, Any]
) -> None:
    told = json.dumps({"model": "m", **body}).encode()
    answer = post(f"{OPENAI}/{operation}", told)
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (502, "operation_not_served")
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-vast-attempts"] == "1"
    assert "endpoints.liar.serves" in error["message"]
    scene.provider.answer = 200, b'{"of": "the provider"}'
    told = json.dumps({"model": "liar-1", **body}).encode()
    answer = post(f"{scene.lab}/{operation}", told)
    assert answer.json() == {"of": "the provider"}
    assert scene.provider.received[0][2] == told


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", {"messages": [{"role": "user", "content": "hello"}]}),
        ("chat/completions", {"messages": [{"role": "user", "content": "hi"}], "stream": True}),
        ("completions", {"prompt": "hello"}),
        ("responses", {"input": "hello", "store": False}),
    ],
)
def test_an_endpoint_whose_template_lists_embeddings_alone_is_said_not_to_chat(
    scene: Scene, path: str, body: dict[str, Any]
) -> None:
    scene.serves_no_chats("second")
    answer = post(f"{OPENAI}/{path}", json.dumps({"model": "chat-1", **body}).encode())
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (502, "operation_not_served")
    assert answer.headers["x-should-retry"] == "false"
    told = "completions" if path == "completions" else "chat/completions"
    assert error["message"].startswith(f"Vast's endpoint 'second' does not serve {told} (status")
    assert "The route for the model 'chat-*' in the configuration leads there" in error["message"]
    assert f"add /v1/{told} to OPENAI_ROUTES" in error["message"]


def test_a_chat_that_an_endpoint_does_not_serve_falls_back(scene: Scene) -> None:
    scene.serves_no_chats("embedder")
    told = b'{"model":"lab-1","messages":[{"role":"user","content":"hello"}]}'
    answer = post(f"{OPENAI}/chat/completions", told)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-vast-endpoint"] == ENDPOINT


def test_what_nobody_serves_is_refused_with_the_two_lines_that_help(scene: Scene) -> None:
    answer = post(f"{OPENAI}/audio/speech", b'{"model":"m","input":"hello","voice":"alloy"}')
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (404, "unsupported_endpoint")
    assert f"`endpoints:` and `  {ENDPOINT}: {{serves: [audio/speech]}}`" in error["message"]
    answer = embed("m", f"https://openai.vast.ai/{ENDPOINT}/v1/rerank")
    assert "serves: [rerank]" in error_of(answer)["message"]
    assert not scene.standin.calls()
    scene.interceptor.wait_for("unsupported_endpoint")


def test_an_endpoint_that_serves_it_wins_over_passing_it_on(scene: Scene) -> None:
    assert embed("m", f"{scene.lab}/embeddings").headers["x-vast-endpoint"] == "embedder"
    assert scene.provider.received == []
    post(f"{scene.lab}/moderations", b'{"input":"x"}')
    assert [path for path, *_ in scene.provider.received] == ["/v1/moderations"]


def test_a_saved_flow_shows_the_worker_and_knows_what_was_asked_for(scene: Scene) -> None:
    assert embed("to-be-saved").status_code == 200
    (call,) = scene.standin.calls(path="/v1/embeddings")
    worker = scene.standin.workers()[call["worker"]]["url"]
    flow = saved_flow(scene.interceptor.folder / "flows", b"to-be-saved")
    assert flow.request.url == f"{worker}/v1/embeddings"
    facts = flow.metadata["vast"]
    assert (facts["operation"], facts["url"]) == ("embeddings", EMBEDDINGS)
    assert facts["endpoint"] == "second"


SCRIPT = """
import logging
from mitmproxy import ctx, exceptions

def response(flow):
    for command, argument in (("vast.curl", flow), ("vast.replay.provider", [flow])):
        if not flow.is_replay:
            try:
                logging.warning("%s: %s.", command, ctx.master.commands.call(command, argument))
            except exceptions.CommandError as error:
                logging.warning("%s: %s", command, error)
"""


def test_commands_on_flows(scene: Scene, certs: Certificates, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    own_key = "sk-the-persons-own-0123456789abcdefghijkl"
    lab = {"name": "lab", "host": "127.0.0.1", "port": scene.provider.server_port}
    served = ["embeddings", "audio/transcriptions"]
    config = {
        "vast": serverless(scene.standin, certs.ca),
        "endpoints": {"embedder": {"serves": served}},
        "providers": [{**lab, "scheme": "http"}],
        "unsupported": {"moderations": "pass"},
    }
    environ = {"OPENAI_API_KEY": own_key}
    options = ["-s", str(script)]
    with harness.intercept(tmp_path / "i", config, *options, environ=environ) as interceptor:
        session = interceptor.session()

        def ask(path: str, **options: Any) -> int:
            return session.post(f"{scene.lab}/{path}", timeout=30, **options).status_code

        told = TEXTS % b"m"
        assert ask("embeddings", data=told, headers={"content-type": "application/json"}) == 200
        interceptor.wait_for(r"vast.replay.provider: None\.")
        until(lambda: scene.provider.received)
        ((path, headers, body),) = scene.provider.received
        assert (path, body) == ("/v1/embeddings", told)
        assert headers["authorization"] == f"Bearer {own_key}"
        line = interceptor.wait_for(r"vast.curl: (route=(?:.|\n)+?--data-binary @-)\.")[1]
        assert '"model" : ""' in line or '"model" : ""' in line
        ask("audio/transcriptions", files={"file": ("a.wav", b"RIFF")})
        interceptor.wait_for("vast.curl: The body of audio/transcriptions is an upload")
        ask("moderations", data=b"{}")
        interceptor.wait_for("vast.curl: Vast has no moderations")
        interceptor.wait_for("two answers to compare, not moderations")


#: Calls that have nothing to do with what `big-one` serves.
OTHERS: list[tuple[str, str, Any]] = [
    ("POST", "chat/completions", {"messages": [{"role": "user", "content": "hello"}]}),
    ("POST", "completions", {"prompt": "hello", "max_completion_tokens": 3}),
    ("POST", "responses", {"input": "hello", "store": False}),
    ("POST", "embeddings", {"input": "hello"}),
    ("POST", "audio/speech", {"input": "hello", "voice": "alloy"}),
    ("POST", "audio/transcriptions", {}),
    ("POST", "images/edits", {}),
    ("POST", "score", {}),
    ("GET", "rerank", None),
    ("GET", "embeddings", None),
    ("POST", "moderations", {}),
    ("GET", "models", None),
]
_CHANGING = re.compile(
    r"\[[\d:.]+\](?:\[[\d.:]+\])?|req_\w+|127.0.0.1:\d+|localhost:\d+|\d[\d.,]* m?s\b|\S+ tokens?/s"
)


def seen_with(scene: Scene, ca: Path, folder: Path, serves: list[str]) -> tuple[Any, ...]:
    """What apps get of the other calls, the lines in the log, and the labels of the metrics."""
    port = harness.unused_port()
    config = {
        "vast": serverless(scene.standin, ca),
        "routes": [{"model": "big-*", "endpoint": "second"}],
        "providers": ["openai", {"name": "lab", "host": "127.0.0.1", "scheme": "http"}],
        "inspect": {"port": port},
        "unsupported": {"moderations": "pass"},
    }
    config["providers"][1]["port"] = scene.provider.server_port
    if serves:
        config["endpoints"] = {"second": {"serves": serves}}
    scene.standin.forget_calls()
    scene.provider.received.clear()
    with harness.intercept(folder, config, "--set", "flow_detail=0") as interceptor:
        session = interceptor.session()
        answers = []
        for method, path, body in OTHERS:
            answer = session.request(
                method, f"{scene.lab}/{path}", json={"model": "m", **(body or {})}, timeout=30
            )
            error = answer.json().get("error") or {}
            answers.append((path, answer.status_code, error.get("code"), error.get("param")))
        metrics = Dashboard(port).wait().get("/metrics").text
    labels = {re.sub(r"} .*", "}", line) for line in metrics.splitlines() if "{" in line}
    lines = [
        _CHANGING.sub("*", line)
        for line in interceptor.output.splitlines()
        if " → " in line or "refused" in line or "unsupported_endpoint" in line
    ]
    sent = [
        (call["path"], json.loads(harness.body_of(call)).get("payload"), call.get("cost"))
        for call in scene.standin.calls()
        if call["path"].startswith("/v1/")
    ]
    return answers, lines, labels, sent, [each[0] for each in scene.provider.received]


def test_nothing_changes_for_calls_that_nobody_is_said_to_serve(
    scene: Scene, certs: Certificates, tmp_path: Path
) -> None:
    without = seen_with(scene, certs.ca, tmp_path / "without", [])
    listing = seen_with(scene, certs.ca, tmp_path / "with", ["rerank"])
    assert len(without[1]) >= len(OTHERS) - 2
    for one, other in zip(without, listing, strict=True):
        assert one == other
