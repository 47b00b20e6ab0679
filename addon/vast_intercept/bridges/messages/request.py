"""Reads a Messages request, and makes the chat completion that takes its place."""

from typing import Literal

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.media_parts import MediaName
from ...openai_api.members import NULL
from ...openai_api.outline import Buffer
from ...openai_api.reading import check_text, decode, first_byte, is_null
from ..media import encode_chat
from ..token_estimate import estimate_tokens
from .asked import Asked
from .bridge import MessagesBridge
from .conversation import read_conversation
from .refusals import refused, required
from .tools import read_tools

# Apps name the most that Anthropic's models can write (Claude Code: 128,000, FACTS R20), and vLLM
# refuses what is more than its model's context (FACTS R21). Without a limit, an answer may take
# what the prompt leaves of the context.
_MOST_TOKENS_ASKED = 16_384

# Anthropic has more words than vLLM.
_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_THINKING = {"enabled": True, "adaptive": True, "between_tools": True, "disabled": False}


class _Format(msgspec.Struct):
    type: str | None = None
    schema: msgspec.Raw = NULL


class _OutputConfig(msgspec.Struct):
    effort: str | None = None
    format: _Format | None = None


class _Thinking(msgspec.Struct):
    type: str | None = None
    display: str | None = None


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Request(msgspec.Struct):
    """The fields that are used. Others are ignored, as there are new ones every month."""

    model: str | None = None
    messages: msgspec.Raw = NULL
    max_tokens: int | None = None
    system: msgspec.Raw = NULL
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: int | float | None = None
    top_p: int | float | None = None
    top_k: int | None = None
    tools: msgspec.Raw = NULL
    tool_choice: msgspec.Raw = NULL
    thinking: _Thinking | None = None
    metadata: _Metadata | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    mcp_servers: msgspec.Raw = NULL
    thread: msgspec.Raw = NULL


_request = msgspec.json.Decoder(_Request)

type Purpose = Literal["answer", "count"]


def read_messages(
    body: Buffer,
    request_id: str,
    *,
    purpose: Purpose = "answer",
    reject_built_in_tools: bool = False,
) -> MessagesBridge:
    """Reads a request. Raises ApiError (400) for one that cannot be served.

    `request_id` begins with `req_`. A request whose tokens are only to be counted (`purpose`) needs
    no `max_tokens`.
    """
    check_text(body)
    asked = decode(_request, body, "")
    if asked.model is None:
        raise required("model")
    if is_null(asked.messages):
        raise required("messages")
    if not is_null(asked.thread):
        # Anthropic's packages then send the whole conversation.
        problem = "Conversations are not kept here: send all of the messages."
        raise refused("thread", problem, ErrorCode.THREAD_UNSUPPORTED_REQUEST)
    conversation = read_conversation(asked.system, asked.messages)
    tools = read_tools(asked.tools, reject_built_in=reject_built_in_tools)
    prompt: dict[str, object] = {
        "messages": conversation.messages,
        **tools.fields(asked.tool_choice),
    }
    if conversation.continues:
        # vLLM's: the answer goes on where the message ends.
        prompt |= {"add_generation_prompt": False, "continue_final_message": True}
    left_out = [*tools.left_out(), *conversation.left_out]
    if not is_null(asked.mcp_servers) and bytes(asked.mcp_servers) != b"[]":
        left_out.append("mcp_servers")
    limit = _max_tokens(asked) if purpose == "answer" else None
    if limit and limit > _MOST_TOKENS_ASKED:
        left_out.append("max_tokens")
        limit = None
    thinking = asked.thinking or _Thinking("disabled")
    if thinking.type not in _THINKING:
        raise refused("thinking.type", "Input should be 'enabled', 'adaptive' or 'disabled'")
    chat, media = _encode({"model": asked.model, **prompt, **_options(asked), "max_tokens": limit})
    return MessagesBridge(
        Asked(
            model=asked.model,
            request_id=request_id,
            input_tokens=estimate_tokens(chat, media),
            thinking=_THINKING[thinking.type],
            thinking_omitted=thinking.display == "omitted",
        ),
        chat,
        tuple(left_out),
        media,
    )


def _encode(fields: dict[str, object]) -> tuple[bytes, tuple[MediaName, ...]]:
    return encode_chat({name: each for name, each in fields.items() if each is not None})


def _max_tokens(asked: _Request) -> int:
    if asked.max_tokens is None:
        raise required("max_tokens")
    if asked.max_tokens < 1:
        raise refused("max_tokens", "Input should be greater than or equal to 1")
    return asked.max_tokens


def _options(asked: _Request) -> dict[str, object]:
    config = asked.output_config or _OutputConfig()
    return {
        "stream": asked.stream or None,
        "stream_options": {"include_usage": True} if asked.stream else None,
        "stop": asked.stop_sequences or None,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "top_k": asked.top_k,
        "user": asked.metadata and asked.metadata.user_id,
        "reasoning_effort": _EFFORTS.get(config.effort or ""),
        "response_format": _response_format(config.format, "output_config.format")
        or _response_format(asked.output_format, "output_format"),
    }


def _response_format(asked: _Format | None, place: str) -> dict[str, object] | None:
    if asked is None:
        return None
    if asked.type != "json_schema":
        raise refused(f"{place}.type", "Input should be 'json_schema'")
    if first_byte(asked.schema) != b"{":
        raise refused(f"{place}.schema", "Input should be an object", ErrorCode.INVALID_TYPE)
    schema = {"name": "output", "schema": asked.schema, "strict": True}
    return {"type": "json_schema", "json_schema": schema}
