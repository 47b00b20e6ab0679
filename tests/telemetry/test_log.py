"""The log: a line for each call."""

import json
from typing import Any

import openai
import pytest
import requests

from .. import harness
from ..fixtures.watching import Watching
from ..harness import ENDPOINT, StandIn

SAID = "a secret of the user's"
MESSAGES: Any = [{"role": "user", "content": SAID}]
URL = "https://api.openai.com/v1/chat/completions"


def calls_of(output: str) -> list[str]:
    """Lines about calls."""
    return [line for line in output.splitlines() if "chat/completions: " in line]


@pytest.mark.parametrize("kind", ["mitmdump", "serve", "mitmweb"])
def test_each_call_has_one_with_the_id_that_the_app_got(watching: Watching, kind: str) -> None:
    options = ["--set", "flow_detail=0"] if kind == "mitmdump" else []
    if kind == "mitmweb":
        options = ["--set", "web_open_browser=false", "--set", f"web_port={harness.unused_port()}"]
    interceptor = watching(*options, kind=kind).interceptor
    own = requests.post(URL, json={"model": "gpt-4o", "messages": MESSAGES}, timeout=30)
    named = requests.post(
        URL,
        json={"model": "gpt-4o", "messages": MESSAGES, "temperature": -1},
        headers={"x-request-id": "the-apps-own"},
        timeout=30,
    )
    interceptor.wait_for("the-apps-own")
    first, second = calls_of(interceptor.output)
    assert own.headers["x-request-id"] in first
    assert f"gpt-4o → {ENDPOINT} (stand-in); 200; " in first
    assert named.headers["x-request-id"] == "the-apps-own"
    assert " the-apps-own 127.0.0.1 chat/completions: " in second
    assert "; 400; " in second
    assert "failed: invalid_request" in second
    assert SAID not in interceptor.output
    assert "You said" not in interceptor.output


@pytest.mark.parametrize("kind", ["mitmdump", "serve"])
def test_for_machines(watching: Watching, kind: str) -> None:
    options = ["--set", "vast_log=json"]
    if kind == "mitmdump":
        options += ["--set", "flow_detail=0"]
    interceptor = watching(*options, kind=kind).interceptor
    answer = requests.post(URL, json={"model": "gpt-4o", "messages": MESSAGES}, timeout=30)
    refused = openai.OpenAI(max_retries=0)
    with pytest.raises(openai.NotFoundError):
        refused.embeddings.create(model="ada", input=SAID)
    interceptor.wait_for("unsupported_endpoint")
    interceptor.stop()
    lines = interceptor.said.splitlines()
    if kind == "mitmdump":
        assert "Loading script" in lines.pop(0)  # before it has read what the log shall be like
    records = [json.loads(line) for line in lines]
    assert all({"time", "level", "logger", "message"} <= record.keys() for record in records)
    served, told = [record for record in records if "outcome" in record]
    assert served | {"duration": 0, "added_latency": 0, "tokens_per_second": 0} == served | {
        "level": "info",
        "request_id": answer.headers["x-request-id"],
        "outcome": "ok",
        "operation": "chat/completions",
        "client": "127.0.0.1",
        "model": "gpt-4o",
        "endpoint": ENDPOINT,
        "response_model": "stand-in",
        "status": 200,
        "attempts": 1,
        "duration": 0,
        "added_latency": 0,
        "tokens_per_second": 0,
    }
    assert (told["outcome"], told["error"]) == ("refused", "unsupported_endpoint")
    assert told["path"] == "/v1/embeddings"
    assert " embeddings (/v1/embeddings): 404; refused: unsupported_endpoint" in told["message"]
    assert any("istening" in record["message"] for record in records)
    assert SAID not in interceptor.output


def test_an_app_does_not_reach_the_terminal(watching: Watching, vast: StandIn) -> None:
    interceptor = watching(kind="serve").interceptor
    model = "\x1b[2J\x1b]0;title\x07\nfake line"
    answer = requests.post(URL, json={"model": model, "messages": MESSAGES}, timeout=30)
    interceptor.wait_for(answer.headers["x-request-id"])
    assert "\x1b" not in interceptor.output
    assert "\nfake line" not in interceptor.output
