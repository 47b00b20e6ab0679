"""A machine of one's own, over TLS as a Vast instance has it: what apps get, and what it gets."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
import requests

from .. import harness
from ..fixtures.watching import Dashboard
from ..harness import (
    APP_KEY,
    ENDPOINT,
    PROJECT,
    VAST_KEY,
    Certificates,
    Interceptor,
    StandIn,
    body_of,
    error_of,
    use,
)
from .pyworker import worker_certificate

BOX_KEY = "box-0123456789abcdefghijklmnopqrstuvwxyz"
WRONG_KEY = "wrong-9876543210zyxwvutsrqponmlkjihgfedcba"
KEYS = (BOX_KEY, WRONG_KEY, VAST_KEY, APP_KEY)
MESSAGES: Any = [{"role": "user", "content": "hello there"}]
TEXT = "You said: hello there"
CHAT = "https://api.openai.com/v1/chat/completions"


@dataclass
class Scene:
    """A machine, Vast, and an interceptor that knows both. `flows` is what it saves."""

    box: StandIn
    vast: StandIn
    interceptor: Interceptor
    dashboard: int
    flows: Path

    def ask(self, model: str = "any", **more: Any) -> requests.Response:
        """A chat completion for a model."""
        body = {"model": model, "messages": MESSAGES, **more}
        with self.interceptor.session() as session:
            return session.post(CHAT, json=body, timeout=30)


@pytest.fixture(scope="module")
def _scene(_standin: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Vast's root, which nobody trusts here, comes from the console. `_standin` has another CA."""
    folder = tmp_path_factory.mktemp("machines")
    certs = Certificates(*worker_certificate(folder))
    with ExitStack() as stack:

        def start(*options: str, scheme: str) -> StandIn:
            started = StandIn(*options, scheme=scheme)
            stack.callback(started.stop)
            return started

        vast = start("--root-cert", str(certs.ca), scheme="http")
        box = start(
            *("--machine-key", BOX_KEY, "--routes", "/v1/embeddings"),
            *("--tls-cert", str(certs.certificate), "--tls-key", str(certs.key)),
            scheme="https",
        )
        box.trust(certs.certificate)
        boxes: dict[str, Any] = {
            "my-box": {"url": box.url, "api_key": "env:BOX_KEY", "serves": ["embeddings"]},
            "locked": {"url": box.url, "api_key": WRONG_KEY},
            "keyless": {"url": box.url, "api_key": "env:NOT_SET"},
            "stranger": {"url": _standin.url},
            "plain": {"url": vast.url.replace("http:", "https:")},
            "off": {"url": f"https://127.0.0.1:{harness.unused_port()}"},
        }
        dashboard = harness.unused_port()
        config = {
            "vast": {**harness.vast_section(vast, console_url=vast.url), "endpoint": "my-box"},
            "endpoints": boxes,
            "routes": [
                *({"model": name, "endpoint": name} for name in boxes),
                {"model": "vast", "endpoint": ENDPOINT},
                {"model": "to-vast", "endpoint": "locked", "fallback": [ENDPOINT]},
                {"model": "to-box", "endpoint": "off", "fallback": ["stranger", "my-box"]},
            ],
            "providers": ["openai", "vast"],
            "inspect": {"port": dashboard, "show_prompts": True},
        }
        flows = folder / "flows"
        interceptor = stack.enter_context(
            harness.intercept(
                folder / "confdir",
                config,
                *("-v", "--set", "flow_detail=4", "-w", str(flows)),
                environ={"BOX_KEY": BOX_KEY},
            )
        )
        Dashboard(dashboard).wait()
        yield Scene(box, vast, interceptor, dashboard, flows)


