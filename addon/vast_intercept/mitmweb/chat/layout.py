"""Helpers to lay out text, and to read JSON whose types are not known."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

# How many times larger indenting may make JSON, and how many characters; besides so many.
_LARGEST_GROWTH = 20
_MOST_GROWTH = 4_000_000
_SMALL = 2_000
# Characters of JSON with many brackets: how deep it is takes time to find out.
_LARGEST_DEEP = 200_000
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|(?P<opening>[\[{])|(?P<closing>[\]}])')


def typed[T](value: Any, kind: type[T]) -> T:
    """The value if it is of that kind, else an empty one."""
    return value if isinstance(value, kind) else kind()


def json_value(data: bytes) -> Any:
    """The value of JSON, or None if the data are something else. What is not UTF-8 is replaced."""
    try:
        return msgspec.json.decode(data.decode(errors="replace").removeprefix("\ufeff"))
    except (msgspec.MsgspecError, RecursionError):
        return None


def indented(text: str) -> str:
    """Indents each line, also empty ones: mitmweb hides a line without a character."""
    return "\n".join(f"  {line}" for line in text.split("\n"))


def paragraphs(parts: Iterable[str]) -> str:
    """Joins the parts that are not empty, with a blank line that mitmweb does not hide."""
    return "\n \n".join(part for part in parts if part)


def block(head: str, text: str) -> str:
    """A heading, and the text indented below it."""
    return f"{head}\n{indented(text)}" if text else head


def pretty_json(text: str) -> str:
    """Indents JSON. Returns a text as it is that is no JSON, or would grow too much."""
    if not _may_be_indented(text):
        return text
    try:
        # Not decoded and encoded again, which would change numbers.
        return msgspec.json.format(text, indent=2)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return text


def _may_be_indented(text: str) -> bool:
    """Whether indenting stays small: the worst case, very deep JSON, squares the size."""
    brackets = text.count("[") + text.count("{")
    growth = 2 * (text.count(",") + 2 * brackets)  # for each level
    allowed = min(_LARGEST_GROWTH * len(text), _MOST_GROWTH) + _SMALL
    if growth * brackets <= allowed:
        return True
    if len(text) > _LARGEST_DEEP:
        return False
    depth = deepest = 0
    for match in _BRACKET.finditer(text):
        opens = match["opening"] is not None
        depth += opens - (match["closing"] is not None)
        deepest = max(deepest, depth)
    return growth * deepest <= allowed


def compact(value: Any, limit: int = 80) -> str:
    """A value as JSON on one line, cut to `limit` characters."""
    try:
        text = msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, TypeError, RecursionError, UnicodeEncodeError):
        text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def tool_call(name: str, call_id: str, arguments: str) -> str:
    """A tool call as text."""
    head = f"→ {name or 'a function without a name'}" + (f" ({call_id})" if call_id else "")
    return block(head, pretty_json(arguments) if arguments else "")


def dotted(parts: list[str]) -> str:
    """Joins short facts to one line, with dots between."""
    return " · ".join(part for part in parts if part)
