"""Renders an answer as text: each choice, how it ended, its tokens and times."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ...telemetry.wording import rate, seconds
from .answer import ChatAnswer
from .layout import block, compact, dotted, paragraphs
from .said import Choice


class Times(msgspec.Struct, frozen=True):
    """Times of an answer, in seconds. Those that `CallReport` has are named as there."""

    time_to_first_token: float | None = None
    #: Where it is not known when the first token came.
    time_to_first_byte: float | None = None
    duration: float | None = None
    longest_gap: float | None = None
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of an answer besides its body."""

    #: Who answered, and with which status.
    who: str = ""
    status: int | None = None
    #: Nothing more will come of it.
    ended: bool = True
    times: Times = Times()  # noqa: RUF009  (it is frozen)

    @property
    def answered_by(self) -> str:
        """Who answered, in words, or nothing."""
        return f"answered by {self.who}" if self.who else ""


def answer_text(answer: ChatAnswer, about: Circumstances) -> str:
    """The answer as text."""
    several = len(answer.choices) > 1
    parts = [
        _choice(choice, f"{index}: {choice.role}" if several else choice.role, answer)
        for index, choice in sorted(answer.choices.items())
    ]
    if answer.error:
        parts.append(error_text(answer.error, about))
    facts = facts_text(about, answer.model, tokens=_tokens(answer), id_=answer.id or "")
    return paragraphs([*parts, _end(answer, about), facts])


def facts_text(
    about: Circumstances,
    model: str | None = None,
    *,
    tokens: str = "",
    id_: str = "",
    consists_of: str = "token",
) -> str:
    """What is said below an answer: its tokens and times, and who gave it.

    `consists_of` is what a stream consists of, the first of which is timed: `token` or `byte`.
    """
    named = f"model {model}" if model else ""
    lines = [tokens, _times(about.times, consists_of), dotted([named, about.answered_by, id_])]
    return "\n".join(filter(None, lines))


def error_text(error: Any, about: Circumstances) -> str:
    """An error as text: its code, its message and its details."""
    fields: Mapping[str, Any] = error if isinstance(error, dict) else {"message": error}
    # "error" is the type of the event that the Responses API has for an error.
    kind = fields.get("type") if fields.get("type") != "error" else None
    code = fields.get("code") or kind
    message = fields.get("message")
    status = f" (status {about.status})" if about.status and about.status >= 400 else ""
    words = f": {code if isinstance(code, str) else compact(code)}" if code else ""
    head = f"error{words}{status}"
    text = message if isinstance(message, str) else compact(fields, 2_000)
    details = dotted(
        [
            f"{name} {value}"
            for name, value in (("param", fields.get("param")), ("type", kind))
            if isinstance(value, str) and value != code
        ]
    )
    return block(head, paragraphs([text, details]))


def _choice(choice: Choice, head: str, answer: ChatAnswer) -> str:
    if choice.finish_reason:
        head = dotted([head, f"finished: {choice.finish_reason}"])
    elif not answer.streamed:
        head = dotted([head, "no finish reason"])
    return block(head, paragraphs(choice.texts()) or "(nothing)")


def _end(answer: ChatAnswer, about: Circumstances) -> str:
    texts = []
    if answer.strange:
        events = "event is" if answer.strange == 1 else "events are"
        texts.append(f"{answer.strange:,} {events} not of OpenAI's kind, and left out")
    if answer.left_out:
        texts.append(f"{answer.left_out:,} bytes in the middle are not shown: it is too long")
    if answer.streamed and not answer.done and not answer.error:
        if not about.ended:
            texts.append("still being generated")
        elif not answer.finished:
            texts.append(f"broken off: the stream ended without {answer.closing}")
    return "\n".join(texts)


# By the section of a usage and the number in it: what so many tokens are. The Messages API has the
# one that is cached without a section.
_DETAILS = (
    ("prompt_tokens_details", "cached_tokens", "cached"),
    ("input_tokens_details", "cached_tokens", "cached"),
    ("", "cache_read_input_tokens", "cached"),
    ("completion_tokens_details", "reasoning_tokens", "of reasoning"),
    ("output_tokens_details", "reasoning_tokens", "of reasoning"),
)


def _tokens(answer: ChatAnswer) -> str:
    usage = answer.usage
    if not usage:
        return ""
    prompt, completion = answer.tokens
    if type(prompt) is not int or type(completion or 0) is not int:
        return f"usage {compact(usage)}"
    text = f"{prompt:,} + {completion or 0:,} tokens"
    details = [
        f"{count:,} {word}"
        for section, name, word in _DETAILS
        if isinstance(found := usage.get(section) if section else usage, dict)
        and type(count := found.get(name)) is int
        and count
    ]
    return f"{text} ({', '.join(details)})" if details else text


def _times(times: Times, consists_of: str) -> str:
    texts = []
    if times.time_to_first_token is not None:
        texts.append(f"first {consists_of} after {seconds(times.time_to_first_token)}")
    elif times.time_to_first_byte is not None:
        texts.append(f"answer began after {seconds(times.time_to_first_byte)}")
    if times.tokens_per_second:
        texts.append(f"{rate(times.tokens_per_second)} tokens/s")
    if times.longest_gap is not None:
        texts.append(f"longest gap {seconds(times.longest_gap)}")
    if times.duration is not None:
        texts.append(f"{seconds(times.duration)} in all")
    return dotted(texts)
