"""Anthropic's package for Python, unchanged, with a tool and a model behind chat completions."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ...harness import Certificates, StandIn
from .apps import ANTHROPIC_KEY, Apps, Ran, apps_through
from .environments import PROGRAMS

LOOK: dict[str, Any] = {
    "reasoning": "I should look.",
    "tool_calls": [{"name": "get_weather", "arguments": {"city": "Paris"}}],
}
SAID = "The tool says: It is sunny in Paris."


@pytest.fixture(scope="module")
def _apps(
    _standin: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Apps]:
    with apps_through(tmp_path_factory.mktemp("apps"), _standin, certs) as apps:
        yield apps


@pytest.fixture
def apps(_apps: Apps, standin: StandIn) -> Iterator[Apps]:
    """What runs an app, with a model that calls the tool first."""
    standin.play(LOOK, {})
    yield _apps
    standin.end_script()


def run(apps: Apps, folder: Path, way: str) -> Ran:
    program = str(PROGRAMS / "messages_app.py")
    return apps.run(folder, sys.executable, program, way, ANTHROPIC_API_KEY=ANTHROPIC_KEY)


@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_a_tool_over_two_turns(way: str, apps: Apps, tmp_path: Path) -> None:
    ran = run(apps, tmp_path, way)
    assert json.loads(ran.output) == [["tool_use", "end_turn"], SAID]
    assert (ran.served, ran.refused, ran.failed) == (2, 0, 0)
    first, second = apps.asked()
    assert [bool(chat.get("stream")) for chat in (first, second)] == [way == "streamed"] * 2
    _, called, result = second["messages"]
    assert called["tool_calls"][0]["id"] == result["tool_call_id"]
    assert json.loads(called["tool_calls"][0]["function"]["arguments"]) == {"city": "Paris"}
    assert result["content"] == "It is sunny in Paris."


def test_its_own_runner_of_tools(apps: Apps, tmp_path: Path) -> None:
    """It asks the provider to hold the conversation, unless it says that it cannot."""
    ran = run(apps, tmp_path, "runner")
    assert json.loads(ran.output) == SAID
    assert (ran.served, ran.refused, ran.failed) == (2, 1, 0)
    assert [len(chat["messages"]) for chat in apps.asked()] == [1, 3]
