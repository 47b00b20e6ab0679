"""A call in one line, whatever the names in it are made of."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures.prepared import prepared
from vast_intercept.config import EndpointId, UpstreamKind
from vast_intercept.relay.progress import Progress
from vast_intercept.telemetry.report import CallReport, Ending
from vast_intercept.telemetry.wording import (
    byte_count,
    comment,
    log_line,
    printable,
    seconds,
    waiting_comment,
)


def report(outcome: Ending = Ending.OK, **more: Any) -> CallReport:
    facts: dict[str, Any] = {
        "request_id": "req_1",
        "time": 0.0,
        "operation": "chat/completions",
        "client": "billing",
        "model": "m",
        "endpoint": "e",
        "status": 200,
        "attempts": 1,
    }
    return CallReport(outcome=outcome, **facts | more)


NOWHERE: dict[str, Any] = {"endpoint": None, "model": None, "attempts": 0}

LINES: dict[str, tuple[CallReport, str]] = {
    "the least": (report(), "m → e; 200"),
    "no model": (report(model=None), "no model → e; 200"),
    "the model that answered": (report(response_model="served"), "m → e (served); 200"),
    "embeddings": (
        report(
            operation="embeddings",
            texts=3,
            characters=400,
            prompt_tokens=12,
            completion_tokens=0,
            tokens=0,
        ),
        "m → e; 200; 3 texts; 12 tokens",
    ),
    "a transcription": (
        report(operation="audio/transcriptions", audio_seconds=12.4, media_bytes=397_000),
        "m → e; 200; 12.4 s of audio; 397 kB",
    ),
    "speech": (
        report(
            operation="audio/speech",
            time_to_first_token=0.25,
            characters=1_234,
            media_bytes=48_213,
        ),
        "m → e; 200; first byte 0.25 s; 1,234 characters; 48 kB",
    ),
    "images": (
        report(
            operation="images/edits", images=2, characters=9, prompt_tokens=1, completion_tokens=400
        ),
        "m → e; 200; 2 images; 1 + 400 tokens",
    ),
    "one of each": (
        report(operation="embeddings", texts=1, images=1, prompt_tokens=1),
        "m → e; 200; 1 text; 1 image; 1 token",
    ),
    "the model asked for answered": (report(response_model="m"), "m → e; 200"),
    "everything": (
        report(
            response_model="llama",
            waited=20.5,
            time_to_first_token=0.1234,
            duration=12.34,
            prompt_tokens=1_234,
            completion_tokens=5_678,
            tokens=5_678,
            tokens_per_second=45.678,
            attempts=2,
            left_out=("suffix", "best_of"),
        ),
        (
            "m → e (llama); 200; waited 20.5 s for a worker; first token 0.12 s; 12.3 s in all;"
            " 1,234 + 5,678 tokens; 46 tokens/s; 2 attempts;"
            " left out: suffix, best_of"
        ),
    ),
    "tokens by estimate": (report(tokens=10), "m → e; 200; about 10 tokens"),
    "a prompt's tokens only": (report(prompt_tokens=3), "m → e; 200; 3 + 0 tokens"),
    "slow": (report(tokens_per_second=0.51234), "m → e; 200; 0.5 tokens/s"),
    "fast": (report(tokens_per_second=5_794.2), "m → e; 200; 5,794 tokens/s"),
    "hours": (report(duration=7_200.0), "m → e; 200; 7,200 s in all"),
    "answered here": (report(**NOWHERE), "200"),
    "answered here, in a while": (report(**NOWHERE, duration=1.0), "200"),
    "cancelled": (report(Ending.CANCELLED, status=None), "m → e; cancelled"),
    "cancelled before it went anywhere": (
        report(Ending.CANCELLED, **NOWHERE, status=None),
        "cancelled",
    ),
    "passed on": (report(Ending.PASSED_ON, **NOWHERE, status=None), ""),
}


@pytest.mark.parametrize(("made", "line"), LINES.values(), ids=LINES.keys())
def test_a_call_without_an_error(made: CallReport, line: str) -> None:
    assert comment(made) == line
    assert log_line(made) == f"req_1 billing {made.operation}: {line}"


TROUBLE: dict[str, Any] = {
    "error": "unsupported_content",
    "error_param": "messages[0].content[1]",
    "error_message": "The content part has the type 'image_url'.",
}


@pytest.mark.parametrize(
    ("ending", "word"),
    [("refused", "refused"), ("failed", "failed"), ("broken_off", "broken off")],
    ids=["refused", "failed", "broken_off"],
)
def test_a_comment_quotes_the_error_and_the_log_does_not(ending: str, word: str) -> None:
    made = report(Ending(ending), **TROUBLE, status=400)
    said = "The content part has the type 'image_url'."
    assert comment(made) == f"m → e; 400; {word}: unsupported_content: {said}"
    assert log_line(made).endswith(
        f": m → e; 400; {word}: unsupported_content at messages[0].content[1]"
    )


def test_the_log_has_the_path_of_a_refused_call() -> None:
    made = report(Ending.REFUSED, **NOWHERE, operation="images", path="/v1/images/\x1b[2J")
    assert log_line(made).startswith("req_1 billing images (/v1/images/�[2J): ")


def test_an_error_without_a_place_or_a_text() -> None:
    made = report(Ending.FAILED, error="vast_timeout", status=504)
    assert comment(made) == "m → e; 504; failed: vast_timeout"
    assert log_line(made).endswith("; failed: vast_timeout")


def test_the_log_names_whom_it_does_not_know() -> None:
    assert log_line(report(operation=None, client=None)).startswith("req_1 somebody request: ")


E = EndpointId(UpstreamKind.OPENAI, "e")
WAITING: dict[str, tuple[dict[str, Any], str]] = {
    "calls": ({"model": "m", "endpoint": E}, "m → e"),
    "no model": ({"endpoint": E}, "no model → e"),
    "nowhere": ({"model": "m"}, "m → "),
    "waits": (
        {"model": "m", "endpoint": E, "waiting": "loading"},
        "m → e; waiting for a worker (loading)",
    ),
    "waits without a word": (
        {"model": "m", "endpoint": E, "waiting": ""},
        "m → e; waiting for a worker (none is ready)",
    ),
    "has waited": (
        {"model": "m", "endpoint": E, "waits": {"e": 1.5}},
        "m → e; waited 1.50 s for a worker",
    ),
}


@pytest.mark.parametrize(("progress", "expected"), WAITING.values(), ids=WAITING.keys())
def test_a_call_that_has_no_answer_yet(progress: dict[str, Any], expected: str) -> None:
    made = Progress(prepared(), **progress)
    assert waiting_comment(made) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ms"),
        (0.0042, "4 ms"),
        (0.1, "0.10 s"),
        (1.234, "1.23 s"),
        (12.34, "12.3 s"),
        (1_234.5, "1,234 s"),
    ],
    ids=str,
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


# --- names that somebody chose -------------------------------------------------------------------

HOSTILE = {
    "escape codes": "\x1b[2J\x1b[31mred\x1b[0m",
    "new lines": "a\nb\r\nc\x85d\u2028e\u2029f",
    "null": "a\0b",
    "ten thousand characters": "x" * 10_000,
    "a lone surrogate": "a\ud800b",
    "right to left": "a\u202eb",
    "zero width": "a\u200bb",
    "percent": "%s %(x)s {0} {x}",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_names_are_one_line_that_can_be_printed(name: str) -> None:
    made = report(
        Ending.FAILED,
        client=name,
        model=name,
        endpoint=name,
        response_model=f"{name}!",
        error=name,
        error_param=name,
        error_message=name,
        status=500,
    )
    for text in (comment(made), log_line(made), waiting_comment(_waiting(name))):
        assert text.isprintable()
        assert len(text) < 3_000
        text.encode()


def _waiting(name: str) -> Progress:
    return Progress(
        prepared(), model=name, endpoint=EndpointId(UpstreamKind.OPENAI, name), waiting=name
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("gpt-4o", "gpt-4o"),
        ("模型", "模型"),
        ("", ""),
        ("a\x1b[1mb", "a\ufffd[1mb"),
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 99 + "…"),
    ],
    ids=["plain", "chinese", "empty", "escape", "a hundred", "one too many"],
)
def test_printable(name: str, shown: str) -> None:
    assert printable(name) == shown


any_text = st.text(st.characters(exclude_categories=()), max_size=300) | st.sampled_from(
    list(HOSTILE.values())
)
numbers = st.none() | st.floats(0, 1e9)
counts = st.none() | st.integers(0, 10**12)


@given(
    made=st.builds(
        CallReport,
        request_id=st.just("req_1"),
        time=st.just(0.0),
        outcome=st.sampled_from(Ending),
        operation=st.none() | st.just("completions"),
        client=st.none() | any_text,
        model=st.none() | any_text,
        endpoint=st.none() | any_text,
        response_model=st.none() | any_text,
        status=st.none() | st.integers(100, 599),
        error=st.none() | any_text,
        error_param=st.none() | any_text,
        error_message=st.none() | any_text,
        attempts=st.integers(0, 10),
        waited=st.floats(0, 1e9),
        time_to_first_token=numbers,
        duration=numbers,
        prompt_tokens=counts,
        completion_tokens=counts,
        tokens=counts,
        tokens_per_second=numbers,
    )
)
def test_any_report_has_its_line(made: CallReport) -> None:
    for text in (comment(made), log_line(made)):
        assert text.isprintable()
        text.encode()


SECRET = "the quick brown fox"


@given(outcome=st.sampled_from(Ending), error=st.none() | st.just("code"))
def test_the_log_has_nothing_of_what_was_said(outcome: Ending, error: str | None) -> None:
    made = report(outcome, error=error, error_message=SECRET, prompt=SECRET)
    assert SECRET not in log_line(made)
    assert SECRET not in comment(made) or error


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (26_214_400, "26 MB"),
        (999_500_000, "1.0 GB"),
        (10**13, "10,000.0 GB"),
    ],
)
def test_bytes_are_rounded_for_people(number: int, expected: str) -> None:
    assert byte_count(number) == expected
