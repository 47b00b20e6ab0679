"""`vast-intercept rehearse` with what cannot be rehearsed: says why, and makes no call."""

import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from vast_intercept.cli.rehearse import rehearse
from vast_intercept.rehearsal.replaying.results import Results

from ..harness import VAST_KEY, write_config

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}

type Command = Callable[..., Result]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "calls.jsonl"
    path.write_text(f"{json.dumps(CHAT)}\n{json.dumps(CHAT)}\n")
    return path


@pytest.fixture
def command(tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command for the recording, with a key and an endpoint if nothing else is said."""
    for name in ("VAST_ENDPOINT", "VAST_INTERCEPT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VAST_API_KEY", VAST_KEY)
    config = write_config(tmp_path / "vast.yaml", vast={"endpoint": "my-endpoint"})

    def run(*options: str, file: Path = recording, config: Path = config) -> Result:
        given = [str(file), "--config", str(config), "--per-hour", "1", *options]
        return CliRunner().invoke(rehearse, given, catch_exceptions=False)

    return run


def test_without_a_terminal_it_takes_yes(command: Command, recording: Path) -> None:
    done = command()
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "2 calls on my-endpoint, at most 4 at a time:",
        "         2  chat/completions",
        "Prompt tokens  about 18",
        "Time           about 2.5 s",
        "Cost           about $0.000694",
        "- Prompt tokens are estimated from the bytes of the requests.",
        "- The recording does not say how long calls took: each takes 5 s.",
        "- Time that calls wait for a worker is not in it.",
        "- All workers together cost $1.00 an hour, says --per-hour.",
        "vast-intercept rehearse: There is no terminal to ask on: pass --yes to make the calls.",
    ]
    assert not recording.with_name("calls.jsonl.html").exists()


def test_who_says_no_is_told_that_nothing_was_done(
    command: Command, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ask(*, yes: bool) -> None:
        asked.append(yes)
        raise click.Abort  # as `click.confirm` does

    monkeypatch.setattr("vast_intercept.cli.rehearsing._ask", ask)
    done = command()
    assert (asked, done.exit_code, done.stdout) == ([False], 130, "")
    assert done.stderr.splitlines()[-1] == "vast-intercept rehearse: No call was made."
    assert not recording.with_name("calls.jsonl.html").exists()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--limit", "0", "--limit"),
        ("--concurrency", "0", "--concurrency"),
        ("--runs", "-1", "--runs"),
        ("--fail-under", "served=2", "served: '2' is not a share from 0 to 1"),
        ("--fail-under", "speed=1", "'speed' is not a measure"),
        ("--per-hour", "much", "--per-hour: 'much' is not a price"),
        ("--output", "/nowhere/page.html", "page.html cannot be written: there is no folder"),
        ("--prices", "/nowhere.yaml", "/nowhere.yaml: cannot be read"),
    ],
)
def test_an_option_that_is_wrong_is_told_of_before_anything_is_done(
    command: Command, recording: Path, option: str, value: str, said: str
) -> None:
    done = command(option, value, "--yes")
    assert done.exit_code == 2
    assert said in done.stderr
    assert not recording.with_name("calls.jsonl.rehearsal").exists()


def test_what_serve_would_miss_is_missed_here(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = write_config(tmp_path / "nothing.yaml")
    done = command(config=nothing)
    assert done.exit_code == 2
    assert "There is no Vast endpoint. Name it with --endpoint, VAST_ENDPOINT, or" in done.stderr
    monkeypatch.delenv("VAST_API_KEY")
    done = command()
    assert done.exit_code == 2
    assert "There is no Vast API key: " in done.stderr
    assert "Set VAST_API_KEY, or vast.api_key" in done.stderr
    done = command(config=tmp_path / "not-there.yaml")
    assert done.exit_code == 2
    assert "not-there.yaml" in done.stderr
    broken = tmp_path / "broken.yaml"
    broken.write_text("vast: {endpoint: [1]}\n")
    done = command(config=broken)
    assert done.exit_code == 2
    assert "broken.yaml" in done.stderr
    missing = {"box": {"url": "https://box.test", "api_key": "env:NO_SUCH_KEY"}}
    machine = write_config(tmp_path / "machine.yaml", endpoints=missing)
    done = command("--endpoint", "box", config=machine)
    assert done.exit_code == 2
    assert "NO_SUCH_KEY" in done.stderr


@pytest.mark.parametrize("what", ["calls.jsonl", "calls.jsonl.rehearsal", "vast.yaml", "link"])
def test_a_page_replaces_nothing_that_the_rehearsal_needs(
    command: Command, recording: Path, tmp_path: Path, what: str
) -> None:
    (tmp_path / "link").hardlink_to(recording)
    page = tmp_path / what
    before = page.read_bytes() if page.exists() else None
    done = command("--yes", "--output", str(page))
    assert done.exit_code == 2
    assert "which a page would replace." in done.stderr
    assert (page.read_bytes() if page.exists() else None) == before


def test_a_recording_that_is_none_is_told_of(command: Command, tmp_path: Path) -> None:
    for name, content in (("none", b"\x00\x01"), ("empty", b""), ("no-calls.jsonl", b"{}\n")):
        file = tmp_path / name
        file.write_bytes(content)
        done = command(file=file)
        assert done.exit_code == 2
        assert name in done.stderr
    done = command(file=tmp_path / "not-there")
    assert done.exit_code == 2
    assert "not-there cannot be read: No such file or directory." in done.stderr


def test_results_that_cannot_be_used_are_told_of_and_replaced_if_asked(
    command: Command, recording: Path
) -> None:
    results = recording.with_name("calls.jsonl.rehearsal")
    results.write_bytes(b"rubbish" * 1_000)
    done = command()
    assert done.exit_code == 2
    assert "is broken: file is not a database. With --fresh it is replaced" in done.stderr
    done = command("--fresh")
    assert "pass --yes" in done.stderr
    with sqlite3.connect(results) as database:
        database.execute("pragma user_version = 99")
    database.close()
    assert "results of another version" in command().stderr


def test_a_folder_where_no_results_can_be_kept_is_told_of(
    command: Command, recording: Path
) -> None:
    recording.with_name("calls.jsonl.rehearsal").mkdir()
    done = command()
    assert done.exit_code == 2
    assert "calls.jsonl.rehearsal cannot be written: Is a directory." in done.stderr
    assert "copy that into a folder of yours" in done.stderr


def test_the_second_of_two_at_once_is_refused(command: Command, recording: Path) -> None:
    with Results(recording.with_name("calls.jsonl.rehearsal"), "s"):
        for options in ([], ["--fresh"]):
            done = command(*options)
            assert done.exit_code == 2
            assert "is in use: another rehearsal of this recording runs." in done.stderr


def test_other_commands_start_without_what_it_needs() -> None:
    source = (
        "import sys; from click.testing import CliRunner; from vast_intercept.cli.main import main;"
        " done = CliRunner().invoke(main, ['rehearse', '--help']); assert done.exit_code == 0;"
        " print([name for name in sys.modules if 'mitmproxy' in name or 'rehearsal' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_no_options_of_mitmproxys_own_file_have_a_call_reach_its_provider(
    command: Command, recording: Path, tmp_path: Path
) -> None:
    """mitmproxy's own file of options wins over `--set` (FACTS M76)."""
    (tmp_path / "config.yaml").write_text("vast_rehearse: false\n")
    with socket.create_server(("127.0.0.1", 0)) as provider:
        port = provider.getsockname()[1]
        config = write_config(
            tmp_path / "vast.yaml",
            vast={"endpoint": "my-endpoint"},
            providers=[{"name": "own", "host": "localhost", "port": port, "scheme": "http"}],
            unsupported={"embeddings": "pass"},
        )
        asked = {"url": f"http://localhost:{port}/v1/embeddings", "body": {"input": "x"}}
        recording.write_text(f"{json.dumps(asked)}\n")
        done = command("--yes", "--json", "--set", f"confdir={tmp_path}", config=config)
        provider.setblocking(False)
        with pytest.raises(BlockingIOError):
            provider.accept()
    assert done.exit_code == 0, done.stderr
    assert [each["reason"] for each in json.loads(done.stdout)["not_served"]] == ["not_rehearsed"]


def test_who_interrupts_it_as_it_starts_is_not_told_that_a_gate_fell(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it needs takes a second to load. click itself ends with 1."""

    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vast_intercept.cli.rehearsing._rehearse", interrupted)
    done = command("--yes")
    assert done.exit_code == 130
    assert "Interrupted. The same command" in done.stderr
