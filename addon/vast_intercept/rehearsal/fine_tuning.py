"""A recorded call as an example for fine-tuning, in the form that OpenAI documents for chats.

https://platform.openai.com/docs/guides/supervised-fine-tuning: an object with `messages`, whose
last is the assistant's, and where tools are used `tools` and `parallel_tool_calls`. Pure.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from ..bridges.functions.request import with_tools
from ..bridges.messages.request import read_messages
from ..bridges.responses.request import read
from ..openai_api.errors import ApiError
from ..openai_api.limits import MAX_BRIDGED
from ..openai_api.members import DECODE_ERRORS
from ..openai_api.operations import Operation
from .calls import RecordedCall
from .replies.reading import operation_of, read_reply
from .replies.reply import Reply

# Members of a message. Others, such as `reasoning`, are for one server alone.
_OF_MESSAGES = frozenset({"content", "name", "refusal", "role", "tool_call_id", "tool_calls"})
_UNFINISHED = {
    "length": "the answer was cut off at the limit of tokens",
    "content_filter": "the answer was cut off by a filter",
}


class NoExampleError(Exception):
    """A call makes no example. The message says why, the same for all calls with that reason."""


def example_of(call: RecordedCall) -> dict[str, Any]:
    """The example that a call and its answer make. Raises NoExampleError."""
    if call.method != "POST" or len(call.body) > MAX_BRIDGED:
        raise NoExampleError(
            "it is not a chat"
            if call.method != "POST"
            else f"it is larger than {MAX_BRIDGED:,} bytes"
        )
    chat = _chat(call)
    reply = _reply(call)
    messages = [_message(each) for each in chat["messages"]]
    before = ""
    if chat.get("continue_final_message"):
        # The app has begun the answer, and the model has gone on (`bridges/messages/`).
        before = messages.pop()["content"]
        if not isinstance(before, str):
            raise NoExampleError("it continues an answer that is more than text")
    example: dict[str, Any] = {"messages": [*messages, _last(reply, before)]}
    if tools := chat.get("tools"):
        example["tools"] = tools
        if isinstance(parallel := chat.get("parallel_tool_calls"), bool):
            example["parallel_tool_calls"] = parallel
    return example


def _chat(call: RecordedCall) -> dict[str, Any]:
    """The call's request as a chat completion, whichever API it speaks."""
    try:
        match operation_of(call):
            case Operation.CHAT_COMPLETIONS:
                made = with_tools(call.body)
                body = made[0] if made else call.body
            case Operation.RESPONSES if call.url.partition("?")[0].endswith("/responses"):
                body = read(call.body).convert("resp_0").chat
            case Operation.MESSAGES if call.url.partition("?")[0].endswith("/messages"):
                body = read_messages(call.body, "req_0").chat
            case _:
                raise NoExampleError("it is not a chat")
        chat = msgspec.json.decode(body)
    except (ApiError, *DECODE_ERRORS):
        raise NoExampleError("its request cannot be read as a chat") from None
    messages = chat.get("messages") if isinstance(chat, dict) else None
    if not (messages and isinstance(messages, list) and all(map(_is_message, messages))):
        raise NoExampleError("its request cannot be read as a chat")
    assert isinstance(chat, dict)
    return chat


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str)


def _reply(call: RecordedCall) -> Reply:
    if call.answer is None:
        raise NoExampleError("the recording has no answer")
    reply = read_reply(call, call.answer)
    if reply.error or call.answer.status != 200:
        raise NoExampleError("the answer is an error")
    if not reply.complete:
        raise NoExampleError("the answer is not whole")
    if reply.finish_reason in _UNFINISHED:
        raise NoExampleError(_UNFINISHED[reply.finish_reason])
    if not (reply.text or reply.tool_calls or reply.refusal):
        raise NoExampleError("the answer is empty")
    return reply


def _message(given: dict[str, Any]) -> dict[str, Any]:
    """The message as an app could have written it: many send what they got, with its nulls."""
    return {
        name: value
        for name, value in given.items()
        if name in _OF_MESSAGES and (value is not None or name == "content")
    }


def _last(reply: Reply, before: str) -> dict[str, Any]:
    """The answer as a message. `before` is the beginning that the app has given."""
    message: dict[str, Any] = {"role": "assistant", "content": before + reply.text or None}
    if reply.refusal:
        message["refusal"] = reply.refusal
    if reply.tool_calls:
        message["tool_calls"] = list(_tool_calls(reply))
    return message


def _tool_calls(reply: Reply) -> Iterator[dict[str, Any]]:
    # The provider's ids differ in each answer. These have the form that all templates take
    # (FACTS R31), and equal answers stay equal.
    for number, call in enumerate(reply.tool_calls, 1):
        function = {"name": call.name, "arguments": call.arguments}
        yield {"id": f"call{number:05d}", "type": "function", "function": function}
