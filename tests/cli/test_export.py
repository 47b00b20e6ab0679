"""`vast-intercept export`, as it is used, in this process."""

import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from vast_intercept.cli.export import export

from .. import harness
from ..rehearsal.recordings.files import ANSWER, CHAT, entry, har

HELLO = {"role": "assistant", "content": "Hello"}
KEY = "sk-proj-zyxwvutsrq9876543210"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A chat that comes twice, one with secrets, one that failed, and one of another host."""
    answer = {"choices": [{**ANSWER["choices"][0], "finish_reason": "stop"}]}
    asked = [*CHAT["messages"], {"role": "user", "content": f"{KEY}, call 555-1234"}]
    entries = [
        entry(),
        entry(),
        entry(request__postData__text=json.dumps(CHAT | {"messages": asked})),
        entry(response__status=500),
        entry(request__url="https://example.com/"),
        entry(request__url="https://example.com/"),
    ]
    for each in entries:
        each["response"]["content"]["text"] = json.dumps(answer)
    path = tmp_path / "calls.har"
    path.write_text(har(*entries), "utf-8")
    return path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(export, [str(each) for each in arguments])


def test_chats_are_written_once_and_without_keys(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "chats.jsonl"
    result = run(recording, "--format", "openai-jsonl", "-o", out, "--redact", r"\d{3}-\d{4}")
    assert result.exit_code == 0, result.output
    first, second = map(json.loads, out.read_text("utf-8").splitlines())
    assert first == {"messages": [*CHAT["messages"], HELLO]}
    assert second["messages"][1]["content"] == "***3210, call [REDACTED]"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert result.stdout == ""
    exported, others, failed = result.stderr.splitlines()
    assert exported.endswith(f"Exported 2 chats to {out}. Left out 1 equal to one of these.")
    assert "2 calls not exported: they go to hosts that are no provider's: example.com." in others
    assert "1 call not exported: the answer is an error." in failed


def test_without_a_file_chats_go_to_the_standard_output(recording: Path) -> None:
    result = run(recording)
    assert result.exit_code == 0
    assert [len(json.loads(each)["messages"]) for each in result.stdout.splitlines()] == [2, 3]
    assert "Exported 2 chats." in result.stderr


def test_an_exported_file_is_masked_by_the_keys_of_the_environment(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "Hi-and-nothing-else")
    recording.write_text(recording.read_text("utf-8").replace("Hi", "Hi-and-nothing-else"), "utf-8")
    assert "Hi-and" not in run(recording).stdout


def test_a_file_that_exists_is_not_overwritten(recording: Path) -> None:
    before = recording.read_bytes()
    result = run(recording, "-o", recording)
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert recording.read_bytes() == before


@pytest.mark.parametrize("pattern", ["(", "a*", "x" * 2_000])
def test_a_bad_pattern_is_a_usage_error(recording: Path, tmp_path: Path, pattern: str) -> None:
    result = run(recording, "-o", tmp_path / "out", "--redact", pattern)
    assert result.exit_code == 2
    assert "--redact" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_pattern_that_takes_very_long_is_a_usage_error(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vast_intercept.rehearsal.redaction.TIME_LIMIT", 0.1)
    long = json.dumps("a" * 100 + "!")[1:-1]
    recording.write_text(recording.read_text("utf-8").replace("Hi", long), "utf-8")
    result = run(recording, "-o", tmp_path / "out", "--redact", "(a+)+$")
    assert result.exit_code == 2
    assert "more than 0.1 seconds" in result.stderr
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_exported_says_why_and_leaves_no_file(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.har"
    nothing.write_text(har(entry(response__status=500)), "utf-8")
    for path, said in (
        (nothing, "has no chat that can be exported.\n1 call not exported: the answer is an error"),
        (tmp_path / "none", "No such file"),
        (tmp_path, "is a folder"),
    ):
        result = run(path, "-o", tmp_path / "out")
        assert result.exit_code == 2
        assert said in result.stderr
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("depth", [500, 900, 980, 2_000])
def test_a_chat_that_is_nested_deeply_is_written_or_told(tmp_path: Path, depth: int) -> None:
    text = json.dumps(CHAT | {"tools": None}).replace("null", "[" * depth + "]" * depth)
    content = json.dumps({"choices": [{"message": HELLO, "finish_reason": "stop"}]})
    made = entry(request__postData__text=text, response__content__text=content)
    path = tmp_path / "calls.har"
    path.write_text(har(made), "utf-8")
    result = run(path)
    assert isinstance(result.exception, SystemExit | None)
    assert result.exit_code == (0 if result.stdout else 2)


def test_a_place_that_cannot_be_written_says_so(recording: Path, tmp_path: Path) -> None:
    result = run(recording, "-o", tmp_path / "none" / "out")
    assert result.exit_code == 2
    assert "cannot be written: No such file or directory" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_standard_output_that_cannot_be_written_is_told_of(recording: Path) -> None:
    command = [harness.tool("vast-intercept"), "export", str(recording)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "vast-intercept: The standard output cannot be written: No space left on device.\n"
    )
