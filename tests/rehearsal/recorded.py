"""Calls that a real vLLM has answered, as calls of a recording."""

import json
from functools import cache
from typing import Any

from vast_intercept.rehearsal.calls import Answer, RecordedCall, RehearsedCall
from vast_intercept.telemetry.report import CallReport, Ending

from ..harness import PROJECT

RECORDED = PROJECT / "tests/recorded"
NAMES = sorted(path.stem for path in RECORDED.glob("*.json"))


@cache
def recorded(name: str) -> tuple[RecordedCall, Answer]:
    """A call, and vLLM's answer to it."""
    exchange = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
    request, response = exchange["request"], exchange["response"]
    answer = Answer(
        status=response["status"],
        content_type=response["headers"].get("content-type", ""),
        body=(response.get("body") or "").encode(),
    )
    call = RecordedCall(
        place=name,
        method=request["method"],
        url=f"https://api.openai.com{request['path']}",
        headers=(("content-type", request.get("content_type") or ""),),
        body=(request.get("body") or "").encode("utf-8", "surrogateescape"),
        answer=answer,
    )
    return call, answer


def chat(answer: Any = None, status: int = 200, **request: Any) -> tuple[RecordedCall, Answer]:
    """A chat completion and its answer, which is JSON."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], **request}
    call = RecordedCall(
        place="line 1",
        method="POST",
        url="https://api.openai.com/v1/chat/completions",
        headers=(("Content-Type", "application/json"),),
        body=json.dumps(body).encode(),
    )
    return call, Answer(
        status=status, content_type="application/json", body=json.dumps(answer).encode()
    )


def on_vast(answer: Answer | None, error: str | None = None, message: str = "") -> RehearsedCall:
    """A call that was made on Vast."""
    report = CallReport(
        request_id="1",
        time=0,
        outcome=Ending.FAILED if error else Ending.OK,
        error=error,
        error_message=message or None,
    )
    return RehearsedCall(answer=answer, report=report)
