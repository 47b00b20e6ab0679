"""Programs that call the Responses API by default, unchanged, with a model behind chat completions.

The stand-in plays a model that calls a tool first, and says then what the tool said.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ... import harness
from ...harness import APP_KEY, ENDPOINT, VAST_KEY, Certificates, Interceptor, StandIn
from . import environments
from .environments import PROGRAMS, InstallationError
from .test_matrix import app_environ

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),  # on first use, a client is installed
]

LOOK: dict[str, Any] = {
    "reasoning": "I should look.",
    "tool_calls": [{"name": "*", "arguments": {"city": "Paris"}}],
}
# After the tool's output, the usual answer.
USE_A_TOOL = [LOOK, {}]
SUNNY = "The tool says: sunny in Paris"
PIECES = ["The", " tool", " says", ":", " sunny", " in", " Paris"]
# LiteLLM looks for prices on the web, and tries again; this machine may have no web.
_NO_PRICES = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}


@pytest.fixture(scope="module")
def interceptor(
    _standin: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interceptor]:
    """A `vast-intercept serve`, which all programs use."""
    config = {"vast": harness.vast_section(_standin, certs.ca, timeout={"total": 30})}
    folder = tmp_path_factory.mktemp("responses")
    with harness.intercept(folder, config, kind="serve") as interceptor:
        yield interceptor


@pytest.fixture
def scripted(standin: StandIn) -> Iterator[StandIn]:
    """The stand-in, which plays a script until the test ends."""
    standin.play(*USE_A_TOOL)
    yield standin
    standin.end_script()


def run(interceptor: Interceptor, folder: Path, requirements: str, *arguments: str) -> list[str]:
    """The lines that a Python program prints.

    It has a home of its own. It must end well, and the Agents SDK must not complain of its traces.
    """
    try:
        python = environments.python(requirements)
    except InstallationError as error:
        pytest.fail(str(error), pytrace=False)
    launcher = ["run", "--attach", str(interceptor.port), "--quiet", "--"]
    done = subprocess.run(
        [harness.tool("vast-intercept"), *launcher, python, *arguments],
        env=app_environ() | _NO_PRICES | {"HOME": str(folder)},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    print(done.stdout, done.stderr)  # which pytest shows if the test fails
    assert done.returncode == 0
    assert "Tracing" not in done.stderr
    return done.stdout.splitlines()


def bodies(standin: StandIn) -> list[dict[str, Any]]:
    """The bodies of all calls that reached Vast: chat completions, with Vast's key alone."""
    calls = standin.calls()
    for call in calls:
        assert call["path"] == f"/{ENDPOINT}/v1/chat/completions"
        headers = str(call["headers"])
        assert VAST_KEY in headers
        assert APP_KEY not in headers
    return [json.loads(harness.body_of(call)) for call in calls]


def streamed(standin: StandIn) -> list[bool]:
    """Of each of these calls, in their order, whether its answer was to be streamed."""
    return [bool(body.get("stream")) for body in bodies(standin)]


def test_openai_agents(interceptor: Interceptor, scripted: StandIn, tmp_path: Path) -> None:
    """Its traces, which it sends to api.openai.com by default, are taken too."""
    path = str(PROGRAMS / "responses" / "openai_agents_app.py")
    assert run(interceptor, tmp_path, "agents", path) == [SUNNY, *map(json.dumps, PIECES)]
    assert streamed(scripted) == [False, False, True, True]


def test_litellm(interceptor: Interceptor, scripted: StandIn, tmp_path: Path) -> None:
    path = str(PROGRAMS / "responses" / "litellm_app.py")
    assert run(interceptor, tmp_path, "agents", path) == [SUNNY, *map(json.dumps, PIECES)]
    assert streamed(scripted) == [False, False, True, True]


def test_langchain(interceptor: Interceptor, scripted: StandIn, tmp_path: Path) -> None:
    """Told to use responses, and with a newer model, for which it does so by itself."""
    path = str(PROGRAMS / "responses" / "langchain_app.py")
    lines = run(interceptor, tmp_path, "agents", path)
    assert lines == [SUNNY, *map(json.dumps, PIECES)] * 2
    assert streamed(scripted) == [False, False, True, True] * 2


def test_pydantic_ai(interceptor: Interceptor, scripted: StandIn, tmp_path: Path) -> None:
    """With a tool, and with answers of a type: by a tool of its own, and by a schema.

    The model calls that tool wrongly at first, as the script has it, and is told so.
    """
    path = str(PROGRAMS / "responses" / "pydantic_ai_app.py")
    lines = run(interceptor, tmp_path, "agents", path)
    assert lines == [SUNNY, *map(json.dumps, PIECES), *['{"name":"text","people":1}'] * 2]
    assert streamed(scripted) == [False, False, True, True, False, False, False]


def test_llm(interceptor: Interceptor, scripted: StandIn, tmp_path: Path) -> None:
    functions = "def get_weather(city: str) -> str:\n    return 'sunny in ' + city"
    ask = ("-m", "llm", "hello there")
    assert run(interceptor, tmp_path, "agents", *ask) == ["You said: hello there"]
    used = run(interceptor, tmp_path, "agents", *ask, "--no-stream", "--functions", functions)
    assert SUNNY in used
    assert streamed(scripted) == [True, False, False]


def test_gptme(interceptor: Interceptor, standin: StandIn, tmp_path: Path) -> None:
    """Runs a command, saves a file, and ends when the model says so, all in blocks of its text."""
    standin.play(
        {"reasoning": "I should look.", "text": "```shell\necho one two\n```\n"},
        {"text": "```save hello.txt\nhello there\n```\n\n```complete\n```\n"},
    )
    try:
        run(interceptor, tmp_path, "agents", "-m", "gptme", "--non-interactive", "hello there")
    finally:
        standin.end_script()
    assert (tmp_path / "hello.txt").read_text().strip() == "hello there"
    # It tells the output of a command in its instructions.
    instructions = [str(body["messages"][0]) for body in bodies(standin)]
    assert any("command: `echo one two`" in each for each in instructions)


RUN: dict[str, Any] = {"tool_calls": [{"name": "run_code", "arguments": {"input": "print(1)"}}]}
CUT = {"text": "one two three four five six", "fault": "cut", "after": 4}
RESULTS: dict[str, Any] = {
    "create": ["completed", "You said: hello there", "Be brief.", "gpt-5.5", True],
    "stream": [
        "response.created",
        ["You", " said", ":", " hello", " there"],
        True,
        "You said: hello there",
    ],
    "parse": {"name": "text", "people": 1},
    "parse_stream": {"name": "text", "people": 1},
    "tools_with_state": [["reasoning", "function_call"], SUNNY, True, "function_call_output"],
    "tools_without_state": [True, SUNNY],
    "tools_streamed": SUNNY,
    "custom_tool": ["run_code", "print(1)", "The tool says: 1", "print(1)"],
    "bad_parameter": [400, "input[0].content[0]"],
    "unknown_response": 404,
    "unknown_previous_response": [400, "previous_response_not_found", "previous_response_id"],
    # Its error, whether a text came, and whether it was completed.
    "cut_stream": ["APIError", True, False],
}


def test_openai(interceptor: Interceptor, standin: StandIn, tmp_path: Path) -> None:
    """OpenAI's own package: whole, streamed, parsed, tools, a custom tool, and errors."""
    standin.play(*USE_A_TOOL, RUN, {}, CUT)
    try:
        lines = run(interceptor, tmp_path, "current", str(PROGRAMS / "responses" / "openai_app.py"))
    finally:
        standin.end_script()
    assert dict(map(json.loads, lines)) == RESULTS
