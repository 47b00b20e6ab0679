"""Reads answers of the Responses API, whole or as events, and the items of its requests.

Pure, and never fails. https://platform.openai.com/docs/api-reference/responses-streaming has the
events. What an event at the end of an item or of the answer says replaces what has come of it.
"""

from typing import Any

from .answer import ChatAnswer
from .content import append, call, number, parts_of
from .layout import compact, typed
from .said import ONLY, Kind, Part, Place

# The sections of an item that has two.
_SUMMARY, _CONTENT = 0, 1

# By the type of an event that brings a piece of a part: what the part is, the section of its item
# that it is in, and the member that has its number there.
_DELTAS: dict[str, tuple[Kind, int, str]] = {
    "response.output_text.delta": ("text", _CONTENT, "content_index"),
    "response.refusal.delta": ("refusal", _CONTENT, "content_index"),
    "response.reasoning_summary_text.delta": ("reasoning", _SUMMARY, "summary_index"),
    "response.reasoning_text.delta": ("reasoning", _CONTENT, "content_index"),
    "response.function_call_arguments.delta": ("call", 0, ""),
    "response.custom_tool_call_input.delta": ("call", 0, ""),
}
_ITEMS = frozenset({"response.output_item.added", "response.output_item.done"})
_CLOSING = frozenset({"response.completed", "response.incomplete", "response.failed"})
_UNFINISHED = frozenset({"in_progress", "queued"})
_SHOWN = 300  # characters of an item of another kind


def is_response(body: dict[str, Any]) -> bool:
    """Whether this is a whole answer of the Responses API."""
    return body.get("object") == "response" or isinstance(body.get("output"), list)


def is_event(kind: str) -> bool:
    """Whether an event of this type is one of the Responses API."""
    return kind.startswith("response.")


def add_event(answer: ChatAnswer, event: dict[str, Any]) -> None:
    """Adds an event of a stream."""
    kind = typed(event.get("type"), str)
    answer.closing = "response.completed"
    if kind in _DELTAS:
        what, section, member = _DELTAS[kind]
        place = (section, number(event.get(member)))
        part = answer.choice().part(number(event.get("output_index")), place, what)
        append(part.text, event.get("delta"))
    elif kind in _ITEMS:
        _set_item(answer, number(event.get("output_index")), event.get("item"))
    response = event.get("response")
    if isinstance(response, dict):
        add_response(answer, response)
    if kind in _CLOSING:
        answer.done = True
        answer.choice().finish_reason = answer.choice().finish_reason or kind.partition(".")[2]


def add_response(answer: ChatAnswer, response: dict[str, Any]) -> None:
    """Adds a whole answer, or what is known of one that is still being generated."""
    answer.model = typed(response.get("model"), str) or answer.model
    answer.id = typed(response.get("id"), str) or answer.id
    answer.usage = typed(response.get("usage"), dict) or answer.usage
    # The event `error`, which comes before, says more.
    answer.error = answer.error or response.get("error")
    choice = answer.choice()
    status = typed(response.get("status"), str)
    if status and status not in _UNFINISHED:
        reason = typed(typed(response.get("incomplete_details"), dict).get("reason"), str)
        choice.finish_reason = f"{status}: {reason}" if reason else status
    output = typed(response.get("output"), list)
    # One that has failed may lack the item that was cut.
    if output and not (status == "failed" and choice.items):
        choice.items.clear()
        # All of it is here, also what was not looked at before.
        answer.left_out = 0
        for index, item in enumerate(output):
            _set_item(answer, index, item)


def _set_item(answer: ChatAnswer, index: int, item: Any) -> None:
    answer.choice().items[index] = parts_of_item(item)


def parts_of_item(item: Any) -> dict[Place, Part]:
    """The parts of an item of an answer, or of one of a request that the model said."""
    fields = typed(item, dict)
    match fields.get("type"):
        case "message":
            return _numbered(_CONTENT, fields.get("content"))
        case "reasoning":
            return _reasoning(fields)
        case "function_call":
            return {ONLY: call(_full_name(fields), fields.get("call_id"), fields.get("arguments"))}
        case "custom_tool_call":
            return {ONLY: call(_full_name(fields), fields.get("call_id"), fields.get("input"))}
    return {ONLY: Part("other", [f"[{compact(item, _SHOWN)}]"])}


def _full_name(fields: dict[str, Any]) -> str:
    name, group = typed(fields.get("name"), str), typed(fields.get("namespace"), str)
    return f"{group}.{name}" if group else name


def _reasoning(fields: dict[str, Any]) -> dict[Place, Part]:
    parts = _numbered(_SUMMARY, fields.get("summary")) | _numbered(_CONTENT, fields.get("content"))
    for part in parts.values():
        part.kind = "reasoning"
    encrypted = fields.get("encrypted_content")
    if not parts and encrypted and isinstance(encrypted, str):
        parts[_SUMMARY, 0] = Part("reasoning", [f"[encrypted, {len(encrypted):,} characters]"])
    return parts


def _numbered(section: int, content: Any) -> dict[Place, Part]:
    """The parts of a content by their number, as events count them."""
    if isinstance(content, list):
        each_by_itself = (next(parts_of([part])) for part in content)
        return {(section, index): part for index, part in enumerate(each_by_itself)}
    return {(section, index): part for index, part in enumerate(parts_of(content))}
