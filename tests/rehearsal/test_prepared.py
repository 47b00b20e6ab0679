"""A rehearsal before and after its calls: what is left to be made, and what is reported."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from msgspec.structs import replace

from vast_intercept.rehearsal.calls import Answer, RehearsedCall
from vast_intercept.rehearsal.rehearse import (
    InterruptedRehearsalError,
    Prepared,
    RehearsalError,
    RehearseOptions,
    prepared,
)
from vast_intercept.rehearsal.replaying.replayer import Work
from vast_intercept.rehearsal.replaying.results import keyed
from vast_intercept.telemetry.report import CallReport, Ending

from ..harness import VAST_KEY, write_config

ANSWER = json.dumps(
    {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "hello"}}]}
).encode()

type Preparing = Callable[..., AbstractContextManager[Prepared]]


def line(text: str) -> str:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}) + "\n"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "calls.jsonl"
    path.write_text(line("one") + "{}\n" + line("two") + line("one"))
    return path


@pytest.fixture
def preparing(tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch) -> Preparing:
    monkeypatch.setenv("VAST_API_KEY", VAST_KEY)
    monkeypatch.delenv("VAST_ENDPOINT", raising=False)
    config = write_config(tmp_path / "vast.yaml", vast={"endpoint": "my-endpoint"})

    def prepare(**more: object) -> AbstractContextManager[Prepared]:
        given = {"file": recording, "config": str(config)} | more
        return prepared(RehearseOptions(**given))  # type: ignore[arg-type]

    return prepare


def make(rehearsal: Prepared, count: int, run: int = 0) -> None:
    """Has the first calls made."""
    report = CallReport(request_id="r", time=1.5, outcome=Ending.OK, endpoint="my-endpoint")
    found = Answer(status=200, content_type="application/json", body=ANSWER)
    for key, _ in list(keyed(rehearsal.calls(), run))[:count]:
        rehearsal.results.keep(key, RehearsedCall(answer=found, report=report))


def test_all_calls_of_all_runs_are_left_at_first(preparing: Preparing) -> None:
    with preparing(runs=2) as rehearsal:
        assert (rehearsal.plan.calls, rehearsal.plan.in_all, rehearsal.left) == (3, 6, 6)
        assert [each.place for each in rehearsal.unusable] == ["line 2"]
        assert list(rehearsal.entries()) == []


def test_what_was_made_is_not_left_and_is_reported(preparing: Preparing) -> None:
    with preparing() as rehearsal:
        make(rehearsal, 2)
    with preparing(runs=2) as rehearsal:
        assert rehearsal.left == 4
        entries = list(rehearsal.entries())
        assert [entry.call.place for entry in entries] == ["line 1", "line 3"]
        assert [len(entry.runs) for entry in entries] == [1, 1]
        assert entries[0].runs[0].reply.text == "hello"
    with preparing(endpoint="another") as rehearsal:
        assert rehearsal.left == 3


def test_earlier_results_are_forgotten_no_sooner_than_calls_are_made(
    preparing: Preparing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who says no to `--fresh` keeps what was paid for."""
    with preparing() as rehearsal:
        make(rehearsal, 2)
    with preparing(fresh=True) as rehearsal:
        assert rehearsal.left == 3
        assert "have a result from before" not in rehearsal.announcement()
    with preparing() as rehearsal:
        assert rehearsal.left == 1

    def interrupted(options: object, work: Work) -> None:
        key, _ = next(work.calls)
        assert not work.results.has(key)
        make(rehearsal, 1)
        work.made, work.interrupted = 1, True

    monkeypatch.setattr("vast_intercept.rehearsal.rehearse._run", interrupted)
    # The same command, with --fresh, would make it again.
    goes_on = r"2 of 3 calls are still .* The same command without --fresh goes on there"
    with (
        preparing(fresh=True) as rehearsal,
        pytest.raises(InterruptedRehearsalError, match=goes_on),
    ):
        rehearsal.make_calls()
    with preparing() as rehearsal:
        assert rehearsal.left == 2


def test_a_limit_counts_calls_and_not_what_is_none(preparing: Preparing) -> None:
    with preparing(limit=2) as rehearsal:
        assert [each.place for each in rehearsal.calls()] == ["line 1", "line 3"]
        make(rehearsal, 2)
    with preparing(limit=3) as rehearsal:
        assert rehearsal.left == 1


def test_calls_that_come_while_it_is_rehearsed_are_told_of_and_left_out(
    preparing: Preparing, recording: Path
) -> None:
    with preparing() as rehearsal:
        assert not rehearsal.has_changed()
        make(rehearsal, 3)
        with recording.open("a") as more:
            more.write(line("three"))
        assert rehearsal.has_changed()
        assert [entry.call.place for entry in rehearsal.entries()] == ["line 1", "line 3", "line 4"]
        recording.unlink()
        assert rehearsal.has_changed()


def test_what_is_no_recording_gets_no_file_for_results(
    preparing: Preparing, recording: Path
) -> None:
    recording.write_text('{"log": {"version": "1.2", "entries": []}}')
    with pytest.raises(RehearsalError, match=r"has no call that could be rehearsed\."):
        preparing().__enter__()
    assert sorted(each.name for each in recording.parent.iterdir()) == ["calls.jsonl", "vast.yaml"]


def test_mitmproxys_own_options_do_not_lead_calls_elsewhere(preparing: Preparing) -> None:
    with preparing() as rehearsal:
        assert rehearsal._objection(rehearsal.config) == ""
        other = replace(rehearsal.config, endpoint="other")
        assert "config.yaml" in rehearsal._objection(other)
