"""Recorded calls and what came of them, put together."""

import json

from vast_intercept.rehearsal.calls import Answer, RecordedCall, RehearsedCall
from vast_intercept.rehearsal.comparison.measures import Measure
from vast_intercept.rehearsal.report.entries import read_entries
from vast_intercept.telemetry.report import CallReport, Ending


def chat(text: str) -> Answer:
    """An answer to a chat."""
    message = {"role": "assistant", "content": text}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return Answer(status=200, content_type="application/json", body=json.dumps(body).encode())


def call(question: str, answer: Answer | None) -> RecordedCall:
    """A recorded chat."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": question}]}
    return RecordedCall(
        place="flow 1", method="POST", url="https://api.openai.com/v1/chat/completions",
        headers=(("content-type", "application/json"),), body=json.dumps(body).encode(),
        answer=answer,
    )  # fmt: skip


def made(answer: Answer | None) -> RehearsedCall:
    """It, as it was made on Vast."""
    report = CallReport(
        request_id="r", time=0.0, outcome=Ending.OK if answer else Ending.FAILED,
        error=None if answer else "vast_unreachable",
    )  # fmt: skip
    return RehearsedCall(answer=answer, report=report)


def test_reads_and_compares_all_answers_to_a_call() -> None:
    [entry] = read_entries(
        [call("How warm is it?", chat("It is warm."))],
        lambda _: [made(chat("It is cold.")), made(None)],
    )
    assert entry.provider
    assert entry.provider.text == "It is warm."
    assert [run.reply.text for run in entry.runs] == ["It is cold.", ""]
    served = [run.comparison.checks[Measure.SERVED].holds for run in entry.runs]
    assert served == [True, False]
    assert entry.runs[1].comparison.reason == "vast_unreachable"
    assert entry.severity == entry.runs[1].comparison.severity > 0


def test_a_call_without_a_recorded_answer_is_shown_by_itself() -> None:
    [entry] = read_entries([call("And?", None)], lambda _: [made(chat("So."))])
    assert entry.provider is None
    assert entry.runs[0].reply.text == "So."


def test_calls_that_were_not_made_are_left_out_and_each_is_asked_for_once() -> None:
    calls = [call(str(number), None) for number in range(4)]
    asked: list[RecordedCall] = []

    def runs_of(each: RecordedCall) -> list[RehearsedCall]:
        asked.append(each)
        return [made(chat("yes"))] if each is not calls[1] else []

    entries = read_entries(iter(calls), runs_of)
    assert next(entries).call is calls[0]
    assert len(asked) == 1
    assert [entry.call for entry in entries] == calls[2:]
    assert asked == calls
