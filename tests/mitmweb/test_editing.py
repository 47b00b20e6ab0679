"""Calls that a person holds, edits and replays in mitmweb."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
from mitmproxy.io import FlowReader, FlowWriter
from playwright.sync_api import expect

from .. import harness
from ..end_to_end.resilience.apps import App
from ..end_to_end.test_loaded_flows import MESSAGES, plain_flow
from ..fixtures.provider import Provider
from ..fixtures.watching import until
from ..harness import ENDPOINT, VAST_KEY, Certificates, StandIn
from .conftest import Watching, Web

PROVIDER_KEY = "sk-the-persons-own-0123456789abcdefghijkl"
EDITED = [{"role": "user", "content": "as edited"}]
TEXT = json.dumps({"model": "gpt-4o", "prompt": "as edited"})
IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.y"}}]}]


def body(messages: Any) -> str:
    return json.dumps({"model": "gpt-4o", "messages": messages})


def messages_of(call: dict[str, Any]) -> Any:
    """What a call that reached the stand-in said."""
    return json.loads(harness.body_of(call))["messages"]


class TestHeld:
    @pytest.fixture
    def held(self, mitmweb: Watching, standin: StandIn) -> tuple[Web, App]:
        """A call that mitmweb holds, opened in the page."""
        web = mitmweb("--set", "intercept=~u chat")
        app = App(web.call)
        expect(web.rows()).to_have_count(1)
        web.select(0, "Request")
        expect(web.content()).to_contain_text("hello")
        assert not standin.calls()
        return web, app

    def test_reaches_vast_as_edited(self, held: tuple[Web, App], standin: StandIn) -> None:
        web, app = held
        web.edit(body(EDITED))
        expect(web.content()).to_contain_text("as edited")
        web.press("Resume")
        standin.wait_for_calls("done")
        (call,) = standin.calls()
        assert messages_of(call) == EDITED
        web.press("Resume")  # the answer is held as well
        assert app.result().status_code == 200

    def test_shows_what_the_app_asked_for(
        self, mitmweb: Watching, standin: StandIn, certs: Certificates
    ) -> None:
        web = mitmweb("--set", "intercept=~u https://api.openai.com/v1/chat & ~q")
        app = App(web.call)
        expect(web.rows()).to_have_count(1)
        web.select(0, "Request")
        expect(web.flow()).to_contain_text("https://api.openai.com/v1/chat/completions")
        expect(web.flow()).not_to_contain_text("127.0.0.1")
        expect(web.flow()).not_to_contain_text("x-vast-intercept-call")
        web.press("Resume")
        assert app.result().status_code == 200
        expect(web.flow()).to_contain_text(f"{standin.url}/{ENDPOINT}/v1/chat/completions")

    def test_becomes_another_call(self, held: tuple[Web, App], standin: StandIn) -> None:
        web, app = held
        web.edit(TEXT)
        web.command("flow.set", "@all", "path", "/v1/completions")
        web.press("Resume")
        standin.wait_for_calls("done")
        (call,) = standin.calls()
        assert call["path"].endswith("/v1/completions")
        assert json.loads(harness.body_of(call))["prompt"] == "as edited"
        assert app.result().json()["object"] == "text_completion"
        web.interceptor.wait_for(r" completions: gpt-4o → ")

    def test_becomes_a_call_that_vast_does_not_do(
        self, held: tuple[Web, App], standin: StandIn
    ) -> None:
        web, app = held
        web.command("flow.set", "@all", "path", "/v1/embeddings")
        web.press("Resume")
        assert harness.error_of(app.result())["code"] == "unsupported_endpoint"
        assert not standin.calls()

    def test_becomes_a_call_that_is_passed_on(self, mitmweb: Watching, standin: StandIn) -> None:
        web = mitmweb("--set", "intercept=~q", sections={"unsupported": {"embeddings": "pass"}})
        app = App(web.call)
        expect(web.rows()).to_have_count(1)
        web.command("flow.set", "@all", "path", "/v1/embeddings")
        web.select(0, "Request")
        web.press("Resume")
        assert harness.error_of(app.result())["code"] == "edited_call_not_served"
        assert not standin.calls()

    def test_is_judged_as_edited(self, held: tuple[Web, App], standin: StandIn) -> None:
        web, app = held
        web.edit(body(IMAGE))
        web.press("Resume")
        web.select(0)
        expect(web.content()).to_contain_text("unsupported_content")
        web.press("Resume")
        answer: requests.Response = app.result()
        assert harness.error_of(answer)["code"] == "unsupported_content"
        assert not standin.calls()


class TestReplay:
    def test_goes_out_as_things_are_now(self, mitmweb: Watching, standin: StandIn) -> None:
        web = mitmweb()
        web.call()
        expect(web.rows()).to_have_count(1)
        standin.forget_calls()
        config = web.interceptor.folder / "vast.yaml"
        text = config.read_text()
        assert f"endpoint: {ENDPOINT}" in text
        config.write_text(text.replace(f"endpoint: {ENDPOINT}", "endpoint: big-one"))
        web.interceptor.wait_for("Read the configuration again")
        web.select(0)
        web.press("Replay")
        expect(web.content()).to_contain_text("answered by the endpoint big-one")
        (call,) = standin.calls()
        assert call["path"].startswith("/big-one/")

    def test_of_rubbish_is_an_error_and_no_harm(self, mitmweb: Watching) -> None:
        web = mitmweb()
        web.call()
        expect(web.rows()).to_have_count(1)
        web.select(0, "Request")
        web.edit("no JSON at all {")
        web.press("Replay")
        web.select(0)
        expect(web.content()).to_contain_text("error: invalid_json (status 400)")
        assert web.call().status_code == 200
        expect(web.rows()).to_have_count(2)

    def test_without_a_configuration_says_what_is_missing(self, mitmweb: Watching) -> None:
        web = mitmweb(environ={"VAST_API_KEY": ""}, endpoint=None)
        web.call()
        expect(web.rows()).to_have_count(1)
        web.select(0)
        expect(web.content()).to_contain_text("error: vast_endpoint_missing (status 500)")
        web.press("Replay")
        expect(web.content()).to_contain_text("error: vast_endpoint_missing (status 500)")
        expect(web.rows()).to_have_count(1)

    def test_from_a_file_of_another_day(
        self, mitmweb: Watching, standin: StandIn, tmp_path: Path
    ) -> None:
        file = tmp_path / "saved.flows"
        first = mitmweb("-w", str(file))
        first.call()
        expect(first.rows()).to_have_count(1)
        first.leave()
        first.interceptor.stop()
        standin.forget_calls()
        second = mitmweb("-r", str(file))
        expect(second.rows()).to_have_count(1)
        second.select(0)
        second.press("Replay")
        standin.wait_for_calls("done")
        expect(second.content()).to_contain_text(f"answered by the endpoint {ENDPOINT}")

    def test_from_a_file_that_wants_it_at_the_provider(
        self, mitmweb: Watching, standin: StandIn, tmp_path: Path
    ) -> None:
        """Only a person's command may send it there, and spend the person's money."""
        flow = plain_flow()
        flow.metadata["vast"] = {
            "url": "https://api.openai.com/v1/chat/completions",
            "operation": "chat/completions",
            "at_provider": True,
        }
        file = tmp_path / "saved.flows"
        with file.open("wb") as opened:
            FlowWriter(opened).add(flow)
        web = mitmweb("-r", str(file), environ={"OPENAI_API_KEY": PROVIDER_KEY})
        expect(web.rows()).to_have_count(1)
        web.select(0)
        web.press("Replay")
        standin.wait_for_calls("done")
        (call,) = standin.calls()
        assert messages_of(call) == MESSAGES
        assert PROVIDER_KEY not in json.dumps(call)

    @pytest.mark.parametrize(
        "noted",
        ["text", ["list"], {"url": 3, "outcome": ["x"], "comment": {}}],
        ids=["text", "list", "other-types"],
    )
    def test_from_a_file_that_says_anything(
        self, mitmweb: Watching, standin: StandIn, tmp_path: Path, noted: Any
    ) -> None:
        file = tmp_path / "saved.flows"
        first = mitmweb("-w", str(file))
        first.call()
        first.leave()
        first.interceptor.stop()
        with file.open("rb") as opened:
            (flow,) = FlowReader(opened).stream()
        flow.metadata["vast"] = noted
        with file.open("wb") as opened:
            FlowWriter(opened).add(flow)
        second = mitmweb("-r", str(file))
        expect(second.rows()).to_have_count(1)
        second.select(0)
        expect(second.content()).to_contain_text("You said: hello")
        assert second.call().status_code == 200
        expect(second.rows()).to_have_count(2)


class TestCommands:
    @pytest.mark.parametrize(
        "said",
        ['it\'s $HOME, "quoted"\nand `more`', "\u6f22" * 45_000],
        ids=["special-characters", "long"],
    )
    def test_curl(
        self, mitmweb: Watching, standin: StandIn, certs: Certificates, said: str
    ) -> None:
        web = mitmweb()
        asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": said}]}
        web.interceptor.session().post(
            "https://api.openai.com/v1/chat/completions",
            data=json.dumps(asked, ensure_ascii=False).encode(),
            headers={"content-type": "application/json"},
            timeout=30,
        )
        expect(web.rows()).to_have_count(1)
        (sent,) = standin.calls()
        command = web.command("vast.curl", "@all")["value"]
        assert VAST_KEY not in command
        assert "$VAST_API_KEY" in command
        standin.forget_calls()
        environ = harness.clean_environ(VAST_API_KEY=VAST_KEY, CURL_CA_BUNDLE=str(certs.ca))
        run = subprocess.run(
            ["bash"],
            input=command.encode(),
            env=environ,
            capture_output=True,
            timeout=30,
            check=True,
        )
        assert json.loads(run.stdout)["choices"]
        (again,) = standin.calls()
        assert harness.body_of(again).rstrip() == harness.body_of(sent)
        assert again["path"] == sent["path"]

    def test_curl_of_what_vast_does_not_do(self, mitmweb: Watching) -> None:
        web = mitmweb()
        web.call("embeddings", input="x")
        expect(web.rows()).to_have_count(1)
        assert "Vast has no embeddings" in str(web.command("vast.curl", "@all"))

    def test_replay_at_the_provider(self, mitmweb: Watching) -> None:
        provider = StandIn("--api-key", PROVIDER_KEY)
        port = int(provider.url.rpartition(":")[2])
        sections = {
            "providers": [
                "openai",
                {"name": "lab", "host": "localhost", "port": port, "scheme": "http"},
            ]
        }
        web = mitmweb(sections=sections, environ={"OPENAI_API_KEY": PROVIDER_KEY})
        answer = requests.Session()
        answer.trust_env = False
        told = answer.post(
            f"{provider.url}/v1/chat/completions",
            json=json.loads(body(EDITED)),
            proxies={"http": web.interceptor.url},
            headers={"authorization": "Bearer the-apps-own"},
            timeout=30,
        )
        assert told.status_code == 200
        expect(web.rows()).to_have_count(1)
        assert not provider.calls()
        web.command("vast.replay.provider", "@all")
        provider.wait_for_calls("done")
        (call,) = provider.calls()
        assert messages_of(call) == EDITED
        expect(web.rows()).to_have_count(2)
        web.select(1)
        expect(web.content()).to_contain_text("answered by the endpoint lab")
        for path in ("flows", "events"):
            seen = web.page.evaluate("path => fetch(path).then(answer => answer.text())", path)
            assert PROVIDER_KEY not in seen
        assert PROVIDER_KEY not in web.interceptor.output
        provider.stop()

    def test_replay_of_a_call_that_continues_a_response(
        self, mitmweb: Watching, standin: StandIn
    ) -> None:
        """The app's key is masked by then, but what it has stored is still found."""
        web = mitmweb()
        one = web.call("responses", model="gpt-5", input="first").json()
        two = web.call("responses", model="gpt-5", input="second", previous_response_id=one["id"])
        assert two.status_code == 200
        expect(web.rows()).to_have_count(2)
        web.command("replay.client", "@all")
        standin.wait_for_calls("done", 4)
        texts = [[message["content"] for message in messages_of(call)] for call in standin.calls()]
        assert [len(each) for each in texts] == [1, 3, 1, 3]
        assert texts[3] == texts[1]

    def test_replay_of_a_response_at_the_provider(
        self, mitmweb: Watching, provider: Provider
    ) -> None:
        """With what Vast would be refused, the provider gets it as it is."""
        answered = {"object": "response", "output": [], "usage": None}
        provider.answer = 200, json.dumps(answered).encode()
        own = {"name": "lab", "host": "127.0.0.1", "port": provider.server_port, "scheme": "http"}
        web = mitmweb(sections={"providers": [own]}, environ={"OPENAI_API_KEY": PROVIDER_KEY})
        asked = b'{"input": "hello",  "background": true, "model": "gpt-5"}'
        url = f"http://127.0.0.1:{provider.server_port}/v1/responses"
        headers = {"content-type": "application/json"}
        told = web.interceptor.session().post(url, data=asked, headers=headers, timeout=30)
        assert told.status_code == 400
        expect(web.rows()).to_have_count(1)
        assert provider.received == []
        web.command("vast.replay.provider", "@all")
        until(lambda: provider.received)
        ((path, sent, body_sent),) = provider.received
        assert (path, sent["authorization"]) == ("/v1/responses", f"Bearer {PROVIDER_KEY}")
        assert body_sent == asked
        expect(web.rows()).to_have_count(2)

    @pytest.mark.parametrize(
        ("provider", "key", "why"),
        [
            ("openai", "", "OPENAI_API_KEY is not set"),
            ("groq", PROVIDER_KEY, "is not sent to groq"),
        ],
        ids=["no-key", "not-its-key"],
    )
    def test_no_replay_at_the_provider(
        self, mitmweb: Watching, provider: str, key: str, why: str
    ) -> None:
        web = mitmweb(
            sections={"providers": [provider]}, environ={"OPENAI_API_KEY": key} if key else {}
        )
        host = {"openai": "api.openai.com/v1", "groq": "api.groq.com/openai/v1"}[provider]
        web.interceptor.session().post(
            f"https://{host}/chat/completions", json=json.loads(body(EDITED))
        )
        expect(web.rows()).to_have_count(1)
        assert why in str(web.command("vast.replay.provider", "@all"))
        expect(web.rows()).to_have_count(1)
