"""A whole message, made of a whole chat completion."""

from collections.abc import Iterator

import msgspec

from ..chat_answers import MAX_ITEMS, ChatCompletion, Message, bad_answer
from .asked import Asked
from .endings import NO_USAGE, ending, tool_input, usage_fields
from .tool_ids import to_app


def message_fields(asked: Asked) -> dict[str, object]:
    """The fields of a message that are known before the model has said anything."""
    return {
        "id": asked.message_id,
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": {**NO_USAGE, "input_tokens": asked.input_tokens},
    }


def text_block(text: str) -> dict[str, object]:
    """A block with a text. There is nothing to cite."""
    return {"type": "text", "text": text, "citations": None}


def tool_block(identifier: str, name: str, given: object) -> dict[str, object]:
    """A block with a tool's call, which the model itself makes. `given` is its input."""
    call = {"id": identifier, "name": name, "input": given}
    return {"type": "tool_use", **call, "caller": {"type": "direct"}}


def call_id(asked: Asked, given: str | None, index: int) -> str:
    """The id of a tool call that is the block with this index, even if Vast gave it none."""
    return to_app(given or f"{asked.message_id.removeprefix('msg_')}_{index}")


def whole_message(asked: Asked, answer: ChatCompletion) -> bytes:
    """The JSON of the message. Raises ApiError (502) for an answer without a choice."""
    choice = answer.choice
    said = choice.message if choice else None
    if choice is None or said is None:
        raise bad_answer("it has no choice with a message")
    if len(said.tool_calls or ()) > MAX_ITEMS:
        raise bad_answer(f"it has more than {MAX_ITEMS:,} tool calls")
    reason, sequence = ending(choice, calls=bool(said.tool_calls), refused=bool(said.refusal))
    arguments = (call.arguments for call in said.tool_calls or ())
    texts = (said.thoughts, said.content or "", said.refusal or "", *arguments)
    size = sum(len(text.encode()) for text in texts)
    return msgspec.json.encode(
        {
            **message_fields(asked),
            "content": list(_blocks(asked, said)),
            "stop_reason": reason,
            "stop_sequence": sequence,
            "usage": usage_fields(answer.usage, asked, size),
        }
    )


def _blocks(asked: Asked, said: Message) -> Iterator[dict[str, object]]:
    index = 0
    if asked.thinking and said.thoughts:
        thinking = "" if asked.thinking_omitted else said.thoughts
        yield {"type": "thinking", "thinking": thinking, "signature": asked.signature}
        index += 1
    text = (said.content or "") + (said.refusal or "")
    if text:
        yield text_block(text)
        index += 1
    for call in said.tool_calls or ():
        yield tool_block(call_id(asked, call.id, index), call.name, tool_input(call.arguments))
        index += 1
