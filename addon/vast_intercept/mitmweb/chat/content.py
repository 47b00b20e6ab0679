"""The content of messages in all three APIs: a text, or a list of parts or blocks. Pure."""

from collections.abc import Iterator
from typing import Any

import msgspec

from .layout import compact, typed
from .media_text import base64_text, url_text
from .said import Kind, Part

_SHOWN = 80  # characters of what is not text
# How images and audio are called here, by the type of their part.
_NAMES = {
    **dict.fromkeys(("image_url", "input_image", "image"), "image"),
    **dict.fromkeys(("input_audio", "audio_url", "audio"), "audio"),
}

# By the type of a content part: the member that has its text, and what it is. Chat completions
# have text and refusal, Responses input_text, output_text, summary_text and reasoning_text,
# Messages text and thinking.
_TEXTS: dict[str, tuple[str, Kind]] = {
    **dict.fromkeys(("text", "input_text", "output_text"), ("text", "text")),
    **dict.fromkeys(("summary_text", "reasoning_text"), ("text", "reasoning")),
    "thinking": ("thinking", "reasoning"),
    "refusal": ("refusal", "refusal"),
}
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
# Where parts that are not text have what they are about, besides the member named as their type.
_SOURCES = ("source", "image_url", "file_url", "file_data", "file_id", "filename", "url", "data")


def parts_of(content: Any) -> Iterator[Part]:
    """A content in parts. Texts that follow one another are one part, in lines."""
    if content is None:
        return
    if isinstance(content, str):
        yield Part("text", [content])
        return
    if not isinstance(content, list):
        yield Part("text", [compact(content)])
        return
    open_text: Part | None = None
    for each in content:
        part = part_of(each)
        if part.kind == "other":
            part.kind = "text"
        if part.kind == "text" and open_text:
            open_text.text += ["\n", *part.text]
            continue
        if open_text:
            yield open_text
        open_text = part if part.kind == "text" else None
        if open_text is None:
            yield part
    if open_text:
        yield open_text


def part_of(part: Any) -> Part:
    """One part of a content, or one block. What is not text is abbreviated."""
    if isinstance(part, str):
        return Part("text", [part])
    fields = typed(part, dict)
    kind = typed(fields.get("type"), str)
    if kind in _CALLS:
        return call(fields.get("name"), fields.get("id"), fields.get("input"))
    if kind == "redacted_thinking":
        return Part("reasoning", ["[redacted]"])
    member, what = _TEXTS.get(kind, ("text", "text"))
    if not isinstance(fields.get(member), str):
        member, what = ("refusal", "refusal") if kind != "refusal" else ("text", "text")
    if isinstance(text := fields.get(member), str):
        return Part(what, [text])
    return Part("other", [_abbreviated(fields, kind)])


def call(name: Any, call_id: Any, arguments: Any) -> Part:
    """A call of a tool. `arguments` may be text, or a value that is shown as JSON."""
    part = Part("call", id=typed(call_id, str))
    append(part.name, name)
    append(part.text, text_of_arguments(arguments))
    return part


def text_of_arguments(arguments: Any) -> str:
    """What a tool gets, as text. Nothing for an empty object, whose members may follow."""
    if not arguments or isinstance(arguments, str):
        return arguments or ""
    try:
        return msgspec.json.encode(arguments).decode()
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return repr(arguments)


def append(pieces: list[str], text: Any) -> None:
    """Adds a text to the pieces, and nothing that is none."""
    if text and isinstance(text, str):
        pieces.append(text)


def number(value: Any, default: int = 0) -> int:
    """The value if it is a whole number."""
    return value if type(value) is int else default


def _abbreviated(part: dict[str, Any], kind: str) -> str:
    name = _NAMES.get(kind, kind)
    inner = next((part[member] for member in (kind, *_SOURCES) if part.get(member)), None)
    if isinstance(inner, dict):
        media = typed(inner.get("media_type"), str) or typed(inner.get("format"), str)
        if media and isinstance(data := inner.get("data"), str):
            return f"[{name}: {base64_text(data, media[:_SHOWN])}]"
        inner = next((one for one in inner.values() if isinstance(one, str)), "")
    if not isinstance(inner, str):
        return f"[{name or 'something that is no part of a content'}]"
    return f"[{name}: {url_text(inner)}]"
