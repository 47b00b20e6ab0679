"""Bridges that are made for a test, the chat completions they get, and the events they give."""

import json
from typing import Any

import msgspec
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from vast_intercept.bridges.responses.asked import Asked, ToolOrigin
from vast_intercept.bridges.responses.bridge import ResponsesBridge

LOGPROBS = "message.output_text.logprobs"
ENCRYPTED = "reasoning.encrypted_content"
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 5,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
TOOLS = {
    "weather": ToolOrigin("function", "weather"),
    "patch": ToolOrigin("custom", "patch"),
    "team__list": ToolOrigin("function", "list", "team"),
}

_event = TypeAdapter[Any](ResponseStreamEvent)
_response = TypeAdapter[Any](Response)


def bridge(
    *,
    store: bool = False,
    include: tuple[str, ...] = (),
    summary: str | None = None,
    echoed: dict[str, Any] | None = None,
) -> ResponsesBridge:
    """The bridge of a call that asked for this."""
    repeated = {"model": "gpt-5", "reasoning": {"effort": None, "summary": summary}}
    asked = Asked(
        store=store,
        previous="resp_before" if store else None,
        items=b'[{"type":"message","id":"msg_asked","role":"user","content":"hi"}]',
        echoed={
            name: msgspec.Raw(msgspec.json.encode(value))
            for name, value in {**repeated, **(echoed or {})}.items()
        },
        tools=TOOLS,
        include=frozenset(include),
        summary=bool(summary),
    )
    return ResponsesBridge(asked, b"{}", (), "resp_0123", 1_700_000_000, lambda: 1_700_000_009.5)


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk as vLLM sends it."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    choice |= {name: more.pop(name) for name in ("logprobs", "index") if name in more}
    return {"object": "chat.completion.chunk", "choices": [choice], **more}


def usage_chunk(usage: Any = USAGE) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [], "usage": usage}


def call(index: int | None, name: str | None = None, arguments: Any = None, **more: Any) -> Any:
    """A piece of a tool call, without the fields that are None."""
    function = {"name": name, "arguments": arguments}
    piece = {
        "index": index,
        **more,
        "function": {k: v for k, v in function.items() if v is not None},
    }
    return {"tool_calls": [{k: v for k, v in piece.items() if v is not None}]}


def stream(*chunks: Any, done: bool = True) -> bytes:
    """The bytes of a chat stream."""
    datas = [json.dumps(each, ensure_ascii=False) for each in chunks] + ["[DONE]"] * done
    return "".join(f"data: {data}\n\n" for data in datas).encode()


def events_of(written: bytes) -> list[dict[str, Any]]:
    """The events in what an app gets. Each is checked as strictly as the `openai` package can."""
    read = []
    for block in written.decode().split("\n\n"):
        if not block or block.startswith(":"):
            continue
        name, _, data = block.partition("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        _event.validate_python(event)
        read.append(event)
    return read


def streamed(bridge: ResponsesBridge, *chunks: Any, done: bool = True) -> list[dict[str, Any]]:
    """The events for a chat stream that comes in one piece and has ended."""
    events = bridge.events()
    return events_of(events.feed(stream(*chunks, done=done)) + events.end())


def answered(
    bridge: ResponsesBridge,
    message: Any,
    finish: str | None = "stop",
    *,
    logprobs: Any = None,
    usage: Any = USAGE,
) -> dict[str, Any]:
    """The response for a whole chat completion, checked as events are."""
    choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": finish}
    body = json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage})
    response: dict[str, Any] = json.loads(bridge.answer(body.encode()).body)
    _response.validate_python(response)
    return response


def types(events: list[dict[str, Any]]) -> list[str]:
    """The types of events, without the prefix that nearly all have."""
    return [event["type"].removeprefix("response.") for event in events]
