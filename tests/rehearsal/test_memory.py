"""A long recording: what a rehearsal holds does not grow with it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vast_intercept.config import load_config
from vast_intercept.rehearsal.calls import Answer, RecordedCall, RehearsedCall
from vast_intercept.rehearsal.rehearse import RehearseOptions
from vast_intercept.rehearsal.replaying.results import Results, keyed
from vast_intercept.rehearsal.replaying.settings_digest import settings_digest
from vast_intercept.telemetry.report import CallReport, Ending

from .. import harness
from ..harness import VAST_KEY, StandIn

CALLS = 10_000
#: Those that are made; all others were made before.
LEFT = 50
MOST = 300  # MiB

# Not `ru_maxrss`: a new process begins with that of its parent, which has run other tests.
WITH_PEAK = """
import pathlib, sys
from vast_intercept.cli.main import main
try:
    main()
finally:
    peak = pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    print("PEAK", int(peak) // 1024, file=sys.stderr)
"""


ANSWER = json.dumps(
    {
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "word " * 100},
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200},
    }
).encode()
URL = "https://api.openai.com/v1/chat/completions"


def write_recording(path: Path) -> list[RecordedCall]:
    """A chat on each line, with another number each time. Returns the calls."""
    bodies = [
        json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}).encode()
        for text in (f"What is number {number}? {'word ' * 100}" for number in range(CALLS))
    ]
    path.write_bytes(b"\n".join(bodies))
    return [RecordedCall(place="", method="POST", url=URL, body=body) for body in bodies]


@pytest.mark.slow
def test_ten_thousand_calls_take_less_than_300_mib(
    standin: StandIn, vast_section: dict[str, Any], tmp_path: Path, confdir: Path
) -> None:
    recording = tmp_path / "calls.jsonl"
    calls = write_recording(recording)
    config = harness.write_config(tmp_path / "vast.yaml", vast=vast_section)
    report = CallReport(request_id="r", time=1.5, outcome=Ending.OK, endpoint=harness.ENDPOINT)
    found = Answer(status=200, content_type="application/json", body=ANSWER, duration=0.5)
    known = RehearsedCall(answer=found, report=report)
    digest = settings_digest(load_config(config, {}))
    with Results(RehearseOptions(file=recording).results_file, digest) as results:
        for key, _ in keyed(calls[LEFT:], 0):
            results.keep(key, known)
    command = ["rehearse", str(recording), "--config", str(config), "--yes", "--per-hour", "1"]
    done = subprocess.run(
        [sys.executable, "-c", WITH_PEAK, *command, "--set", f"confdir={confdir}"],
        env=harness.clean_environ(VAST_API_KEY=VAST_KEY),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"Rehearsed {CALLS:,} calls of {CALLS:,}" in done.stdout
    assert len(standin.calls()) == LEFT
    peak = re.search(r"^PEAK (\d+)$", done.stderr, re.MULTILINE)
    assert peak
    assert int(peak[1]) < MOST
    print(f"{peak[1]} MiB")
