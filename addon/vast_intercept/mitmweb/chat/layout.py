"""How a chat is laid out as text, and what JSON of any kind is taken for."""

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


def as_dict(value: Any) -> dict[str, Any]:
    """The value, if it is an object."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value, if it is an array."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """The value, if it is a text."""
    return value if isinstance(value, str) else ""


def indented(text: str) -> str:
    """Each line moved to the right, also empty ones: mitmweb shows no line without a character."""
    return "\n".join(f"  {line}" for line in text.split("\n"))


def paragraphs(parts: Iterable[str]) -> str:
    """What is not empty, with a line between that mitmweb does not leave out."""
    return "\n \n".join(part for part in parts if part)


def block(head: str, text: str) -> str:
    """A text below its head."""
    return f"{head}\n{indented(text)}" if text else head


def pretty_json(text: str) -> str:
    """JSON on many lines; as it is, what is not JSON, or so deep that it would grow too much."""
    if not _may_be_indented(text):
        return text
    try:
        # Not decoded and encoded again, which would change numbers.
        return msgspec.json.format(text, indent=2)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return text


def _may_be_indented(text: str) -> bool:
    """Each line is indented as deep as it is nested: in the worst case the size is squared."""
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
    """A value as JSON on one line, cut."""
    try:
        text = msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, TypeError, RecursionError, UnicodeEncodeError):
        text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def tool_call(name: str, call_id: str, arguments: str) -> str:
    """A call of a function."""
    head = f"→ {name or 'a function without a name'}" + (f" ({call_id})" if call_id else "")
    return block(head, pretty_json(arguments) if arguments else "")


def dotted(parts: list[str]) -> str:
    """Short facts in one line."""
    return " · ".join(part for part in parts if part)
