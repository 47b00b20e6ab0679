"""A long recording: what a rehearsal holds does not grow with it."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow

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

WITH_PEAK = """
import resource, sys
from vast_intercept.cli.main import main
try:
    main()
finally:
    print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""


URL = "https://api.openai.com/v1/chat/completions"


def write_recording(path: Path) -> tuple[list[RecordedCall], bytes]:
    """A chat, again and again, with another number each time. Returns the calls, and an answer."""
    text = "What is number 00000? " + "word " * 100
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": text},
    }
    usage = {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200}
    answer = json.dumps({"model": "gpt-4o", "choices": [choice], "usage": usage}).encode()
    request = json.dumps(body).encode()
    kind = {"content-type": "application/json"}
    flow = tflow.tflow(
        req=http.Request.make("POST", URL, request, kind),
        resp=http.Response.make(200, answer, kind),
    )
    file = io.BytesIO()
    FlowWriter(file).add(flow)
    with path.open("wb") as out:
        for number in range(CALLS):
            out.write(_with(number, file.getvalue()))
    calls = [
        RecordedCall(place="", method="POST", url=URL, body=_with(number, request))
        for number in range(CALLS)
    ]
    return calls, answer


def _with(number: int, text: bytes) -> bytes:
    return text.replace(b"number 00000", b"number %05d" % number)


@pytest.mark.slow
def test_ten_thousand_calls_take_less_than_300_mib(
    standin: StandIn, vast_section: dict[str, Any], tmp_path: Path, confdir: Path
) -> None:
    recording = tmp_path / "calls.flows"
    calls, answer = write_recording(recording)
    config = harness.write_config(tmp_path / "vast.yaml", vast=vast_section)
    report = CallReport(request_id="r", time=1.5, outcome=Ending.OK, endpoint=harness.ENDPOINT)
    found = Answer(status=200, content_type="application/json", body=answer, duration=0.5)
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
