"""The tools of a request: a line for each. Pure, and never fails."""

from collections.abc import Iterator
from typing import Any

from .layout import compact, typed

# Where tools have the schema of what they get: chat completions and Responses, and Messages.
_SCHEMAS = ("parameters", "input_schema")
_DEEPEST = 5


def tools_text(tools: Any) -> str:
    """A line for each tool, those of groups with the group's name before theirs."""
    return "\n".join(_lines(tools))


def _lines(tools: Any, group: str = "", depth: int = 0) -> Iterator[str]:
    for tool in typed(tools, list):
        inner = typed(tool, dict).get("tools")
        if isinstance(inner, list) and depth < _DEEPEST:
            name = typed(tool.get("name"), str)
            yield from _lines(inner, f"{group}{name}." if name else group, depth + 1)
        else:
            yield _tool(tool, group)


def _tool(tool: Any, group: str) -> str:
    if not isinstance(tool, dict):
        return compact(tool)
    kind = tool.get("type")
    function = tool.get(kind, tool) if isinstance(kind, str) else tool.get("function", tool)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return compact(tool)
    schema = next(filter(None, (typed(function.get(name), dict) for name in _SCHEMAS)), {})
    required = {name for name in typed(schema.get("required"), list) if isinstance(name, str)}
    parameters = [
        f"{name}{'' if name in required else '?'}: {_type(one)}"
        for name, one in typed(schema.get("properties"), dict).items()
    ]
    if kind == "custom" and not schema:
        parameters = ["any text"]
    text = f"{group}{function['name']}({', '.join(parameters)})"
    if lines := typed(function.get("description"), str).strip().splitlines():
        text += f": {lines[0]}"
    return text


def _type(schema: Any, depth: int = 0) -> str:
    if not isinstance(schema, dict) or depth > _DEEPEST:
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
