"""Reads answers that a model has written: of chats, completions, responses and messages."""

from typing import Any, TypeGuard

from ...mitmweb.chat.answer import ChatAnswer
from ...mitmweb.chat.assembly import assemble_all, assemble_whole
from ...mitmweb.chat.said import Choice, Part
from ...openai_api.usage import MOST_TOKENS
from .reply import Reply, ReplyError, ToolCall

# How the Responses and the Messages API call what chat completions call otherwise. What has no
# other name, such as `stop`, is not here.
_FINISH_REASONS = {
    "completed": "stop",
    "incomplete: max_output_tokens": "length",
    "incomplete: max_tokens": "length",
    "incomplete: content_filter": "content_filter",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "refusal": "content_filter",
}
# What an error of an answer with the status 200 counts as.
_FAILED = 500
_LONGEST = 2_000  # characters of an error's message


def read_generated(body: bytes, *, is_stream: bool, status: int) -> Reply | None:
    """Reads an answer that is text or calls of tools. None if the body is something else."""
    answer = assemble_all(body) if is_stream else assemble_whole(body)
    if answer is None:
        return None
    first = answer.choices[min(answer.choices)] if answer.choices else Choice()
    parts = _parts(first)
    said = {kind: _text(parts, kind) for kind in ("text", "reasoning", "refusal")}
    calls = tuple(_tool_call(part, answer) for part in parts if part.kind == "call")
    several = len(answer.choices)
    return Reply(
        text=said["text"],
        reasoning=said["reasoning"],
        refusal=said["refusal"],
        tool_calls=calls,
        finish_reason=_finish_reason(first.finish_reason, has_calls=bool(calls)),
        model=answer.model,
        form=f"{several:,} choices, of which the first is compared" if several > 1 else "",
        complete=_is_complete(answer),
        error=_error(answer.error, status),
        **_tokens(answer),
    )


def _parts(choice: Choice) -> list[Part]:
    items = sorted(choice.items.items())
    return [part for _, parts in items for _, part in sorted(parts.items())]


def _text(parts: list[Part], kind: str) -> str:
    return "\n".join(filter(None, ("".join(each.text) for each in parts if each.kind == kind)))


def _tool_call(part: Part, answer: ChatAnswer) -> ToolCall:
    arguments = "".join(part.text)
    if not arguments and _is_of_messages(answer):
        # There, arguments are an object, and an empty one has no text.
        arguments = "{}"
    return ToolCall(name="".join(part.name), arguments=arguments)


def _is_of_messages(answer: ChatAnswer) -> bool:
    first = min(answer.choices.items(), default=(0, Choice()))[1]
    return answer.closing == "message_stop" or first.finish_reason == "tool_use"


def _finish_reason(reason: str | None, *, has_calls: bool) -> str | None:
    if reason is None:
        return None
    if reason == "completed" and has_calls:
        return "tool_calls"
    # The Messages API says which sequence stopped it.
    plain = "stop_sequence" if reason.startswith("stop_sequence: ") else reason
    return _FINISH_REASONS.get(plain, plain)


def _is_complete(answer: ChatAnswer) -> bool:
    if answer.error:
        return False
    return not answer.streamed or answer.done or answer.finished


def _error(error: Any, status: int) -> ReplyError | None:
    if not error:
        return None
    status = status if status >= 300 else _FAILED
    if not isinstance(error, dict):
        return ReplyError(status=status, code=None, message=str(error)[:_LONGEST])
    code = next((error[name] for name in ("code", "type") if _is_code(error.get(name))), None)
    message = error.get("message")
    text = message if isinstance(message, str) else str(error)
    return ReplyError(status=status, code=code, message=text[:_LONGEST])


def _is_code(value: Any) -> TypeGuard[str]:
    # vLLM has the status in `code`, and the event of the Responses API is of the type `error`.
    return isinstance(value, str) and value not in {"", "error"} and not value.isdecimal()


def _tokens(answer: ChatAnswer) -> dict[str, int | None]:
    """The numbers of tokens as `Reply` has them.

    Anthropic's `input_tokens` are without those that were read from the cache or written to it:
    https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance
    """
    prompt, completion = (_number(tokens) for tokens in answer.tokens)
    usage = answer.usage
    read = _number(usage.get("cache_read_input_tokens"))
    written = _number(usage.get("cache_creation_input_tokens"))
    if prompt is not None and (read is not None or written is not None):
        prompt += (read or 0) + (written or 0)
    for name in ("prompt_tokens_details", "input_tokens_details"):
        details = usage.get(name)
        if read is None and isinstance(details, dict):
            read = _number(details.get("cached_tokens"))
    return {
        "prompt_tokens": prompt,
        "cached_tokens": read,
        "cache_write_tokens": written,
        "completion_tokens": completion,
    }


def _number(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None
