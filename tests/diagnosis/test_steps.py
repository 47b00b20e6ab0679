"""Steps that need others, and that take too long."""

import threading
import time

from vast_intercept.diagnosis.findings import Finding, NotApplicable, Problem
from vast_intercept.diagnosis.steps import Step, run


def well() -> Finding:
    return Finding("well")


def broken() -> Finding:
    raise Problem("broken", "mend it")


def not_here() -> Finding:
    raise NotApplicable("not here")


def test_one_that_needs_what_failed_is_skipped() -> None:
    steps = [
        Step("a", well),
        Step("b", broken, ("a",)),
        Step("c", well, ("b",)),
        Step("d", well, ("c",)),
        Step("e", well, ("a",)),
    ]
    results = {result.name: result for result in run(steps)}
    assert {name: result.status for name, result in results.items()} == {
        "a": "passed",
        "b": "failed",
        "c": "skipped",
        "d": "skipped",
        "e": "passed",
    }
    assert results["d"].message == "not looked at, because b failed"


def test_one_may_be_made_despite_a_failure() -> None:
    steps = [
        Step("a", broken),
        Step("b", well, ("a",)),
        Step("c", well, ("b",), despite=frozenset({"a"})),
        Step("d", broken),
        Step("e", well, ("b", "d"), despite=frozenset({"a"})),
    ]
    results = {result.name: result for result in run(steps)}
    assert results["c"].status == "passed"
    assert results["e"].message == "not looked at, because d failed"


def test_what_is_not_applicable_keeps_nobody_from_anything() -> None:
    results = list(run([Step("a", not_here), Step("b", well, ("a",))]))
    assert [result.status for result in results] == ["skipped", "passed"]


def test_one_that_stumbles_does_not_keep_others_from_running() -> None:
    results = list(run([Step("a", lambda: Finding(str(1 // 0))), Step("b", well)]))
    assert [result.status for result in results] == ["failed", "passed"]
    assert "ZeroDivisionError" in results[0].message


def test_one_that_does_not_end_fails_in_time() -> None:
    ended = threading.Event()

    def endless() -> Finding:
        ended.wait(60)
        return Finding("late")

    started = time.monotonic()
    (result,) = run([Step("a", endless, limit=0.05)])
    ended.set()
    assert result.status == "failed"
    assert "did not end within 0.05 s" in result.message
    assert result.advice
    assert result.milliseconds >= 50
    assert time.monotonic() - started < 5
