"""What a real vLLM was asked and answered, as flows."""

import json
from pathlib import Path
from typing import Any

from mitmproxy.contentviews import Metadata
from mitmproxy.http import Headers, HTTPFlow, Message
from mitmproxy.test import tflow, tutils

FOLDER = Path(__file__).parents[2] / "recorded"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def recorded(name: str) -> dict[str, Any]:
    """The file."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return content


def flow_of(
    request: bytes,
    answer: bytes,
    *,
    status: int = 200,
    kind: str = "application/json",
    path: str = "/v1/chat/completions",
    method: str = "POST",
    **noted: Any,
) -> HTTPFlow:
    """A call of OpenAI's API, with what the interceptor has noted of it, if anything."""
    flow = tflow.tflow(
        req=tutils.treq(
            method=method.encode(), path=path.encode(), host="api.openai.com", content=request
        ),
        resp=tutils.tresp(status_code=status, content=answer, headers=Headers(content_type=kind)),
    )
    if noted:
        flow.metadata["vast"] = noted
    return flow


def recorded_flow(name: str) -> HTTPFlow:
    """The file as a flow that went to OpenAI."""
    call = recorded(name)
    request, response = call["request"], call["response"]
    body = request.get("body")
    if not isinstance(body, str):
        body = "" if body is None else json.dumps(body)
    return flow_of(
        body.encode(),
        (response["body"] or "").encode(),
        status=response["status"],
        kind=(response.get("headers") or {}).get("content-type", ""),
        path=request["path"],
        method=request["method"],
    )


def metadata_of(flow: HTTPFlow, message: Message | None) -> Metadata:
    """As mitmproxy makes it."""
    kind = (message.headers.get("content-type", "") if message else "").partition(";")[0]
    return Metadata(flow=flow, http_message=message, content_type=kind or None)
