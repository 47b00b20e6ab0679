"""A program is recorded with its provider, and rehearsed on a Vast that answers otherwise."""

import base64
import gzip
import json
import re
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
from mitmproxy.addons.savehar import SaveHar
from mitmproxy.io import FlowReader
from playwright.sync_api import Browser, expect

from ...fixtures.browsing import browser, has_room, opened, violations
from ...harness import APP_KEY, VAST_KEY
from .cases import CALLS, CASES, VAST_S_SCRIPT, expected
from .conftest import Ran, Recorded, Stage, ended
from .provider import PROVIDER_KEY

__all__ = ["browser"]

# Vast's own share: it serves no moderations.
SENT = CALLS - 1


@pytest.fixture(scope="module")
def first(_stage: Stage) -> Ran:
    """The rehearsal that later tests start again."""
    _stage.standin.play(replies=VAST_S_SCRIPT)
    ran = _stage.rehearse("--json")
    assert ran.code == 0, ran.errors
    return ran


def test_the_program_s_calls_are_recorded_while_its_provider_answers(recorded: Recorded) -> None:
    assert recorded.ran.output == "all answered\n"
    assert len(recorded.received) == CALLS
    assert {key for _, key in recorded.received} == {f"Bearer {APP_KEY}"}
    last = recorded.ran.errors.splitlines()[-1]
    assert f"{CALLS} calls" in last
    assert "vast-intercept rehearse calls.flows" in last


def test_the_report_counts_what_the_script_did(first: Ran) -> None:
    report = first.report
    measures = report["measures"]
    counted = {name: (each["cases"], each["holds"]) for name, each in measures.items()}
    assert counted == {str(name): pair for name, pair in expected().items()}
    assert (report["recorded_calls"], report["rehearsed_calls"]) == (CALLS, CALLS)


def test_the_page_shows_these_counts_in_a_browser(
    browser: Browser, first: Ran, stage: Stage
) -> None:
    assert first.code == 0
    page_file = stage.recording.with_name(f"{stage.recording.name}.html")
    with opened(browser, page_file.as_uri(), width=380) as page:
        expect(page.locator("#calls > li")).to_have_count(CALLS)
        rows = page.locator("#measures tbody tr").all_inner_texts()
        assert violations(page) == []
        assert has_room(page, 380)
    counts = [pair for pair in expected().values() if pair[0]]
    assert len(rows) == len(counts)
    for row, (cases, holds) in zip(rows, counts, strict=True):
        assert f"{holds} of {cases}" in row


def test_a_har_file_of_the_same_calls_comes_to_the_same_counts(first: Ran, stage: Stage) -> None:
    har = stage.copy("calls.har")
    with stage.recording.open("rb") as recording:
        har.write_text(json.dumps(SaveHar().make_har([*FlowReader(recording).stream()])))
    ran = stage.rehearse("--json", recording=har)
    assert ran.code == 0, ran.errors
    assert ran.report["measures"] == first.report["measures"]
    assert len(stage.sent()) == SENT


def test_what_vast_does_not_serve_is_named_with_its_reason(first: Ran) -> None:
    (reason,) = first.report["not_served"]
    assert reason["reason"] == "unsupported_endpoint"
    assert reason["answers"] == 1


def test_a_finished_rehearsal_makes_no_call_again_and_gates_decide_its_end(
    first: Ran, stage: Stage
) -> None:
    fell = stage.rehearse("--json", "--fail-under", "served=0.99,json=1,tools=0.95")
    assert fell.code == 1
    for gate in ("served", "json", "tools"):
        assert gate in fell.errors
    assert fell.report["measures"] == first.report["measures"]
    held = stage.rehearse("--fail-under", "served=0.96,json=0.75,tools=0.75")
    assert held.code == 0, held.errors
    assert f"{CALLS} calls of {CALLS}" in held.output
    assert stage.sent() == []


def test_of_a_recording_that_is_cut_all_that_is_whole_is_used_and_the_cut_is_told(
    first: Ran, stage: Stage
) -> None:
    """All answers of Vast are known from before, so that no call is made."""
    cut = stage.copy("cut.flows")
    with cut.open("r+b") as file:
        file.truncate(cut.stat().st_size - 1)
    shutil.copy(stage.recording.with_name("calls.flows.rehearsal"), f"{cut}.rehearsal")
    ran = stage.rehearse("--json", recording=cut)
    assert ran.code == 0, ran.errors
    assert "1 part of the recording cannot be used" in ran.errors
    report = ran.report
    (unusable,) = report["unusable"]
    assert unusable["place"] == f"flow {CALLS}"
    assert "ends in the middle" in unusable["why"]
    assert report["rehearsed_calls"] == report["measures"]["served"]["cases"] == CALLS - 1
    assert stage.sent() == []


