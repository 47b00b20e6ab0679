"""What differs between two answers, the provider's and Vast's. Each check says what."""

from typing import Any

import msgspec

from ..replies.reply import Reply, ToolCall, Wish
from .languages import language_of
from .measures import Check, Measure
from .own_checks import TEXTS, NotJsonError, json_of
from .refusals import is_refusal

# How many times longer or shorter a text may be.
_MOST_TIMES = 2
_SHOWN = 80  # characters of what differs


def differences(wish: Wish, provider: Reply, reply: Reply) -> dict[Measure, Check]:
    """The measures that compare Vast's answer with the provider's, without those of each alone."""
    checks: dict[Measure, str] = {}
    if provider.form or reply.form:
        checks[Measure.FORM] = _differs(provider.form, reply.form)
    if provider.tool_calls or reply.tool_calls:
        checks[Measure.TOOLS] = _differs(_names(provider), _names(reply))
        if not checks[Measure.TOOLS]:
            checks[Measure.SAME_ARGUMENTS] = _other_arguments(provider, reply)
    if provider.finish_reason:
        checks[Measure.FINISH_REASON] = _differs(provider.finish_reason, reply.finish_reason or "")
    if wish.operation in TEXTS and _speaks(provider) and _speaks(reply):
        refuses = is_refusal(reply) and not is_refusal(provider)
        checks[Measure.REFUSAL] = "Only Vast's model refuses." if refuses else ""
    if provider.text.strip() and reply.text.strip():
        checks |= _of_texts(wish, provider.text, reply.text)
    return {measure: Check(holds=not why, why=why) for measure, why in checks.items()}


def _speaks(reply: Reply) -> bool:
    return bool(reply.text.strip() or reply.refusal)


def _of_texts(wish: Wish, provider: str, vast: str) -> dict[Measure, str]:
    checks = {Measure.LENGTH: _other_length(len(provider), len(vast))}
    languages = language_of(provider), language_of(vast)
    if all(languages):
        checks[Measure.LANGUAGE] = _differs(*map(str, languages))
    if wish.greedy:
        checks[Measure.EXACT] = "" if provider == vast else _first_difference(provider, vast)
    return checks


def _differs(provider: str, vast: str) -> str:
    if provider == vast:
        return ""
    return f"{vast or 'nothing'} instead of {provider or 'nothing'}"


def _other_length(provider: int, vast: int) -> str:
    if vast <= _MOST_TIMES * provider and provider <= _MOST_TIMES * vast:
        return ""
    return f"{vast:,} characters instead of {provider:,}"


def _first_difference(provider: str, vast: str) -> str:
    length = min(len(provider), len(vast))
    # Halves what may be equal, since comparing slices is much faster than comparing characters.
    low, high = 0, length
    while low < high:
        middle = (low + high + 1) // 2
        if provider[:middle] == vast[:middle]:
            low = middle
        else:
            high = middle - 1
    return f"differs from character {low + 1:,}: {vast[low : low + _SHOWN]!r}"


def _names(reply: Reply) -> str:
    return ", ".join(call.name or "a tool without a name" for call in reply.tool_calls)


def _other_arguments(provider: Reply, reply: Reply) -> str:
    for theirs, ours in zip(provider.tool_calls, reply.tool_calls, strict=True):
        if not same_arguments(theirs, ours):
            shown = (each.arguments[:_SHOWN] for each in (ours, theirs))
            return f"{ours.name}: {' instead of '.join(shown)}"
    return ""


def same_arguments(one: ToolCall, other: ToolCall) -> bool:
    """Whether two calls of tools have equal arguments, as JSON values or else as texts."""
    return one.arguments == other.arguments or arguments_of(one) == arguments_of(other)


def arguments_of(call: ToolCall) -> bytes:
    """The arguments, written the same for all that are equal as JSON values.

    The order of members does not matter, nor how a number is written: 1.0 is 1. Arguments that are
    no JSON are what they are.
    """
    try:
        return msgspec.json.encode(_plain(json_of(call.arguments)), order="sorted")
    except (NotJsonError, RecursionError, msgspec.MsgspecError):
        return call.arguments.encode(errors="surrogatepass")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
