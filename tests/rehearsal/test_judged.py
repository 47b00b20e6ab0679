"""Which calls to a judge are left to make, and what was kept of those that were made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vast_intercept.rehearsal.calls import Answer, RehearsedCall
from vast_intercept.rehearsal.judged import Judge
from vast_intercept.rehearsal.replaying.results import Results
from vast_intercept.rehearsal.replies.reply import Reply
from vast_intercept.rehearsal.report.report import Judgement
from vast_intercept.telemetry.report import CallReport, Ending

from .test_judging import PAIR, entry, says

REPORT = CallReport(request_id="r", time=0.0, outcome=Ending.OK)
EQUAL = entry(Reply(text="a"), Reply(text="a"))


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Results]:
    with Results(tmp_path / "calls.flows.rehearsal", "settings") as results:
        yield results


def test_calls_with_a_result_and_entries_without_a_question_are_left_out(results: Results) -> None:
    judge, left_out = Judge("judge", results), []
    first, second = judge.calls([PAIR, EQUAL], left_out.append)
    assert left_out == [0, 2]
    judge.results.begin(1)
    judge.results.keep(first[0], RehearsedCall(answer=says("first"), report=REPORT))

    again, left_out = Judge("judge", results), []
    assert [key for key, _ in again.calls([PAIR, EQUAL], left_out.append)] == [second[0]]
    assert left_out == [1, 2]
    # Another judge was asked nothing yet.
    assert len(list(Judge("another", results).calls([PAIR], left_out.append))) == 2


def test_what_was_kept_is_counted_and_what_is_missing_has_failed(results: Results) -> None:
    judge = Judge("judge", results)
    judge.results.begin(1)
    for (key, _), choice in zip(judge.calls([PAIR], int), ("second", "first"), strict=True):
        judge.results.keep(key, RehearsedCall(answer=says(choice), report=REPORT))
    for counted in (PAIR, EQUAL, entry(Reply(text="x"), Reply(text="y"))):
        judge.count(counted)
    assert judge.judgement() == Judgement(
        endpoint="judge", pairs=3, vast=1, even=1, failed=1,
        why_failed="it was not asked, or gave no answer",
    )  # fmt: skip


def test_what_failed_is_asked_again_and_what_was_answered_is_not(results: Results) -> None:
    judge = Judge("judge", results)
    judge.results.begin(1)
    for answers in ((Answer(status=503), None), (Answer(status=503), says("first"))):
        for (key, _), answer in zip(judge.calls([PAIR], int), answers, strict=True):
            judge.results.keep(key, RehearsedCall(answer=answer, report=REPORT))
    ((key, _),) = judge.calls([PAIR], int)
    judge.results.keep(key, RehearsedCall(answer=says("second"), report=REPORT))
    assert list(judge.calls([PAIR], int)) == []
    judge.count(PAIR)
    assert judge.judgement().contradictory == 0
    assert judge.judgement().vast == 1


def test_judging_is_no_time_that_vast_was_busy(results: Results) -> None:
    judge = Judge("judge", results)
    judge.results.begin(1)
    (key, _), _ = judge.calls([PAIR], int)
    judge.results.keep(key, RehearsedCall(answer=Answer(status=200), report=REPORT))
    assert (len(results), results.busy_seconds, results.began) == (0, 0, 0)
    assert len(judge.results) == 1
