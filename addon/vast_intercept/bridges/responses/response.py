"""The response object, at its beginning and at its end."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError
from ..chat_answers import ChatUsage
from .asked import Asked
from .items import Item

# What OpenAI's answer says of fields that the app has left out.
# https://platform.openai.com/docs/api-reference/responses/object
_DEFAULTS: Mapping[str, object] = MappingProxyType(
    {
        "background": False,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": "",
        "parallel_tool_calls": True,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": (),
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "user": None,
        "metadata": {},
    }
)

#: Why a response is not complete, by the chat completion's finish reason.
INCOMPLETE = MappingProxyType({"length": "max_output_tokens", "content_filter": "content_filter"})

# Codes that apps know in a response that failed. Any other one is told in the event before it.
_CODES = frozenset(
    {
        ErrorCode.SERVER_ERROR,
        ErrorCode.RATE_LIMIT_EXCEEDED,
        ErrorCode.CONTEXT_LENGTH_EXCEEDED,  # not in OpenAI's list, but in its answers
    }
)

type ResponseObject = Mapping[str, object]
"""A response, complete or not, ready to be encoded as JSON."""


class ResponseObjects:
    """Makes the objects of one response, which repeat what the app asked for.

    `created_at` is Unix time in whole seconds.
    """

    def __init__(self, asked: Asked, response_id: str, created_at: int) -> None:
        self._begun: dict[str, object] = {
            "id": response_id,
            "object": "response",
            "created_at": created_at,
            "status": "in_progress",
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            "output": (),
            "usage": None,
            **_DEFAULTS,
            **asked.echoed,
        }

    def in_progress(self) -> ResponseObject:
        """The response before it has any output."""
        return self._begun

    def ended(
        self,
        output: Sequence[Item],
        usage: ChatUsage | None,
        finish_reason: str,
        completed_at: float,
    ) -> ResponseObject:
        """The response once the model has stopped. `completed_at` is Unix time in seconds."""
        reason = INCOMPLETE.get(finish_reason)
        return {
            **self._begun,
            "status": "incomplete" if reason else "completed",
            "completed_at": None if reason else int(completed_at),
            "incomplete_details": {"reason": reason} if reason else None,
            "output": output,
            "usage": _usage(usage),
        }

    def failed(self, output: Sequence[Item], error: ApiError) -> ResponseObject:
        """The response with this error. `output` has what had come before it."""
        code = error.code if error.code in _CODES else ErrorCode.SERVER_ERROR
        return {
            **self._begun,
            "status": "failed",
            "error": {"code": code, "message": error.message},
            "output": output,
        }


def _usage(usage: ChatUsage | None) -> ResponseObject:
    """The usage as OpenAI has it. SDKs do not take a response as complete without (FACTS R11)."""
    usage = usage or ChatUsage(prompt_tokens=0)
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
