"""A rehearsal on a terminal that is killed, and what is there for the next one."""

import json
import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ... import harness
from ...harness import VAST_KEY, StandIn

GATES = ("killed-0", "killed-1")


class Terminal:
    """A terminal with a process in it, whose output is read as it comes."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, process_group=0
        )
        os.close(theirs)
        self._end = ours
        self._said = b""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                more = os.read(self._end, 4096)
            except OSError:  # EIO: the other end is closed
                more = b""
            with self._changed:
                self._said += more
                self._changed.notify_all()
            if not more:
                return

    def wait_for(self, pattern: bytes) -> None:
        """Waits until it has said that."""
        with self._changed:
            there = self._changed.wait_for(lambda: re.search(pattern, self._said), 30)
        assert there, self._said

    def type(self, text: str) -> None:
        """Types it."""
        os.write(self._end, text.encode())

    def kill(self) -> None:
        """Ends the process as the system does when memory is short."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self._reader.join(10)
        os.close(self._end)


def test_a_killed_rehearsal_loses_no_result_and_repeats_only_what_ran(
    standin: StandIn,
    vast_section: dict[str, Any],
    tmp_path: Path,
    confdir: Path,
) -> None:
    def body(text: str, **more: Any) -> str:
        return json.dumps(
            {"model": "m", "messages": [{"role": "user", "content": text}], "standin": more}
        )

    held = [body(f"held {number}", gate=gate) for number, gate in enumerate(GATES)]
    recording = tmp_path / "calls.jsonl"
    recording.write_text("\n".join([body("first"), body("second"), *held, body("last")]))
    section = vast_section | {"console_url": standin.url, "timeout": {"total": 60}}
    config = harness.write_config(tmp_path / "vast.yaml", vast=section)
    command = [
        *(harness.tool("vast-intercept"), "rehearse", str(recording), "--config", str(config)),
        *("--set", f"confdir={confdir}", "--concurrency", "2", "--per-hour", "1"),
    ]
    environ = harness.clean_environ(VAST_API_KEY=VAST_KEY)
    terminal = Terminal(command, environ)
    terminal.wait_for(rb"Make these calls\? \[y/N\]: ")
    terminal.type("y\n")
    terminal.wait_for(rb"Rehearsing  .* 2/5")  # the bar
    standin.wait_for_calls("running", 2)
    ended: Callable[..., Any] = subprocess.run
    second = ended([*command, "--yes"], env=environ, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert "another rehearsal of this recording runs" in second.stderr
    terminal.kill()
    standin.wait_for_calls("cancelled", 2)
    for gate in GATES:
        standin.open_gate(gate)
    done = ended([*command, "--yes"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 of 5 calls have a result from before and are not made again" in done.stderr
    assert "Rehearsed 5 calls of 5" in done.stdout
    made = [str(json.loads(harness.body_of(each))["messages"]) for each in standin.calls()]
    assert [sum(text in each for each in made) for text in ("first", "second", "last")] == [1] * 3
    assert [sum(f"held {number}" in each for each in made) for number in range(2)] == [2, 2]
