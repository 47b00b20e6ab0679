"""What is told of calls of other APIs: numbers, log, dashboard and files are as those of chats."""

from pathlib import Path
from typing import Any

import requests
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader

from ..fixtures.watching import Watched, Watching, until
from ..harness import ENDPOINT

RESPONSES = "https://api.openai.com/v1/responses"
TOOLS = [
    {"type": "web_search"},
    {"type": "mcp", "server_label": "x"},
    {"type": "custom", "name": "f"},
]

SCHEMA = {"name": "f", "input_schema": {"type": "object", "properties": {}}}


def ask(url: str = RESPONSES, **body: Any) -> requests.Response:
    answer = requests.post(url, json={"model": "gpt-5", **body}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


def test_a_response_is_told_as_what_it_is(watching: Watching, tmp_path: Path) -> None:
    file = tmp_path / "flows"
    watched: Watched = watching("-w", str(file), kind="serve")
    interceptor, dashboard = watched.interceptor, watched.dashboard
    before = dashboard.metrics()
    whole = ask(input="hello", tools=TOOLS).json()["usage"]
    streamed = ask(input="hello", tools=TOOLS, stream=True)
    assert "response.completed" in streamed.text
    until(lambda: dashboard.metrics()["calls_total{my-endpoint, responses, ok}"] == 2)
    counted = dashboard.metrics().since(before)
    assert counted["left_out_total{tool web_search}"] == 2
    assert counted["left_out_total{tool mcp}"] == 2
    assert counted["call_duration_seconds_count{my-endpoint, responses}"] == 2
    assert counted["time_to_first_token_seconds_count{my-endpoint}"] == 1
    assert counted["prompt_tokens_total{my-endpoint}"] == 2 * whole["input_tokens"]
    assert counted["completion_tokens_total{my-endpoint}"] > whole["output_tokens"]
    assert "uncounted_answers_total{my-endpoint}" not in counted

    latest = dashboard.state()["latest"]
    assert [each["operation"] for each in latest] == ["responses", "responses"]
    assert [each["stream"] for each in latest] == [True, False]
    assert all(each["completion_tokens"] for each in latest)

    lines = [line for line in interceptor.output.splitlines() if " responses: " in line]
    assert len(lines) == 2
    assert all(f"gpt-5 → {ENDPOINT} (stand-in); 200; " in line for line in lines)
    assert all("left out: tool web_search, tool mcp" in line for line in lines)
    told = [line for line in interceptor.output.splitlines() if "offers the model" in line]
    assert len(told) == 2  # once for each tool

    interceptor.stop()
    with file.open("rb") as recorded:
        flows = [each for each in FlowReader(recorded).stream() if isinstance(each, HTTPFlow)]
    for flow in flows:
        noted = flow.metadata["vast"]
        assert noted["operation"] == "responses"
        assert noted["url"] == RESPONSES
        assert noted["left_out"] == ["tool web_search", "tool mcp"]
        assert noted["completion_tokens"] > 0
        assert b'"messages"' in flow.metadata["vast_sent"]["body"]
        assert flow.marked == ":white_check_mark:"
        assert "tokens" in flow.comment


MESSAGES = "https://api.anthropic.com/v1/messages"


def test_a_message_is_told_as_what_it_is(watching: Watching) -> None:
    watched: Watched = watching(kind="serve", sections={"providers": ["openai", "anthropic"]})
    dashboard = watched.dashboard
    asked: dict[str, Any] = {
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "hello"}],
        "tools": [{"type": "web_search_20250305", "name": "web_search"}, SCHEMA],
    }
    whole = ask(MESSAGES, **asked).json()["usage"]
    assert "message_stop" in ask(MESSAGES, stream=True, **asked).text
    until(lambda: dashboard.metrics()["calls_total{my-endpoint, messages, ok}"] == 2)
    counted = dashboard.metrics()
    assert counted["prompt_tokens_total{my-endpoint}"] == 2 * whole["input_tokens"]
    assert counted["completion_tokens_total{my-endpoint}"] > whole["output_tokens"]
    assert counted["time_to_first_token_seconds_count{my-endpoint}"] == 1
    (left_out,) = (key for key in counted.samples if key.startswith("left_out_total"))
    assert "web_search" in left_out
    assert [each["operation"] for each in dashboard.state()["latest"]] == ["messages"] * 2
    assert " messages: gpt-5 → my-endpoint (stand-in); 200; " in watched.interceptor.output
    assert "offers the model the tool web_search" in watched.interceptor.output
