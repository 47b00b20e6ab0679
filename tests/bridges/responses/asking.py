"""Requests of the Responses API, converted, for the tests of the bridge's request side."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from vast_intercept.bridges.bridge import BuiltinTools
from vast_intercept.bridges.responses.asked import Asked
from vast_intercept.bridges.responses.request import Converted, read
from vast_intercept.openai_api.errors import ApiError

RESPONSE_ID = "resp_abc"


def converted(
    *,
    history: Sequence[Sequence[object]] = (),
    referenced: Mapping[str, object] | None = None,
    builtin_tools: BuiltinTools = BuiltinTools.LEAVE_OUT,
    **fields: object,
) -> Converted:
    """A request with these fields, converted. Without `input` it says "Hi"."""
    body = json.dumps({"model": "gpt-5.5", "input": "Hi", **fields}).encode()
    request = read(body, builtin_tools=builtin_tools)
    found = {name: json.dumps(item).encode() for name, item in (referenced or {}).items()}
    turns = [json.dumps(turn).encode() for turn in history]
    return request.convert(RESPONSE_ID, turns, found)


def chat(**fields: Any) -> dict[str, Any]:
    """The body of the chat completion for a request with these fields (see `converted`)."""
    body: dict[str, Any] = json.loads(converted(**fields).chat)
    return body


def messages(*items: object, **fields: Any) -> list[dict[str, Any]]:
    """The messages of the chat completion for a request with these items."""
    made: list[dict[str, Any]] = chat(input=list(items), **fields)["messages"]
    return made


def echoed(asked: Asked, name: str) -> Any:
    """What the response repeats of a field."""
    return json.loads(bytes(asked.echoed[name]))


def refused(**fields: Any) -> ApiError:
    """The error for a request with these fields (see `converted`)."""
    with pytest.raises(ApiError) as caught:
        converted(**fields)
    assert caught.value.type == "invalid_request_error"
    return caught.value


def user(text: str = "Hi") -> dict[str, object]:
    """What a user says."""
    return {"role": "user", "content": text}


def call(call_id: str = "c1", name: str = "f", arguments: str = "{}", **more: object) -> Any:
    """A call of a function."""
    item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
    return {**item, **more}


def output(call_id: str = "c1", text: object = "done", **more: object) -> Any:
    """The output of a call of a function."""
    return {"type": "function_call_output", "call_id": call_id, "output": text, **more}


def tool_call(call_id: str = "c1", name: str = "f", arguments: str = "{}") -> Any:
    """A call, as a chat message has it."""
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def function(name: str = "f", **more: object) -> Any:
    """A function as an app offers it."""
    return {"type": "function", "name": name, "parameters": {"type": "object"}, **more}
