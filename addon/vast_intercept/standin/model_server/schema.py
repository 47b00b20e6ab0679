"""Makes an instance of a JSON schema, as a model under a grammar would, but always the same one.

Covers what tools and the `openai` package's pydantic helper send. Ignores other demands of a
schema (`pattern`, `multipleOf`, `not`).
"""

from collections.abc import Mapping
from typing import Any

from ..answering import Json

type Schema = Mapping[str, Any]

# A schema may refer to itself: from this depth on, optional parts are left out.
_DEPTH = 4
# A schema that demands a value without end, which no JSON can have, gets null at this depth.
_MAX_DEPTH = 32

_FORMATS = {
    "date": "2024-01-01",
    "date-time": "2024-01-01T00:00:00Z",
    "duration": "PT1S",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "00:00:00Z",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def instance(schema: Schema) -> Json:
    """A value that `schema` allows.

    >>> instance({"type": "object", "properties": {"city": {"enum": ["Paris", "Oslo"]}}})
    {'city': 'Paris'}
    """
    return _value(schema, schema, 0)


def _value(schema: Schema | bool, root: Schema, depth: int) -> Json:
    # "true" and "false" are schemas, too: they allow anything and nothing.
    if isinstance(schema, bool) or depth > _MAX_DEPTH:
        return None
    if "$ref" in schema:
        siblings = {name: value for name, value in schema.items() if name != "$ref"}
        return _value({**_referred(root, schema["$ref"]), **siblings}, root, depth + 1)
    for name in ("const", "default"):
        if name in schema:
            fixed: Json = schema[name]
            return fixed
    if schema.get("enum"):
        first: Json = schema["enum"][0]
        return first
    for name in ("anyOf", "oneOf"):
        if schema.get(name):
            return _value(_branch(schema[name], depth), root, depth + 1)
    if schema.get("allOf"):
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            merged |= _referred(root, part["$ref"]) if "$ref" in part else part
        rest = {name: value for name, value in schema.items() if name != "allOf"}
        return _value({**merged, **rest}, root, depth + 1)
    return _typed(schema, root, depth)


def _typed(schema: Schema, root: Schema, depth: int) -> Json:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = "null" if depth >= _DEPTH and "null" in kind else kind[0]
    match kind:
        case "object":
            return _object(schema, root, depth)
        case "array":
            return _array(schema, root, depth)
        case "string":
            return _string(schema)
        case "integer" | "number":
            return _number(schema, integer=kind == "integer")
        case "boolean":
            return True
    return None


def _object(schema: Schema, root: Schema, depth: int) -> Json:
    required = schema.get("required", ())
    return {
        name: _value(value, root, depth + 1)
        for name, value in schema.get("properties", {}).items()
        if depth < _DEPTH or name in required
    }


def _array(schema: Schema, root: Schema, depth: int) -> Json:
    first = schema.get("prefixItems", [])
    fewest = schema.get("minItems", 0 if depth >= _DEPTH else 1)
    count = max(min(fewest, schema.get("maxItems", fewest)), len(first))
    items = [*first, *[schema.get("items", {"type": "string"})] * (count - len(first))]
    return [_value(item, root, depth + 1) for item in items]


def _string(schema: Schema) -> str:
    text: str = _FORMATS.get(schema.get("format", ""), "text")
    text = text.ljust(schema.get("minLength", 0), "x")
    return text[: schema.get("maxLength", len(text))]


def _number(schema: Schema, *, integer: bool) -> int | float:
    step = 1 if integer else 0.5
    value: int | float = 1 if integer else 1.5
    if "maximum" in schema:
        value = min(value, schema["maximum"])
    if "exclusiveMaximum" in schema:
        value = min(value, schema["exclusiveMaximum"] - step)
    if "minimum" in schema:
        value = max(value, schema["minimum"])
    if "exclusiveMinimum" in schema:
        value = max(value, schema["exclusiveMinimum"] + step)
    return value


def _branch(branches: list[Schema], depth: int) -> Schema:
    if depth >= _DEPTH:
        for branch in branches:
            if branch.get("type") == "null":
                return branch
    return branches[0]


def _referred(root: Schema, reference: str) -> Schema:
    """The schema that `#/$defs/Name` (or `#`) refers to; an empty schema if there is none."""
    found: Any = root
    for name in reference.removeprefix("#").strip("/").split("/"):
        if name:
            # RFC 6901, section 4: "~1" is "/" and "~0" is "~".
            found = found.get(name.replace("~1", "/").replace("~0", "~"), {})
    return found if isinstance(found, Mapping) else {}
