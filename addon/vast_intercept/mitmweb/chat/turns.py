"""What was said before, turn by turn: the messages and items of a request. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .completions import add_message
from .content import append, part_of, parts_of
from .layout import block, compact, paragraphs, typed
from .responses import parts_of_item
from .said import Choice, Part
from .tools import tools_text

_ASSISTANT = "assistant"
# Blocks that only the Messages API has.
_BLOCKS = frozenset({"tool_use", "tool_result", "thinking", "redacted_thinking"})
_FROM_MODEL = frozenset({"function_call", "custom_tool_call", "reasoning"})
_SHOWN = 300  # characters of an item of another kind


@dataclass(slots=True)
class Turn:
    """Who said something, and what it was."""

    head: str
    said: Choice = field(default_factory=Choice)

    def shown(self) -> str:
        """The turn as text."""
        return block(self.head, paragraphs(self.said.texts()))


def turns_of_messages(messages: Any) -> Iterator[Turn]:
    """The messages of a chat completion, or of the Messages API."""
    if not isinstance(messages, list):
        yield _only("messages", [Part("text", [compact(messages)])])
        return
    for message in messages:
        if not isinstance(message, dict):
            yield Turn(compact(message))
        elif _has_blocks(message):
            yield from _turns_of_blocks(message)
        else:
            turn = Turn(_head(message))
            add_message(turn.said, message)
            yield turn


def turns_of_input(items: Any) -> Iterator[Turn]:
    """The input of the Responses API: a text, or items. What the model said at once is one turn."""
    if isinstance(items, str):
        yield _only("user", [Part("text", [items])])
        return
    if not isinstance(items, list):
        yield _only("input", [Part("text", [compact(items)])])
        return
    of_model: Turn | None = None
    for item in items:
        turn = _turn_of_item(item)
        if turn.head != _ASSISTANT:
            of_model = None
            yield turn
        elif of_model is None:
            # It is shown only after it has been filled.
            of_model = turn
            yield turn
        else:
            for parts in turn.said.items.values():
                of_model.said.items[len(of_model.said.items)] = parts


def system_turn(system: Any, head: str) -> Turn:
    """What the model is told besides the messages: `system` or `instructions`."""
    return _only(head, parts_of(system))


def _only(head: str, parts: Iterable[Part]) -> Turn:
    turn = Turn(head)
    for part in parts:
        turn.said.add(part)
    return turn


def _head(message: dict[str, Any]) -> str:
    head = typed(message.get("role"), str) or "no role"
    names = [typed(message.get(member), str) for member in ("name", "tool_call_id")]
    return f"{head} ({', '.join(filter(None, names))})" if any(names) else head


def _has_blocks(message: dict[str, Any]) -> bool:
    return any(
        typed(part, dict).get("type") in _BLOCKS
        for part in typed(message.get("content"), list)
        if isinstance(typed(part, dict).get("type"), str)
    )


def _turns_of_blocks(message: dict[str, Any]) -> Iterator[Turn]:
    """A message of the Messages API. Results of tools are turns of their own, as in a chat."""
    turn = Turn(_head(message))
    for each in message["content"]:
        fields = typed(each, dict)
        if fields.get("type") != "tool_result":
            turn.said.add(part_of(each))
            continue
        if turn.said.items:
            yield turn
            turn = Turn(turn.head)
        details = [typed(fields.get("tool_use_id"), str), "error" if fields.get("is_error") else ""]
        yield _only(_tool(", ".join(filter(None, details))), parts_of(fields.get("content")))
    if turn.said.items:
        yield turn


def _tool(details: str) -> str:
    return f"tool ({details})" if details else "tool"


def _turn_of_item(item: Any) -> Turn:
    fields = typed(item, dict)
    kind = typed(fields.get("type"), str)
    if kind in {"", "message"} and "role" in fields:
        return _only(_head(fields), parts_of(fields.get("content")))
    if kind in _FROM_MODEL:
        turn = Turn(_ASSISTANT)
        turn.said.items[0] = parts_of_item(item)
        return turn
    if kind.endswith("_output"):
        output = parts_of(fields.get("output"))
        return _only(_tool(typed(fields.get("call_id"), str)), output)
    if kind == "additional_tools":
        return _only("additional tools", [Part("text", [tools_text(fields.get("tools"))])])
    if kind == "item_reference":
        reference = Part()
        append(reference.text, fields.get("id"))
        return _only("item reference", [reference])
    return _only(kind or "an item without a type", [Part("text", [compact(item, _SHOWN)])])
