"""The request of a chat or text completion as a transcript. Pure, and never fails."""

from typing import Any

from .assembly import Choice, add_message
from .layout import block, compact, dotted, json_value, paragraphs, typed
from .rendering import texts_of

# The values that OpenAI assumes for parameters that are not given.
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("temperature", "top_p", "n", "best_of"), 1),
    **dict.fromkeys(("presence_penalty", "frequency_penalty"), 0),
    **dict.fromkeys(("logprobs", "echo", "store"), False),
    **dict.fromkeys(("tool_choice", "function_call"), "auto"),
    "parallel_tool_calls": True,
}
# These parameters are shown in places of their own.
_ELSEWHERE = frozenset({"messages", "prompt", "model", "stream", "tools", "functions"})


def transcript(body: bytes) -> str | None:
    """The request as text. None if the body is something else."""
    request = json_value(body)
    if not isinstance(request, dict) or not request.keys() & {"messages", "prompt"}:
        return None
    parts = [_head(request)]
    messages = request.get("messages")
    if isinstance(messages, list):
        parts += [_message(each) for each in messages]
    elif messages is not None:
        parts.append(block("messages", compact(messages)))
    if "prompt" in request:
        parts += _prompts(request["prompt"])
    parts.append(_tools(request))
    return paragraphs(parts)


def _head(request: dict[str, Any]) -> str:
    parameters = [
        f"{name}={_parameter(value)}"
        for name, value in request.items()
        if name not in _ELSEWHERE and not _is_default(name, value)
    ]
    model = typed(request.get("model"), str) or "no model"
    return dotted([model, "stream" if request.get("stream") else "", *parameters])


def _is_default(name: str, value: Any) -> bool:
    default = _DEFAULTS.get(name)
    # True is equal to 1 in Python, but not in JSON.
    return value is None or (
        value == default and isinstance(value, bool) == (type(default) is bool)
    )


def _parameter(value: Any) -> str:
    if isinstance(value, str):
        return value if value.isprintable() and len(value) <= 80 else compact(value)
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        schema = value.get(value["type"])
        if isinstance(schema, dict) and isinstance(schema.get("name"), str):
            return f"{value['type']} {schema['name']}"
        if len(value) == 1:
            return str(value["type"])
    return compact(value)


def _message(message: Any) -> str:
    if not isinstance(message, dict):
        return compact(message)
    head = typed(message.get("role"), str) or "no role"
    names = [typed(message.get(member), str) for member in ("name", "tool_call_id")]
    if any(names):
        head += f" ({', '.join(filter(None, names))})"
    said = Choice()
    add_message(said, message)
    return block(head, "\n".join(filter(None, texts_of(said))))


def _prompts(prompt: Any) -> list[str]:
    if isinstance(prompt, str):
        return [block("prompt", prompt)]
    kinds = set(map(type, typed(prompt, list)))
    if kinds == {str}:
        return [block(f"prompt {number}", each) for number, each in enumerate(prompt)]
    head = f"prompt, {len(prompt):,} tokens" if kinds == {int} else "prompt"
    return [block(head, compact(prompt, 2_000))]


def _tools(request: dict[str, Any]) -> str:
    tools = typed(request.get("tools"), list) + typed(request.get("functions"), list)
    return block("tools", "\n".join(map(_tool, tools))) if tools else ""


def _tool(tool: Any) -> str:
    if not isinstance(tool, dict):
        return compact(tool)
    function = tool.get("function", tool)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return compact(tool)
    schema = typed(function.get("parameters"), dict)
    required = {name for name in typed(schema.get("required"), list) if isinstance(name, str)}
    parameters = [
        f"{name}{'' if name in required else '?'}: {_type(one)}"
        for name, one in typed(schema.get("properties"), dict).items()
    ]
    text = f"{function['name']}({', '.join(parameters)})"
    if lines := typed(function.get("description"), str).strip().splitlines():
        text += f": {lines[0]}"
    return text


def _type(schema: Any, depth: int = 0) -> str:
    if not isinstance(schema, dict) or depth > 5:
        return "any"
    values = schema.get("enum")
    if isinstance(values, list) and values:
        return " | ".join(compact(each, 40) for each in values[:10])
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(str(each) for each in kind)
    if kind == "array":
        return f"{_type(schema.get('items'), depth + 1)}[]"
    return kind if isinstance(kind, str) else "any"
