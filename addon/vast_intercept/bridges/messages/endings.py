"""Why an answer ended, how many tokens it took, and what a tool is given: chat's as Anthropic's."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from ...openai_api.members import DECODE_ERRORS
from ..chat_answers import Choice, read_usage
from ..token_estimate import tokens_of
from .asked import Asked

# Checks all values, which members that stay undecoded are not: half of a surrogate pair passes.
_any_values = msgspec.json.Decoder(dict[str, object])

_REASONS = {"length": "max_tokens", "content_filter": "refusal"}

type Ending = tuple[str, str | None]
"""`stop_reason` and `stop_sequence`."""


def ending(choice: Choice | None, *, calls: bool, refused: bool) -> Ending:
    """Why the answer ended. `calls`: it calls tools, `refused`: it is a refusal.

    vLLM says in `stop_reason` which of the texts in `stop` it met. A call of a tool that the app
    demanded ends with `stop` there.
    """
    reason = (choice and choice.finish_reason) or ""
    if reason in _REASONS:
        return _REASONS[reason], None
    if calls:
        return "tool_use", None
    if refused:
        return "refusal", None
    met = choice and choice.stop_reason
    return ("stop_sequence", met) if isinstance(met, str) and met else ("end_turn", None)


#: All fields of a usage, as Anthropic's description of its API requires them.
NO_USAGE: Mapping[str, object] = MappingProxyType(
    {
        "input_tokens": 0,
        "cache_creation_input_tokens": None,
        "cache_read_input_tokens": None,
        "cache_creation": None,
        "output_tokens": 0,
        "output_tokens_details": None,
        "server_tool_use": None,
        "service_tier": None,
        "inference_geo": None,
    }
)


def usage_fields(usage: msgspec.Raw, asked: Asked, said: int) -> dict[str, object]:
    """The tokens of a call. `said` are the bytes of the answer, for an estimate without a usage."""
    stated = read_usage(usage)
    if stated is None:
        counts = {"input_tokens": asked.input_tokens, "output_tokens": tokens_of(said)}
        return {**NO_USAGE, **counts}
    cached = min(stated.cached_tokens, stated.prompt_tokens)
    return {
        **NO_USAGE,
        # Anthropic's are those that were not in the cache.
        "input_tokens": stated.prompt_tokens - cached,
        "output_tokens": stated.completion_tokens,
        "cache_read_input_tokens": cached or None,
    }


def tool_input(arguments: str) -> msgspec.Raw:
    """The `input` of a tool call, an object in any case.

    What is none is put into one, as Anthropic's documentation of fine-grained tool streaming
    advises for such input: the app's tool finds that its parameters are missing, and says so.
    """
    text = arguments.strip().encode(errors="replace")
    if not text:
        return msgspec.Raw(b"{}")
    try:
        _any_values.decode(text)
    except DECODE_ERRORS:
        return msgspec.Raw(msgspec.json.encode({"INVALID_JSON": text.decode(errors="replace")}))
    return msgspec.Raw(text)
