"""Coding agents and packages for Node, unchanged, with models that only have chat completions.

They speak the Responses API or Anthropic's Messages by default. The stand-in's script calls their
tools, and they must come to their end with what the tools did.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ...harness import APP_KEY, Certificates, StandIn
from .apps import ANTHROPIC_KEY, Apps, Ran, apps_through
from .environments import InstallationError, app, runtime, sdk_program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),  # on first use, an app is installed
]

TASK = "Read greeting.txt with a shell command, then make it say goodbye."
DONE = "The file says goodbye now."
PATCH = """\
*** Begin Patch
*** Update File: greeting.txt
@@
-hello
+goodbye
*** End Patch
"""
WEATHER = {"tool_calls": [{"name": "get_weather", "arguments": {"city": "Paris"}}]}
SUNNY = "It is sunny in Paris."
SAID = "You said: hello there"
PIECES = ["You", " said", ":", " hello", " there"]


@pytest.fixture(scope="module")
def _apps(
    _standin: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Apps]:
    with apps_through(tmp_path_factory.mktemp("apps"), _standin, certs) as apps:
        yield apps


@pytest.fixture
def apps(_apps: Apps, standin: StandIn) -> Iterator[Apps]:
    """What runs an app."""
    yield _apps
    standin.end_script()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a file that a coding agent is to edit."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "greeting.txt").write_text("hello\n")
    return folder


def installed(install: Callable[[str], str], what: str) -> str:
    """The path of a program. What cannot be installed fails the test."""
    try:
        return install(what)
    except InstallationError as error:
        pytest.fail(str(error), pytrace=False)


def calling(name: str, **arguments: str) -> dict[str, Any]:
    """A turn of the script that calls a tool."""
    return {"tool_calls": [{"name": name, "arguments": arguments}]}


def results(chat: dict[str, Any]) -> list[str]:
    """What the tools of a conversation gave, as the model was told."""
    told = [message["content"] for message in chat["messages"] if message["role"] == "tool"]
    return [
        content if isinstance(content, str) else "".join(part["text"] for part in content)
        for content in told
    ]


def test_codex(apps: Apps, project: Path) -> None:
    """It calls a tool of a group, and runs commands and edits files with JavaScript."""
    read = 'const read = await tools.exec_command({cmd: "cat greeting.txt"});\ntext(read.output);\n'
    edit = f"text(await tools.apply_patch({json.dumps(PATCH)}));\n"
    apps.standin.play(
        calling("*list_agents"),
        calling("*exec", input=read),
        calling("*exec", input=edit),
        {"text": DONE},
    )
    codex = installed(app, "codex/vendor/x86_64-unknown-linux-musl/bin/codex")
    command = [codex, "exec", "--skip-git-repo-check", "--sandbox", "workspace-write", TASK]
    ran = apps.run(project, *command, CODEX_API_KEY=APP_KEY)
    assert ran.output == f"{DONE}\n"
    assert (project / "greeting.txt").read_text() == "goodbye\n"
    # Its WebSocket is refused, and it asks for no other.
    assert (ran.served, ran.refused, ran.failed) == (4, 1, 0)
    *_, last = apps.asked()
    agents, command_said, patch_said = results(last)
    assert json.loads(agents) == {"agents": [{"agent_name": "/root", "agent_status": "running"}]}
    assert "hello" in command_said
    assert "Script completed" in patch_said


def test_opencode(apps: Apps, project: Path) -> None:
    apps.standin.play(
        calling("bash", command="cat greeting.txt", description="Shows the greeting"),
        calling("apply_patch", patchText=PATCH),
        {"text": DONE},
    )
    opencode = installed(app, "opencode/bin/opencode")
    ran = apps.run(project, opencode, "run", TASK, OPENAI_API_KEY=APP_KEY)
    assert DONE in ran.output
    assert (project / "greeting.txt").read_text() == "goodbye\n"
    # One of them for a title.
    assert (ran.served, ran.refused, ran.failed) == (4, 0, 0)
    *_, last = apps.asked()
    assert results(last)[0] == "hello\n"


def test_claude_code(apps: Apps, project: Path) -> None:
    path = str(project / "greeting.txt")
    apps.standin.play(
        calling("Bash", command="cat greeting.txt", description="Shows the greeting"),
        calling("Read", file_path=path),
        calling("Write", file_path=path, content="goodbye\n"),
        {"text": DONE},
    )
    claude = installed(app, "claude-code/claude")
    command = [claude, "-p", TASK, "--allowedTools", "Bash(cat:*)", "Write"]
    ran = apps.run(project, *command, ANTHROPIC_API_KEY=ANTHROPIC_KEY)
    assert ran.output == f"{DONE}\n"
    assert (project / "greeting.txt").read_text() == "goodbye\n"
    assert (ran.served, ran.refused, ran.failed) == (4, 0, 0)
    *_, last = apps.asked()
    assert results(last)[0] == "hello"


def node(apps: Apps, folder: Path, program: str, *arguments: str) -> Ran:
    """Runs a program for Node."""
    path = installed(sdk_program, f"{program}_app.mjs")
    command = [installed(runtime, "node-24/bin/node"), path, *arguments]
    return apps.run(folder, *command, OPENAI_API_KEY=APP_KEY, ANTHROPIC_API_KEY=ANTHROPIC_KEY)


def test_openai_agents(apps: Apps, tmp_path: Path) -> None:
    """Their traces are answered, and go nowhere."""
    apps.standin.play(WEATHER, {})
    ran = node(apps, tmp_path, "agents")
    assert ran.output == f"The tool says: {SUNNY}\n" * 3
    assert (ran.served, ran.refused, ran.failed) == (5, 0, 0)
    assert len(apps.asked()) == 4


def test_vercel_ai_sdk(apps: Apps, tmp_path: Path) -> None:
    apps.standin.play(WEATHER, {})
    ran = node(apps, tmp_path, "ai")
    *pieces, end = map(json.loads, ran.output.splitlines())
    assert "".join(pieces) == f"The tool says: {SUNNY}"
    assert len(pieces) > 5
    assert end == ["stop", True, True]
    assert (ran.served, ran.refused, ran.failed) == (2, 0, 0)


RESPONSES = {
    "create": {"status": "completed", "output_text": SAID, "store": True, "counted": True},
    "stream": {
        "types": [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            *["response.output_text.delta"] * 5,
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ],
        "pieces": PIECES,
        "status": "completed",
        "output_text": SAID,
    },
    "parse": {"city": "text", "sunny": True},
}


@pytest.mark.parametrize("way", RESPONSES)
def test_openai_package(way: str, apps: Apps, tmp_path: Path) -> None:
    ran = node(apps, tmp_path, "responses", way)
    assert json.loads(ran.output) == RESPONSES[way]
    assert (ran.served, ran.refused, ran.failed) == (1, 0, 0)


def test_openai_package_with_tools_over_several_turns(apps: Apps, tmp_path: Path) -> None:
    """Once the interceptor remembers the conversation, and once the app does."""
    apps.standin.play({**WEATHER, "reasoning": "I must look."}, {}, {"text": "Rain."})
    texts = ["", f"The tool says: {SUNNY}", "Rain."]
    ran = node(apps, tmp_path, "responses", "remembered")
    assert json.loads(ran.output) == texts
    assert (ran.served, ran.refused, ran.failed) == (3, 0, 0)

    ran = node(apps, tmp_path, "responses", "stateless")
    types = [["reasoning", "function_call"], ["message"], ["message"]]
    assert json.loads(ran.output) == {"texts": texts, "types": types}
    assert (ran.served, ran.refused, ran.failed) == (3, 0, 0)

    remembered, stateless = apps.asked()[2], apps.asked()[5]
    roles = ["user", "assistant", "tool", "assistant", "user"]
    for chat in (remembered, stateless):
        assert [message["role"] for message in chat["messages"]] == roles
        assert chat["messages"][-1]["content"] == "And tomorrow?"
        assert results(chat) == [SUNNY]


def test_errors_of_openai_package(apps: Apps, tmp_path: Path) -> None:
    ran = node(apps, tmp_path, "responses", "errors")
    assert json.loads(ran.output) == [
        ["BadRequestError", 400, "input[0].type", "invalid_value"],
        ["BadRequestError", 400, "background", "unsupported_parameter"],
        ["BadRequestError", 400, "previous_response_id", "previous_response_not_found"],
    ]
    assert (ran.served, ran.refused, ran.failed) == (0, 3, 0)


TEXT = [{"type": "text", "text": SAID, "citations": None}]
MESSAGES = {
    "create": {
        "type": "message",
        "role": "assistant",
        "stop_reason": "end_turn",
        "content": TEXT,
        "counted": True,
    },
    "stream": {
        "types": [
            "message_start",
            "content_block_start",
            *["content_block_delta"] * 5,
            "content_block_stop",
            "message_delta",
            "message_stop",
        ],
        "pieces": PIECES,
        "stop_reason": "end_turn",
        "content": TEXT,
    },
    "counted": True,
}


@pytest.mark.parametrize("way", MESSAGES)
def test_anthropic_package(way: str, apps: Apps, tmp_path: Path) -> None:
    ran = node(apps, tmp_path, "messages", way)
    assert json.loads(ran.output) == MESSAGES[way]
    assert (ran.served, ran.refused, ran.failed) == (1, 0, 0)


def test_anthropic_package_with_tools(apps: Apps, tmp_path: Path) -> None:
    apps.standin.play(WEATHER, {})
    answer = [{"type": "text", "text": f"The tool says: {SUNNY}", "citations": None}]
    ran = node(apps, tmp_path, "messages", "tools")
    assert json.loads(ran.output) == {"stops": ["tool_use", "end_turn"], "content": answer}
    assert (ran.served, ran.refused, ran.failed) == (2, 0, 0)

    # It asks us to hold the conversation, is told that we cannot, and holds it by itself.
    ran = node(apps, tmp_path, "messages", "runner")
    assert json.loads(ran.output) == {"stop_reason": "end_turn", "content": answer}
    assert (ran.served, ran.refused, ran.failed) == (2, 1, 0)


def test_errors_of_anthropic_package(apps: Apps, tmp_path: Path) -> None:
    ran = node(apps, tmp_path, "messages", "errors")
    assert json.loads(ran.output) == ["BadRequestError", 400, "invalid_request_error"]
    assert (ran.served, ran.refused, ran.failed) == (0, 1, 0)
