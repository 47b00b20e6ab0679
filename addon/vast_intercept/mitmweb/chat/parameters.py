"""The first line of a request: its model, and the parameters that are not what the API assumes."""

from collections.abc import Container, Iterator, Mapping
from typing import Any

from .layout import compact, dotted, typed

# Their members are shown as parameters.
_GROUPS = frozenset({"text", "reasoning"})


def head_of(
    request: Mapping[str, Any], *, elsewhere: Container[str], defaults: Mapping[str, Any]
) -> str:
    """The line. Members that are shown `elsewhere` are not in it."""
    parameters = [
        f"{name}={_parameter(value)}"
        for name, value in _parameters(request, elsewhere)
        if not _is_default(defaults.get(name), value)
    ]
    model = typed(request.get("model"), str) or "no model"
    return dotted([model, "stream" if request.get("stream") else "", *parameters])


def _parameters(request: Mapping[str, Any], elsewhere: Container[str]) -> Iterator[tuple[str, Any]]:
    for name, value in request.items():
        if name in elsewhere or name in {"model", "stream"}:
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
