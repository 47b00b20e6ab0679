"""OpenAI's own packages leave when they have read [DONE]: nothing is lost by it, on either side."""

import json
import subprocess

import pytest

from ... import harness
from ...fixtures.watching import Watched, Watching, until
from ...harness import APP_KEY, StandIn
from . import environments
from .environments import PROGRAMS

pytestmark = pytest.mark.timeout(300)  # on first use, a client is installed

PAUSES = [0, 0.001, 0.005, 0.05]
STREAMS = [{"end_delay": pause} for pause in PAUSES for _ in range(5)]


def python(requirements: str) -> list[str]:
    return [environments.python(requirements), str(PROGRAMS / "openai_streams_app.py")]


def node() -> list[str]:
    return [environments.tool("node"), environments.node_program("openai_streams_app.mjs")]


@pytest.mark.parametrize("client", ["python-openai", "python-openai-1", "node-openai"])
def test_all_streams_are_complete_over_one_connection(
    client: str, vast: StandIn, watching: Watching
) -> None:
    options: tuple[str, ...] = ()
    if client == "node-openai":  # Node 20 knows of no proxies
        options = ("--mode", "reverse:https://api.openai.com")
        command = node()
    else:
        command = python("openai_1" if client.endswith("1") else "current")
    watched = watching(*options, interface="openai", timeout={"total": 30})
    interceptor = watched.interceptor
    environ = harness.clean_environ(OPENAI_API_KEY=APP_KEY)
    if options:
        environ["OPENAI_BASE_URL"] = f"http://127.0.0.1:{interceptor.port}/v1"
    else:
        environ |= interceptor.app_environ()
    before = vast.stats()["connections"]
    app = subprocess.run(
        [*command, json.dumps(STREAMS)],
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    assert app.stdout.splitlines() == ["You said: hello there"] * len(STREAMS)
    path = "/my-endpoint/v1/chat/completions"
    vast.wait_for_calls("done", len(STREAMS), path=path)
    assert vast.stats()["connections"] - before == 1
    ended = "calls_total{my-endpoint, chat/completions, "
    until(lambda: sum(counts(watched, ended).values()) == len(STREAMS))
    assert counts(watched, ended) == {f"{ended}ok}}": len(STREAMS)}
    metrics = watched.dashboard.metrics()
    assert metrics["completion_tokens_total{my-endpoint}"] == 6 * len(STREAMS)


def counts(watched: Watched, prefix: str) -> dict[str, float]:
    samples = watched.dashboard.metrics().samples
    return {name: value for name, value in samples.items() if name.startswith(prefix)}
