"""The request of a chat or text completion as a transcript. Pure, and never fails."""

from typing import Any

from .assembly import text_of_parts
from .layout import block, compact, dotted, json_value, paragraphs, tool_call, typed

# The values that OpenAI assumes for parameters that are not given.
_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "temperature": (1,),
    "top_p": (1,),
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logprobs": (False,),
    "parallel_tool_calls": (True,),
    "tool_choice": ("auto",),
    "function_call": ("auto",),
    "best_of": (1,),
    "echo": (False,),
    "store": (False,),
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
    model = request.get("model")
    return dotted(
        [
            model if isinstance(model, str) and model else "no model",
            "stream" if request.get("stream") else "",
            *[
                f"{name}={_parameter(value)}"
                for name, value in request.items()
                if name not in _ELSEWHERE and not _is_default(name, value)
            ],
        ]
    )


def _is_default(name: str, value: Any) -> bool:
    if value is None:
        return True
    # True is equal to 1 in Python, but not in JSON.
    return any(
        value == default and isinstance(value, bool) == isinstance(default, bool)
        for default in _DEFAULTS.get(name, ())
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
    role = message.get("role")
    head = role if isinstance(role, str) and role else "no role"
    names = [message.get("name"), message.get("tool_call_id")]
    if names := [name for name in names if isinstance(name, str) and name]:
        head += f" ({', '.join(names)})"
    texts = []
    reasoning = typed(message.get("reasoning_content"), str) or typed(message.get("reasoning"), str)
    if reasoning:
        texts.append(block("reasoning", reasoning))
    content = message.get("content")
    if isinstance(content, str):
        texts.append(content)
    elif isinstance(content, list):
        texts.append(text_of_parts(content))
    elif content is not None:
        texts.append(compact(content))
    calls = (typed(each, dict) for each in typed(message.get("tool_calls"), list))
    texts += [_call(call.get("function"), call.get("id")) for call in calls]
    if message.get("function_call") is not None:
        texts.append(_call(message["function_call"], None))
    return block(head, "\n".join(text for text in texts if text))


def _call(function: Any, call_id: Any) -> str:
    function = typed(function, dict)
    arguments = function.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        arguments = compact(arguments, 10_000)
    return tool_call(typed(function.get("name"), str), typed(call_id, str), arguments or "")


def _prompts(prompt: Any) -> list[str]:
    if isinstance(prompt, str):
        return [block("prompt", prompt)]
    if isinstance(prompt, list) and prompt and all(isinstance(each, str) for each in prompt):
        return [block(f"prompt {number}", each) for number, each in enumerate(prompt)]
    if isinstance(prompt, list) and prompt and all(type(each) is int for each in prompt):
        return [block(f"prompt, {len(prompt):,} tokens", compact(prompt, 2_000))]
    return [block("prompt", compact(prompt, 2_000))]


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
    description = function.get("description")
    if isinstance(description, str) and (lines := description.strip().splitlines()):
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
