"""What log, metrics, dashboard, flow and chat view show: each is a projection of one report."""

import json
import logging
from copy import replace
from typing import Any

import msgspec
import pytest
from mitmproxy.contentviews import Metadata
from mitmproxy.test import tflow

from tests.fixtures.prepared import prepared
from vast_intercept.config import UpstreamKind
from vast_intercept.config.config import defaults
from vast_intercept.dashboard.state import HowTo, state_of
from vast_intercept.mitmweb.chat.contentview import ChatContentview
from vast_intercept.mitmweb.notes import note_report
from vast_intercept.relay.progress import Progress
from vast_intercept.telemetry.call_log import JsonFormatter
from vast_intercept.telemetry.monitor import Monitor
from vast_intercept.telemetry.report import AMOUNTS, CallReport, Ending

FACTS: dict[str, Any] = {
    "request_id": "req_1",
    "time": 1_700_000_000.0,
    "outcome": Ending.OK,
    "operation": "chat/completions",
    "client": "billing",
    "model": "m",
    "endpoint": "big",
    "upstream": UpstreamKind.SERVERLESS,
    "response_model": "served",
    "stream": True,
    "status": 200,
    "attempts": 2,
    "retried": ("big",),
    "fell_back_to": ("big",),
    "left_out": ("suffix",),
    "waited": 1.23456789,
    "waits": {"big": 1.23456789},
    "time_to_first_token": 0.123456,
    "duration": 3.0,
    "generating": 2.0,
    "longest_gap": 0.5,
    "added_latency": 0.001,
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "tokens": 4,
    "tokens_per_second": 2.0,
    "time_per_output_token": 0.5,
    "prompt": "Hello",
}
REPORT = CallReport(**FACTS)
SERVERLESS = replace(
    defaults(),
    endpoint="big",
    interface=UpstreamKind.SERVERLESS,
    inspect=replace(defaults().inspect, show_prompts=True),
)


def noted(report: CallReport) -> dict[str, Any]:
    flow = tflow.tflow()
    note_report(flow, report)
    kept = dict(flow.metadata["vast"])
    assert kept.pop("comment") == flow.comment
    return kept


def test_the_flow_keeps_these_facts() -> None:
    assert noted(REPORT) == {
        "request_id": "req_1",
        "outcome": "ok",
        "status": 200,
        "model": "m",
        "endpoint": "big",
        "response_model": "served",
        "stream": True,
        "attempts": 2,
        "waited": 1.2346,
        "time_to_first_token": 0.1235,
        "duration": 3.0,
        "longest_gap": 0.5,
        "tokens_per_second": 2.0,
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "left_out": ["suffix"],
    }


def test_the_flow_keeps_nothing_that_says_nothing() -> None:
    bare = CallReport(request_id="r", time=0.0, outcome=Ending.REFUSED, error="no", prompt_tokens=0)
    assert noted(bare) == {
        "request_id": "r",
        "outcome": "refused",
        "error": "no",
        "prompt_tokens": 0,
    }


def test_what_the_flow_keeps_is_of_types_that_flow_files_hold() -> None:
    kept = noted(REPORT)
    assert {type(value) for value in kept.values()} <= {str, int, float, bool, list}


def state(*, show_prompts: bool = True) -> dict[str, Any]:
    inspect = replace(SERVERLESS.inspect, show_prompts=show_prompts)
    config = replace(SERVERLESS, inspect=inspect)
    monitor = Monitor(lambda: config, list)
    monitor.ended(Progress(prepared(config=config)), REPORT)
    how_to = HowTo(listening=[], ca_file="", provider_hosts=[], commands=[])
    shown = json.loads(msgspec.json.encode(state_of(monitor, config, "", how_to)))
    assert isinstance(shown, dict)
    return shown


def test_the_dashboard_lists_these_facts() -> None:
    (latest,) = state()["latest"]
    assert latest == {
        "id": "req_1",
        **dict.fromkeys(AMOUNTS),
        **{
            name: FACTS[name]
            for name in (
                *("time", "operation", "model", "endpoint", "response_model", "client", "status"),
                *("outcome", "stream", "time_to_first_token", "duration", "prompt_tokens"),
                *("completion_tokens", "tokens_per_second", "attempts", "waited", "prompt"),
            )
        },
        "error": None,
    }


def test_the_dashboard_forgets_prompts_once_they_are_not_wanted() -> None:
    (latest,) = state(show_prompts=False)["latest"]
    assert latest["prompt"] is None


def test_the_dashboard_counts_calls_by_endpoint_and_upstream() -> None:
    monitor = Monitor(lambda: SERVERLESS, list)
    for kind in (UpstreamKind.SERVERLESS, UpstreamKind.OPENAI, UpstreamKind.SERVERLESS):
        monitor.ended(Progress(prepared(config=SERVERLESS)), replace(REPORT, upstream=kind))
    how_to = HowTo(listening=[], ca_file="", provider_hosts=[], commands=[])
    rows = state_of(monitor, SERVERLESS, "", how_to).endpoints
    assert [(row.name, row.interface, row.calls) for row in rows] == [("big", "serverless", 2)]


def test_the_metrics_count_these_facts() -> None:
    monitor = Monitor(lambda: SERVERLESS, list)
    monitor.ended(Progress(prepared(config=SERVERLESS)), REPORT)
    counted = {
        sample.name.removeprefix("vast_intercept_"): sample.value
        for metric in monitor.metrics.registry.collect()
        for sample in metric.samples
        if sample.name.endswith(("_total", "_sum")) and sample.value
    }
    counted = {name: value for name, value in counted.items() if not name.startswith("process_")}
    assert counted == {
        "left_out_total": 1,
        "calls_total": 1,
        "call_duration_seconds_sum": 3.0,
        "time_to_first_token_seconds_sum": 0.123456,
        "time_per_output_token_seconds_sum": 0.5,
        "added_latency_seconds_sum": 0.001,
        "queue_wait_seconds_sum": 1.23456789,
        "prompt_tokens_total": 3,
        "completion_tokens_total": 4,
        "retries_total": 1,
        "fallbacks_total": 1,
    }


def test_the_log_has_all_but_what_was_said() -> None:
    record = logging.LogRecord("n", logging.INFO, "", 0, "line", None, None)
    record.call = REPORT
    line = json.loads(JsonFormatter().format(record))
    hidden = {"prompt", "generating", "time", "upstream", "waits"}
    assert line.keys() - {"level", "logger", "message", "time"} == FACTS.keys() - hidden


ANSWER = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}]}'


@pytest.mark.parametrize(
    "words",
    [
        "answered by the endpoint big",
        "first token after 0.12 s",
        "2.0 tokens/s",
        "longest gap 0.50 s",
        "3.00 s in all",
    ],
)
def test_the_chat_view_shows_these_facts(words: str) -> None:
    flow = tflow.tflow(resp=True)
    note_report(flow, REPORT)
    shown = ChatContentview().prettify(ANSWER, Metadata(http_message=flow.response, flow=flow))
    text = shown if isinstance(shown, str) else "".join(shown)
    assert words in text
