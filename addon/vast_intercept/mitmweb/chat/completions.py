"""Reads answers and messages of chat and text completions. Pure, and never fails."""

from typing import Any

from .answer import ChatAnswer
from .content import append, number, parts_of, text_of_arguments
from .layout import typed
from .said import Choice

# The parts of a message, in the order in which they are shown. Calls follow by their index.
_REASONING, _TEXT, _REFUSAL, _CALLS = range(4)


def add_completion(answer: ChatAnswer, body: dict[str, Any]) -> None:
    """Adds a whole answer or a chunk of a stream, but for the members whose type is wrong."""
    for chunk in typed(body.get("choices"), list):
        _add_choice(answer, typed(chunk, dict))


def _add_choice(answer: ChatAnswer, chunk: dict[str, Any]) -> None:
    choice = answer.choice(number(chunk.get("index")))
    choice.finish_reason = typed(chunk.get("finish_reason"), str) or choice.finish_reason
    _add_text(choice, chunk.get("text"))
    add_message(choice, typed(chunk.get("delta") or chunk.get("message"), dict))


def add_message(choice: Choice, message: dict[str, Any]) -> None:
    """Adds a message of a request, of a whole answer, or a delta of a stream to `choice`."""
    content = message.get("content")
    if isinstance(content, str):
        _add_text(choice, content)
        if len(message) == 1:  # what nearly all chunks of a stream have
            return
    else:
        for part in parts_of(content):
            pieces = choice.part(_TEXT).text
            pieces += ["\n"] * bool(pieces) + part.text
    reasoning = typed(message.get("reasoning_content"), str) or message.get("reasoning")
    if reasoning and isinstance(reasoning, str):
        choice.part(_REASONING, kind="reasoning").text.append(reasoning)
    refusal = message.get("refusal")
    if refusal and isinstance(refusal, str):
        choice.part(_REFUSAL, kind="refusal").text.append(refusal)
    choice.role = typed(message.get("role"), str) or choice.role
    for position, call in enumerate(typed(message.get("tool_calls"), list)):
        _add_call(choice, position, typed(call, dict))
    if function := message.get("function_call"):
        _add_call(choice, 0, {"function": function})


def _add_text(choice: Choice, text: Any) -> None:
    if text and isinstance(text, str):
        choice.part(_TEXT).text.append(text)


def _add_call(choice: Choice, position: int, piece: dict[str, Any]) -> None:
    call = choice.part(_CALLS + number(piece.get("index"), position), kind="call")
    call.id = typed(piece.get("id"), str) or call.id
    function = typed(piece.get("function"), dict)
    append(call.name, function.get("name"))
    # Custom tools, which get any text, have it in `custom`.
    custom = typed(piece.get("custom"), dict)
    append(call.name, custom.get("name"))
    append(call.text, text_of_arguments(function.get("arguments") or custom.get("input")))
