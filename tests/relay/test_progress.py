"""The progress of a call: the order of its steps, its moments by a played clock, who is told."""

import ast
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vast_intercept
from tests.fixtures.prepared import prepared
from vast_intercept.config import EndpointId, UpstreamKind
from vast_intercept.openai_api.errors import bad_gateway
from vast_intercept.openai_api.usage import Usage
from vast_intercept.relay.progress import Progress
from vast_intercept.relay.work import AnswerHere
from vast_intercept.secret import Secret
from vast_intercept.telemetry.report import report_of

ONE = EndpointId(UpstreamKind.SERVERLESS, "one")
TWO = EndpointId(UpstreamKind.SERVERLESS, "two")
FAILED = bad_gateway("Vast did not answer.", "vast_unreachable")


class Clock:
    """Goes on by a second each time that it is asked."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def begun() -> Progress:
    return Progress(prepared(), Clock())


def attempted(endpoint: EndpointId = ONE) -> Progress:
    progress = begun()
    progress.turn_to(endpoint)
    progress.begin_attempt()
    return progress


# --- moments -------------------------------------------------------------------------------------


def test_a_stream_from_the_app_s_request_to_its_end() -> None:
    progress = begun()
    progress.receive(held=False)  # 1
    progress.arrive()
    progress.read(model="m", stream=True, left_out=("suffix",), prompt=None)
    progress.turn_to(ONE)
    progress.begin_attempt()  # 2
    progress.send_to("https://vast.example/")
    progress.first_byte("served")  # 3
    progress.begin_stream()
    progress.pass_on()  # 4
    progress.end_stream(Usage(1, 2), 5, None)
    assert progress.received_at == 1
    assert progress.sent_at == 2
    assert progress.first_byte_at == progress.last_byte_at == 3  # nothing came after the first
    assert progress.passed_on_at == 4
    assert (progress.answered, progress.streamed, progress.complete) == (True, True, True)
    assert (progress.response_model, progress.usage, progress.events) == ("served", Usage(1, 2), 5)


def test_a_whole_answer_ends_with_its_last_byte_and_may_still_be_lost_on_its_way() -> None:
    progress = attempted()
    progress.first_byte()
    progress.end_whole(Usage(1, 2), "served")
    assert (progress.first_byte_at, progress.last_byte_at) == (2, 3)
    assert (progress.answered, progress.streamed, progress.complete) == (True, False, False)


def test_the_head_counts_as_the_request_until_all_of_it_is_there() -> None:
    progress = begun()
    progress.arrive()
    assert progress.received_at == 1
    progress.receive(held=True)
    assert (progress.received_at, progress.held) == (2, True)
    progress.arrive()
    assert progress.received_at == 2


def test_the_last_attempt_is_when_the_call_was_sent() -> None:
    progress = attempted()
    progress.fail_attempt(FAILED)
    progress.retry()
    progress.begin_attempt()
    assert (progress.attempts, progress.sent_at) == (2, 2)
    assert (progress.retried, progress.failure, progress.error) == (["one"], FAILED, None)


def test_waits_add_up_by_endpoint_and_the_call_is_sent_when_they_end() -> None:
    progress = attempted()
    progress.begin_waiting("loading")  # 2
    progress.begin_waiting("loading still")
    assert progress.waiting == "loading still"
    progress.end_waiting()  # 3
    progress.turn_to(TWO)
    progress.begin_attempt()  # 4
    progress.begin_waiting("")  # 5
    assert progress.waiting == ""
    progress.end_waiting()  # 6
    progress.begin_waiting("")
    progress.end_waiting()
    assert progress.waits == {"one": 1.0, "two": 2.0}
    assert (progress.waited, progress.waiting, progress.sent_at) == (3.0, None, 8)
    assert (progress.fell_back_to, progress.endpoint_name) == (["two"], "two")


# --- endings -------------------------------------------------------------------------------------

FAILURES: dict[str, Callable[[Progress], None]] = {
    "before the answer": lambda progress: progress.fail(FAILED),
    "within a stream": lambda progress: progress.end_stream(None, 3, FAILED),
}


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES.keys())
def test_a_call_that_failed_is_answered_and_not_complete(fail: Callable[[Progress], None]) -> None:
    progress = begun()
    fail(progress)
    assert (progress.error, progress.answered, progress.complete) == (FAILED, True, False)


def test_a_failed_attempt_is_no_failed_call() -> None:
    progress = attempted()
    progress.fail_attempt(FAILED)
    assert (progress.error, progress.answered) == (None, False)


# --- order ---------------------------------------------------------------------------------------

OUT_OF_ORDER: dict[str, tuple[Callable[[], Progress], Callable[[Progress], None]]] = {
    "an attempt at no endpoint": (begun, Progress.begin_attempt),
    "a retry at no endpoint": (begun, Progress.retry),
    "an answer without an attempt": (begun, Progress.first_byte),
    "a wait without an attempt": (begun, lambda progress: progress.begin_waiting("")),
    "the end of no wait": (attempted, Progress.end_waiting),
}


@pytest.mark.parametrize(("start", "step"), OUT_OF_ORDER.values(), ids=OUT_OF_ORDER.keys())
def test_what_is_out_of_order_is_a_bug(
    start: Callable[[], Progress], step: Callable[[Progress], None]
) -> None:
    with pytest.raises(AssertionError):
        step(start())


STEPS: dict[str, Callable[[Progress], None]] = {
    "receive": lambda progress: progress.receive(held=False),
    "arrive": Progress.arrive,
    "turn to one": lambda progress: progress.turn_to(ONE),
    "turn to two": lambda progress: progress.turn_to(TWO),
    "begin attempt": Progress.begin_attempt,
    "begin waiting": lambda progress: progress.begin_waiting("loading"),
    "end waiting": Progress.end_waiting,
    "fail attempt": lambda progress: progress.fail_attempt(FAILED),
    "retry": Progress.retry,
    "first byte": Progress.first_byte,
    "begin stream": Progress.begin_stream,
    "pass on": Progress.pass_on,
    "end stream": lambda progress: progress.end_stream(None, 1, None),
    "end whole": lambda progress: progress.end_whole(None, None),
    "fail": lambda progress: progress.fail(FAILED),
}


@given(steps=st.lists(st.sampled_from(list(STEPS)), max_size=30))
def test_any_steps_leave_a_progress_that_can_be_reported(steps: list[str]) -> None:
    """A step out of order raises, and changes nothing."""
    progress, taken = begun(), []
    for step in steps:
        before = [getattr(progress, each.name) for each in fields(Progress)]
        try:
            STEPS[step](progress)
            taken.append(step)
        except AssertionError:
            assert before == [getattr(progress, each.name) for each in fields(Progress)]
    assert progress.attempts == taken.count("begin attempt")
    assert (progress.error is not None) == ("fail" in taken)
    assert (progress.waiting is not None) == (
        taken.count("begin waiting") > 0
        and "end waiting" not in taken[len(taken) - taken[::-1].index("begin waiting") :]
    )
    assert (progress.waited > 0) == ("end waiting" in taken)
    assert report_of(progress, None, left=False).attempts == progress.attempts


# --- who is told ---------------------------------------------------------------------------------


def test_who_shows_the_call_is_told_of_each_change_that_a_person_waits_for() -> None:
    told: list[str] = []
    progress = attempted()
    progress.tell(changed=lambda: told.append("changed"), arrived=lambda: told.append("arrived"))
    progress.arrive()
    progress.begin_waiting("loading")
    progress.end_waiting()
    assert told == ["arrived", "changed", "changed"]
    progress.tell_nobody()
    progress.arrive()
    progress.begin_waiting("loading")
    assert len(told) == 3


def test_a_call_that_is_changed_takes_the_place_of_the_one_that_was_prepared() -> None:
    progress = begun()
    before = progress.call
    progress.prepare_again(work=AnswerHere(200), body=b"{}")
    assert (progress.call.work, progress.call.body) == (AnswerHere(200), b"{}")
    assert (before.body, progress.call.request_id) == (None, before.request_id)


# --- keys ----------------------------------------------------------------------------------------

KEY = "vast-0123456789abcdef"


def test_to_look_the_vast_key_up_does_not_send_it() -> None:
    progress = begun()
    assert not progress.keys
    with pytest.raises(Exception, match="no Vast API key"):
        _ = progress.call.vast_key
    assert not progress.keys


def test_the_keys_that_were_sent_are_taken_out_of_what_is_told() -> None:
    progress = begun()
    assert progress.keys.redact(KEY) == KEY
    progress.send_to("https://vast.example/", Secret(KEY), Secret(KEY))
    assert progress.keys.redact(f"no {KEY}") == "no ***cdef"
    assert progress.keys.redact_bytes(KEY.encode()) == b"***cdef"


# --- one owner -----------------------------------------------------------------------------------

# What changes with each chunk is written where the chunk passes.
ON_THE_PATH_OF_CHUNKS = {"last_byte_at", "longest_gap", "events"}


def test_nobody_else_writes_it() -> None:
    package = Path(vast_intercept.__file__).parent
    written = {
        (path.name, node.attr)
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and ast.unparse(node.value).split(".")[-1] in {"progress", "_progress"}
    }
    assert {attribute for _, attribute in written} == ON_THE_PATH_OF_CHUNKS
    assert {file for file, _ in written} == {"byte_stream.py", "event_stream.py"}
