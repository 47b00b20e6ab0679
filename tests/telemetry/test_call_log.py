"""The log as lines of JSON."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from vast_intercept.telemetry.call_log import JsonFormatter, log_call, log_left_out
from vast_intercept.telemetry.report import CallReport, Ending


def record(message: str = "hello", *args: Any, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("some.logger", level, "file.py", 1, message, args, None)
    made.created = 1_700_000_000.123456
    return made


def line_of(made: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter().format(made)
    assert "\n" not in text
    line: dict[str, Any] = json.loads(text)
    return line


def test_every_line_says_when_what_and_from_where() -> None:
    assert line_of(record("%d of %s", 1, "two")) == {
        "time": "2023-11-14T22:13:20.123+00:00",
        "level": "info",
        "logger": "some.logger",
        "message": "1 of two",
    }


@pytest.mark.parametrize("microseconds", [0, 1, 999_999])
def test_time_is_rfc_3339_and_in_utc(microseconds: int) -> None:
    made = record()
    made.created = 1_700_000_000 + microseconds / 1e6
    when = datetime.fromisoformat(line_of(made)["time"])
    assert when.tzinfo == UTC
    assert abs(when.timestamp() - made.created) < 0.0011


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (logging.DEBUG, "debug"),
        (logging.INFO, "info"),
        (logging.WARNING, "warning"),
        (logging.ERROR, "error"),
        (logging.CRITICAL, "critical"),
    ],
    ids=["debug", "info", "warning", "error", "critical"],
)
def test_levels(level: int, name: str) -> None:
    assert line_of(record(level=level))["level"] == name


def test_an_exception_is_a_field() -> None:
    made = record(level=logging.ERROR)
    try:
        raise ValueError("oh\nno")  # noqa: TRY301
    except ValueError:
        made.exc_info = sys.exc_info()
    assert line_of(made)["exception"].endswith("ValueError: oh\nno")


@pytest.mark.parametrize(
    ("client", "shown"),
    [(("127.0.0.1", 5), "127.0.0.1:5"), (("::1", 5, 0, 0), "::1:5")],
    ids=["ipv4", "ipv6"],
)
def test_mitmproxy_s_client(client: tuple[Any, ...], shown: str) -> None:
    made = record()
    made.client = client
    assert line_of(made)["client"] == shown


FULL = CallReport(
    request_id="req_1",
    time=1.0,
    outcome=Ending.BROKEN_OFF,
    operation="chat/completions",
    client="billing",
    model="m",
    endpoint="e",
    response_model="served",
    stream=True,
    status=200,
    error="vast_disconnected",
    error_param="messages",
    error_message="the secret text",
    attempts=2,
    retried=("e",),
    fell_back_to=("f",),
    left_out=("suffix",),
    waited=1.23456789,
    time_to_first_token=0.1,
    duration=3.0,
    generating=2.0,
    longest_gap=0.5,
    added_latency=0.001,
    prompt_tokens=3,
    completion_tokens=4,
    tokens=4,
    tokens_per_second=2.0,
    time_per_output_token=0.5,
    prompt="the secret text",
)


def test_a_call_has_its_facts() -> None:
    made = record("a line")
    made.call = FULL
    line = line_of(made)
    assert line.pop("time") == "2023-11-14T22:13:20.123+00:00"
    assert line == {
        "level": "info",
        "logger": "some.logger",
        "message": "a line",
        "request_id": "req_1",
        "outcome": "broken_off",
        "operation": "chat/completions",
        "client": "billing",
        "model": "m",
        "endpoint": "e",
        "response_model": "served",
        "stream": True,
        "status": 200,
        "error": "vast_disconnected",
        "error_param": "messages",
        "attempts": 2,
        "retried": ["e"],
        "fell_back_to": ["f"],
        "left_out": ["suffix"],
        "waited": 1.234568,
        "time_to_first_token": 0.1,
        "duration": 3.0,
        "longest_gap": 0.5,
        "added_latency": 0.001,
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "tokens": 4,
        "tokens_per_second": 2.0,
        "time_per_output_token": 0.5,
    }


def test_what_is_not_known_is_left_out() -> None:
    made = record()
    made.call = CallReport(request_id="r", time=0.0, outcome=Ending.OK)
    assert set(line_of(made)) == {
        *("time", "level", "logger", "message"),
        *("request_id", "outcome", "stream", "attempts", "waited"),
    }


any_text = st.text(st.characters(exclude_categories=()))


@given(name=any_text, message=any_text)
def test_any_name_makes_one_line(name: str, message: str) -> None:
    made = record("%s", message)
    made.call = CallReport(request_id="r", time=0.0, outcome=Ending.OK, model=name)
    assert "model" in line_of(made)
    assert JsonFormatter().format(made).isprintable()


# --- who writes it -------------------------------------------------------------------------------


class Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """The only one who reads the log, at every level."""
    root, found = logging.getLogger(), Collector()
    monkeypatch.setattr(root, "handlers", [found])
    level = root.level
    root.setLevel(logging.DEBUG)
    yield found
    root.setLevel(level)


@pytest.mark.parametrize(
    ("level", "lines"),
    [(logging.DEBUG, 1), (logging.INFO, 1), (logging.WARNING, 0), (logging.ERROR, 0)],
    ids=["debug", "info", "warning", "error"],
)
def test_a_line_is_made_only_for_who_reads_it(collector: Collector, level: int, lines: int) -> None:
    collector.setLevel(level)
    log_call(FULL)
    assert len(collector.records) == lines
    for made in collector.records:
        assert made.levelno == logging.INFO
        assert made.getMessage().startswith("req_1 billing chat/completions: m → e")
        assert "secret" not in JsonFormatter().format(made)


@pytest.mark.parametrize(
    ("outcome", "level"), [(Ending.OK, logging.DEBUG), (Ending.REFUSED, logging.INFO)]
)
def test_traces_that_are_dropped_do_not_fill_the_log(
    collector: Collector, outcome: Ending, level: int
) -> None:
    log_call(CallReport(request_id="req_1", time=0, outcome=outcome, operation="traces"))
    assert [made.levelno for made in collector.records] == [level]


def test_tools_that_are_left_out_are_told_once_for_each_app(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for client in ("app of ann", "app of bob", "app of ann"):
        log_left_out(replace(FULL, client=client, left_out=("tool web_search", "suffix")))
    told = [record.getMessage() for record in caplog.records]
    assert [text.partition(" offers ")[0] for text in told] == ["app of ann", "app of bob"]
    assert all("the tool web_search" in text and "builtin_tools: reject" in text for text in told)
    log_left_out(replace(FULL, client="app of ann", left_out=("tool mcp",)))
    assert "the tool mcp" in caplog.records[-1].getMessage()
