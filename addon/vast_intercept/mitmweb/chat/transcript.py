"""A request that generates text, of any of the APIs, as a transcript. Pure, and never fails."""

from collections.abc import Iterator
from typing import Any

from .layout import block, compact, json_value, paragraphs, typed
from .parameters import head_of
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
        *("tools", "functions"),
    }
)
_PROMPTS = ("messages", "prompt", "input", "instructions", "previous_response_id")


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
        yield from texts_of("prompt", request["prompt"])
    if tools := tools_text(
        typed(request.get("tools"), list) + typed(request.get("functions"), list)
    ):
        yield block("tools", tools)


def _head(request: dict[str, Any]) -> str:
    defaults = _DEFAULTS_OF_RESPONSES if "input" in request else _DEFAULTS
    return head_of(request, elsewhere=_ELSEWHERE, defaults=defaults)


def texts_of(name: str, value: Any) -> list[str]:
    """A prompt, or another member that is a text, several texts, or tokens."""
    if value is None:
        return []
    if isinstance(value, str):
        return [block(name, value)]
    kinds = set(map(type, typed(value, list)))
    if kinds == {str}:
        return [block(f"{name} {number}", each) for number, each in enumerate(value)]
    head = f"{name}, {len(value):,} tokens" if kinds == {int} else name
    return [block(head, compact(value, 2_000))]