@pytest.fixture
def scene(_scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The scene with no calls yet, and an environment that has clients use it."""
    for each in (_scene.box, _scene.vast):
        each.forget_calls()
    use(_scene.interceptor, monkeypatch)
    return _scene


def keys_sent_to(standin: StandIn) -> set[str]:
    headers = [dict(call["headers"]) for call in standin.calls()]
    return {value for each in headers for name, value in each.items() if "auth" in name.lower()}


def test_the_default_machine_answers_whole_and_streamed_chats(scene: Scene) -> None:
    with openai.OpenAI(max_retries=0) as client:
        ask = client.chat.completions
        whole = ask.with_raw_response.create(model="any", messages=MESSAGES)
        assert whole.parse().choices[0].message.content == TEXT
        assert whole.headers["x-vast-endpoint"] == "my-box"
        with ask.create(model="any", messages=MESSAGES, stream=True) as stream:
            chunks = [each.choices[0].delta.content or "" for each in stream if each.choices]
    assert "".join(chunks) == TEXT
    assert len(chunks) > 2
    assert {call["path"] for call in scene.box.calls()} == {"/v1/chat/completions"}
    assert keys_sent_to(scene.box) == {f"Bearer {BOX_KEY}"}
    assert scene.vast.calls(path="/v1/chat/completions") == []


def test_responses_and_embeddings(scene: Scene) -> None:
    with openai.OpenAI(max_retries=0) as client:
        response = client.responses.create(model="any", input="hello there")
        assert response.output_text == TEXT
        made = client.embeddings.create(model="any", input=["one", "two"])
    assert len(made.data) == 2
    assert [call["path"] for call in scene.box.calls()] == [
        "/v1/chat/completions",
        "/v1/embeddings",
    ]
    assert keys_sent_to(scene.box) == {f"Bearer {BOX_KEY}"}


def test_the_model_s_name_is_not_the_machine_s_concern(scene: Scene) -> None:
    assert scene.ask("gpt-4o").status_code == 200
    (call,) = scene.box.calls()
    assert b"gpt-4o" not in body_of(call)


def test_an_endpoint_of_vast_stands_in_for_a_machine(scene: Scene) -> None:
    answer = scene.ask("to-vast")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-vast-endpoint"] == ENDPOINT
    assert answer.headers["x-vast-attempts"] == "2"
    assert keys_sent_to(scene.box) == {f"Bearer {WRONG_KEY}"}
    assert keys_sent_to(scene.vast) == {f"Bearer {VAST_KEY}"}


def test_a_machine_that_is_off_and_one_of_somebody_else_s_are_passed_over(scene: Scene) -> None:
    answer = scene.ask("to-box")
    assert answer.headers["x-vast-endpoint"] == "my-box"
    assert keys_sent_to(scene.vast) == set()


def test_an_app_can_name_a_machine_in_the_path(scene: Scene) -> None:
    with openai.OpenAI(base_url="https://openai.vast.ai/my-box/v1", max_retries=0) as client:
        assert client.chat.completions.create(model="", messages=MESSAGES).choices
        with pytest.raises(openai.PermissionDeniedError):
            client.with_options(base_url="https://openai.vast.ai/other/v1").models.list()
    assert keys_sent_to(scene.box) == {f"Bearer {BOX_KEY}"}


def test_models_list_machines(scene: Scene) -> None:
    with openai.OpenAI() as client:
        listed = {each.id for each in client.models.list()}
    assert {"my-box", "locked", ENDPOINT} <= listed


def documented_rows() -> dict[str, list[str]]:
    """The table of docs/errors.md: what happened, and the other cells."""
    text = (PROJECT / "docs" / "errors.md").read_text("utf-8").partition("## Errors of machines")[2]
    lines = text.split("\n\n")[2].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return {row[0]: row[1:] for row in rows}


MODELS = {
    "it refuses its key: 401 or 403": "locked",
    "its key is missing": "keyless",
    "it does not know the path: 404": "my-box",
    "it redirects, as a Vast instance with HTTPS does from HTTP": "my-box",
    "its certificate is not trusted": "stranger",
    "it does not speak TLS though `url` begins with `https`, as a Vast instance without HTTPS": (
        "plain"
    ),
    "its connection is refused": "off",
}
#: What the machine is told to answer.
TOLD = {
    "it does not know the path: 404": {"status": 404, "body": '{"detail":"Not Found"}'},
    "it redirects, as a Vast instance with HTTPS does from HTTP": {"status": 308, "body": ""},
}


def test_each_documented_error_is_shown() -> None:
    assert list(documented_rows()) == list(MODELS)


@pytest.mark.parametrize("happened", MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_of_machines_are_as_documented(scene: Scene, happened: str, stream: bool) -> None:
    status, kind, code, message, retried = documented_rows()[happened]
    model = MODELS[happened]
    told = {"standin": TOLD[happened]} if happened in TOLD else {}
    answer = scene.ask(model, stream=stream, **told)
    error = error_of(answer)
    assert answer.status_code == int(status)
    assert f"`{error['type']}` `{error['code']}`" == f"{kind} {code}"
    assert re.search(".*".join(map(re.escape, message.split("..."))), error["message"])
    assert f"'{model}'" in error["message"]
    attempts = int(answer.headers["x-vast-attempts"])
    assert attempts > 1 if retried == "yes" else attempts <= 1
    for key in KEYS:
        assert key not in answer.text


def test_no_key_is_anywhere(scene: Scene) -> None:
    """In what the machine repeats, in the log, in flows, and on the dashboard."""
    for status, body in (
        (400, {"error": {"message": f"Not {BOX_KEY}!"}}),
        (200, {"choices": [], "id": BOX_KEY}),
    ):
        headers = {"content-type": "application/json"}
        scene.box.play({"status": status, "body": json.dumps(body), "headers": headers})
        assert "***wxyz" in scene.ask().text
        scene.box.end_script()
    for page in ("", "state", "metrics", "readyz"):
        shown = requests.get(f"http://127.0.0.1:{scene.dashboard}/{page}", timeout=20).text
        if page == "state":
            assert '"machine"' in shown
            assert '"my-box"' in shown
        for key in KEYS:
            assert key not in shown, page
    flows = scene.flows.read_bytes()
    assert b"/v1/chat/completions" in flows
    assert b"my-box" in flows
    for key in KEYS:
        assert key.encode() not in flows
        assert key not in scene.interceptor.output
    for file in scene.flows.parent.rglob("*"):
        if file.is_file() and file.name != "vast.yaml":
            for key in KEYS:
                assert key.encode() not in file.read_bytes(), file


def test_a_key_that_is_missing_is_a_warning_and_not_ready(scene: Scene) -> None:
    output = scene.interceptor.output
    assert "no key for the machine 'keyless' (endpoints.keyless.api_key)" in output
    assert "endpoints.locked.api_key holds the key itself" in output
    ready = requests.get(f"http://127.0.0.1:{scene.dashboard}/readyz", timeout=20)
    assert ready.status_code == 503
    assert "'keyless'" in ready.text