def test_runs_tell_chance_from_what_the_move_changes(stage: Stage) -> None:
    """The first call has another answer each time, the second one always the same."""
    recording = stage.copy("runs.flows")
    ran = stage.rehearse("--json", "--runs", "3", "--limit", "2", recording=recording)
    assert ran.code == 0, ran.errors
    assert len(stage.sent()) == 6
    report = ran.report
    assert (report["runs"], report["rehearsed_calls"]) == (3, 2)
    assert report["measures"]["served"]["cases"] == 6
    assert report["answers_by_chance"] == 3


def test_an_interrupted_rehearsal_goes_on_with_no_call_twice_and_none_lost(stage: Stage) -> None:
    recording = stage.copy("interrupted.flows")
    stage.standin.play(replies=[{"to": "", "answers": [{"text": "Well.", "gate": "go"}]}])
    rehearsing = stage.start("--concurrency", "3", recording=recording)
    stage.standin.wait_for_calls("running", 3)
    rehearsing.send_signal(signal.SIGINT)
    # Those that run come to their end. A stream has a chunk for each opening.
    for _ in range(10):
        stage.standin.open_gate("go")
    interrupted = ended(rehearsing)
    assert interrupted.code == 130, interrupted.errors
    assert "Traceback" not in interrupted.errors
    made = len(stage.sent())
    assert 3 <= made < SENT

    stage.standin.play(replies=VAST_S_SCRIPT)
    went_on = stage.rehearse("--json", recording=recording)
    assert went_on.code == 0, went_on.errors
    assert went_on.report["rehearsed_calls"] == CALLS
    bodies = Counter(stage.sent())
    assert len(bodies) == SENT
    assert set(bodies.values()) == {1}
    # A response that continues another one is asked for with the conversation of both.
    assert sum("My name is Ada." in body for body in bodies) == 2


def test_an_endpoint_that_is_down_half_of_the_time_is_counted_as_it_was(stage: Stage) -> None:
    recording = stage.copy("half-down.flows")
    # Calls are tried again, so that most are served in the end, but for one that never is.
    never = {"to": "What is a proxy?", "answers": [{"status": 503}]}
    stage.standin.play(replies=[never, *VAST_S_SCRIPT])
    stage.standin.faults(seed=1, probability={"refuse": 0.5})
    ran = stage.rehearse("--json", "--limit", "10", "--concurrency", "10", recording=recording)
    assert ran.code == 0, ran.errors
    answered = set(stage.sent(200))
    assert 0 < len(answered) < 10 < len(stage.sent())
    report = ran.report
    served = report["measures"]["served"]
    assert (served["cases"], served["holds"]) == (10, len(answered))
    assert sum(each["answers"] for each in report["not_served"]) == 10 - len(answered)


def test_each_chat_is_exported_with_what_the_provider_said(stage: Stage) -> None:
    ran = stage.export("-o", "chats.jsonl", "--redact", "shrimp")
    assert ran.code == 0, ran.errors
    lines = [json.loads(line) for line in (stage.folder / "chats.jsonl").read_text().splitlines()]
    answers = [line["messages"][-1] for line in lines]
    said = Counter(answer.get("content") for answer in answers if not answer.get("tool_calls"))
    texts = [case.provider["text"] for case in CASES if "text" in case.provider]
    assert said == Counter(text.replace("shrimp", "[REDACTED]") for text in texts)
    assert len(lines) == len(CASES)
    assert all("tools" in line for line in lines if line["messages"][-1].get("tool_calls"))


def test_no_file_has_a_key_and_only_its_owner_reads_it(
    recorded: Recorded, first: Ran, stage: Stage
) -> None:
    """Looks at all that the tests before this one have had written."""
    printed = stage.rehearse("--output", "page.html")
    written = [path for path in stage.folder.iterdir() if path.is_file()]
    assert {recorded.path.name, f"{recorded.path.name}.rehearsal", "page.html"} <= {
        path.name for path in written
    }
    for path in written:
        if path.name != "vast.yaml":
            assert path.stat().st_mode & 0o777 == 0o600, path
            content = readable(path)
            prompt, model = b"What is a proxy?", b"stand-in"
            assert (model if path.suffix == ".rehearsal" else prompt) in content, path
            assert keys_in(content) == [], path
    for said in (recorded.ran, first, printed):
        assert keys_in(f"{said.output}{said.errors}".encode()) == []


def readable(path: Path) -> bytes:
    """What is in a file, with what a page has packed."""
    content = path.read_bytes()
    packed = re.findall(rb'<script type="application/octet-stream"[^>]*>([^<]+)', content)
    assert bool(packed) == (path.suffix == ".html"), path
    return b"".join([content, *(gzip.decompress(base64.b64decode(each)) for each in packed)])


def keys_in(content: bytes) -> list[str]:
    """The keys that stand in it."""
    return [key for key in (APP_KEY, VAST_KEY, PROVIDER_KEY) if key.encode() in content]
