"""What mitmweb keeps of the calls that went through it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow, tutils

from .. import harness
from ..end_to_end.resilience.apps import App, ask
from ..end_to_end.test_keys import WEB_PASSWORD, Web
from ..fixtures.watching import Watching, until
from ..harness import StandIn

URL = "https://api.openai.com/v1/chat/completions"


class Kept:
    """A mitmweb and the flows that it has."""

    def __init__(self, watching: Watching, *options: str, **limits: Any) -> None:
        sets = ("web_open_browser=false", f"web_port={harness.unused_port()}")
        sets = (*sets, f"web_password={WEB_PASSWORD}")
        words = [word for each in sets for word in ("--set", each)]
        self.interceptor = watching(*words, *options, kind="mitmweb", inspect=limits).interceptor
        self.web = Web(self.interceptor)

    def call(self, name: str, **more: Any) -> None:
        """A call that can be told from others by the model that it asks for."""
        messages = [{"role": "user", "content": "x"}]
        answer = requests.post(URL, json={"model": name, "messages": messages} | more, timeout=30)
        assert answer.status_code == 200

    def flows(self) -> list[dict[str, Any]]:
        """All that it has, oldest first."""
        flows: list[dict[str, Any]] = self.web.get("flows").json()
        return flows

    def names(self) -> list[str]:
        """Their models."""
        return [flow["comment"].partition(" → ")[0] for flow in self.flows()]

    def become(self, *names: str) -> None:
        """Waits until those are there, and no others."""
        until(lambda: self.names() == list(names))

    def put(self, flow: str, **changes: Any) -> None:
        """As the page does it for a person."""
        token = "0123456789abcdef"
        answer = self.web._session.put(
            f"{self.web._url}/flows/{flow}",
            json=changes,
            headers={"x-xsrftoken": token},
            cookies={"_mitmproxy_xsrf": token},
            timeout=30,
        )
        answer.raise_for_status()


@pytest.fixture
def kept(watching: Watching) -> Callable[..., Kept]:
    """Starts one, with such an `inspect` in its configuration."""
    return lambda *options, **limits: Kept(watching, *options, **limits)


def test_the_oldest_go_first(kept: Callable[..., Kept]) -> None:
    running = kept(keep_flows=3)
    for name in "abcde":
        running.call(name)
    running.become("c", "d", "e")
    assert all(flow["marked"] for flow in running.flows()), "our own mark protects nothing"


def test_those_in_progress_stay(kept: Callable[..., Kept], vast: StandIn) -> None:
    running = kept(keep_flows=2)
    app = App(ask, model="held", stream=True, standin={"gate": "kept", "chunks": 2})
    until(lambda: len(running.flows()) == 1)
    for name in "abc":
        running.call(name)
    until(lambda: len(running.flows()) == 2)
    assert running.flows()[0]["response"]["timestamp_end"] is None
    for _ in range(6):
        vast.open_gate("kept")
    assert app.result().text
    running.call("d")
    running.become("c", "d")


def test_those_that_a_person_has_marked_stay(kept: Callable[..., Kept]) -> None:
    running = kept(keep_flows=2)
    running.call("a")
    (flow,) = running.flows()
    running.put(flow["id"], marked=":star:")
    for name in "bcd":
        running.call(name)
    running.become("a", "d")


def test_those_that_the_filter_selects_stay(kept: Callable[..., Kept]) -> None:
    running = kept(keep_flows=2, keep_filter="~comment ^wanted")
    for name in ("a", "wanted", "b", "c"):
        running.call(name)
    running.become("wanted", "c")


def test_bodies_are_bounded_too(kept: Callable[..., Kept]) -> None:
    running = kept(keep_body_bytes=250_000)
    for name in "abcd":
        running.call(name, user="x" * 100_000)
    running.become("c", "d")


def test_the_limit_may_change(kept: Callable[..., Kept]) -> None:
    running = kept()
    for name in "abcd":
        running.call(name)
    running.become("a", "b", "c", "d")
    file = running.interceptor.folder / "vast.yaml"
    config = yaml.safe_load(file.read_text())
    config["inspect"]["keep_flows"] = 1
    file.write_text(yaml.safe_dump(config))
    running.become("d")


def test_what_a_person_has_loaded_stays(kept: Callable[..., Kept], tmp_path: Path) -> None:
    file = tmp_path / "loaded.flows"
    with file.open("wb") as out:
        writer = FlowWriter(out)
        for number in range(5):
            writer.add(tflow.tflow(req=tutils.treq(path=b"/%d" % number), resp=tutils.tresp()))
    running = kept("-r", str(file), keep_flows=2)
    for name in "abc":
        running.call(name)
    running.become(*[""] * 5, "b", "c")


def test_a_persons_comment_and_mark_outlive_a_replay(kept: Callable[..., Kept]) -> None:
    running = kept()
    running.call("a")
    running.call("b")
    first, second = running.flows()
    running.put(first["id"], marked=":star:", comment="the one that I look for")
    for flow in (first, second):
        running.web.post(f"flows/{flow['id']}/replay")
    until(lambda: all(flow["is_replay"] and flow.get("response") for flow in running.flows()))
    until(lambda: "200" in running.flows()[1]["comment"])
    own, ours = running.flows()
    assert (own["marked"], own["comment"]) == ("⭐", "the one that I look for")
    assert ours["marked"] == "✅"
    assert ours["comment"].startswith("b → ")
