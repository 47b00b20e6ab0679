"""A request that generates text, of any of the APIs, as a transcript. Pure, and never fails."""

from collections.abc import Iterator
from typing import Any

from .layout import block, compact, dotted, json_value, paragraphs, typed
from .tools import tools_text
from .turns import system_turn, turns_of_input, turns_of_messages

# The values that the APIs assume for parameters that are not given.
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("temperature", "top_p", "n", "best_of"), 1),
    **dict.fromkeys(("presence_penalty", "frequency_penalty"), 0),
    **dict.fromkeys(("logprobs", "echo", "store"), False),
    **dict.fromkeys(("tool_choice", "function_call"), "auto"),
    "parallel_tool_calls": True,
}
_DEFAULTS_OF_RESPONSES = {**_DEFAULTS, "store": True, "truncation": "disabled", "background": False}
# These parameters are shown in places of their own.
_ELSEWHERE = frozenset(
    {
        *("messages", "prompt", "input", "system", "instructions"),
        *("model", "stream", "tools", "functions"),
    }
)
_PROMPTS = ("messages", "prompt", "input", "instructions", "previous_response_id")
# Their members are shown as parameters.
_GROUPS = frozenset({"text", "reasoning"})


def transcript(body: bytes) -> str | None:
    """The request as text. None if the body is something else."""
    request = json_value(body)
    if not isinstance(request, dict) or request.get("object") == "response":
        return None
    if all(request.get(name) is None for name in _PROMPTS):
        return None
    return paragraphs(_parts(request))


def _parts(request: dict[str, Any]) -> Iterator[str]:
    yield _head(request)
    for name in ("system", "instructions"):
        if request.get(name) is not None:
            yield system_turn(request[name], name).shown()
    if request.get("messages") is not None:
        for turn in turns_of_messages(request["messages"]):
            yield turn.shown()
    if request.get("input") is not None:
        # A turn may grow until the next one is there.
        for turn in list(turns_of_input(request["input"])):
            yield turn.shown()
    if "prompt" in request:
        yield from _prompts(request["prompt"])
    if tools := tools_text(
        typed(request.get("tools"), list) + typed(request.get("functions"), list)
    ):
        yield block("tools", tools)


def _head(request: dict[str, Any]) -> str:
    defaults = _DEFAULTS_OF_RESPONSES if "input" in request else _DEFAULTS
    parameters = [
        f"{name}={_parameter(value)}"
        for name, value in _parameters(request)
        if not _is_default(defaults.get(name), value)
    ]
    model = typed(request.get("model"), str) or "no model"
    return dotted([model, "stream" if request.get("stream") else "", *parameters])


def _parameters(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in request.items():
        if name in _ELSEWHERE:
            continue
        if name in _GROUPS and isinstance(value, dict):
            yield from ((f"{name}.{inner}", each) for inner, each in value.items())
        else:
            yield name, value


def _is_default(default: Any, value: Any) -> bool:
    # True is equal to 1 in Python, but not in JSON.
    return value is None or (
        value == default and isinstance(value, bool) == (type(default) is bool)
    )


def _parameter(value: Any) -> str:
    if isinstance(value, str):
        return value if value.isprintable() and len(value) <= 80 else compact(value)
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        # Chat completions have a schema's name within, Responses beside.
        schema = value.get(value["type"], value)
        if isinstance(schema, dict) and isinstance(schema.get("name"), str):
            return f"{value['type']} {schema['name']}"
        if len(value) == 1:
            return str(value["type"])
    return compact(value)


def _prompts(prompt: Any) -> list[str]:
    if prompt is None:
        return []
    if isinstance(prompt, str):
        return [block("prompt", prompt)]
    kinds = set(map(type, typed(prompt, list)))
    if kinds == {str}:
        return [block(f"prompt {number}", each) for number, each in enumerate(prompt)]
    head = f"prompt, {len(prompt):,} tokens" if kinds == {int} else "prompt"
    return [block(head, compact(prompt, 2_000))]
