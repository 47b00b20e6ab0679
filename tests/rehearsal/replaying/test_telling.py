"""What a person sees of a rehearsal that runs."""

import io
import sys
import time

import pytest

from vast_intercept.rehearsal.calls import RehearsedCall
from vast_intercept.rehearsal.replaying.telling import Telling
from vast_intercept.telemetry.report import CallReport, Ending


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def call(outcome: Ending) -> RehearsedCall:
    return RehearsedCall(answer=None, report=CallReport(request_id="r", time=0, outcome=outcome))


def test_a_terminal_has_a_bar_that_begins_where_the_rehearsal_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Telling(4, 2, "Rehearsing") as telling:
        before = terminal.getvalue()
        telling.ended(call(Ending.OK))
        telling.say("Interrupted.")
        telling.left_out(1)
    assert "Rehearsing" in before
    assert "2/4" in before
    shown = terminal.getvalue().removeprefix(before)
    assert "\nInterrupted.\n" in shown
    assert shown.index("3/4") < shown.index("Interrupted.") < shown.index("4/4")


def test_a_log_has_a_line_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Telling(2_000, 1_000, "Rehearsing") as telling:
        telling.ended(call(Ending.REFUSED))
        now = 109.9
        telling.ended(call(Ending.OK))
        assert capsys.readouterr().err == ""
        now = 110.0
        telling.ended(call(Ending.OK))
        telling.ended(call(Ending.OK))
    assert capsys.readouterr().err == "1,003 of 2,000 calls, 1 of them not served\n"
