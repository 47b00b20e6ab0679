"""Renders an answer as text: each choice, how it ended, its tokens and times."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ...telemetry.wording import rate, seconds
from .assembly import ChatAnswer, Choice
from .layout import block, compact, dotted, paragraphs, tool_call


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
    model = f"model {answer.model}" if answer.model else ""
    facts = [_tokens(answer.usage), _times(about.times), dotted([model, about.answered_by])]
    return paragraphs([*parts, _end(answer, about), "\n".join(filter(None, facts))])


def error_text(error: Any, about: Circumstances) -> str:
    """An error as text: its code, its message and its details."""
    fields: Mapping[str, Any] = error if isinstance(error, dict) else {"message": error}
    code = fields.get("code") or fields.get("type")
    message = fields.get("message")
    status = f" (status {about.status})" if about.status and about.status >= 400 else ""
    words = f": {code if isinstance(code, str) else compact(code)}" if code else ""
    head = f"error{words}{status}"
    text = message if isinstance(message, str) else compact(fields, 2_000)
    details = dotted(
        [
            f"{name} {fields[name]}"
            for name in ("param", "type")
            if isinstance(fields.get(name), str) and fields[name] != code
        ]
    )
    return block(head, paragraphs([text, details]))


def texts_of(choice: Choice) -> list[str]:
    """What the choice says, in parts, of which some are empty."""
    return [
        block("reasoning", "".join(choice.reasoning)) if choice.reasoning else "",
        "".join(choice.text),
        block("refusal", "".join(choice.refusal)) if choice.refusal else "",
        *[
            tool_call("".join(call.name), call.id, "".join(call.arguments))
            for _, call in sorted(choice.tool_calls.items())
        ],
    ]


def _choice(choice: Choice, head: str, answer: ChatAnswer) -> str:
    if choice.finish_reason:
        head = dotted([head, f"finished: {choice.finish_reason}"])
    elif not answer.streamed:
        head = dotted([head, "no finish reason"])
    return block(head, paragraphs(texts_of(choice)) or "(nothing)")


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
            texts.append("broken off: the stream ended without [DONE]")
    return "\n".join(texts)


def _tokens(usage: Mapping[str, Any] | None) -> str:
    if not usage:
        return ""
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is not int or type(completion or 0) is not int:
        return f"usage {compact(usage)}"
    text = f"{prompt:,} + {completion or 0:,} tokens"
    details = [
        f"{count:,} {word}"
        for section, name, word in (
            ("prompt_tokens_details", "cached_tokens", "cached"),
            ("completion_tokens_details", "reasoning_tokens", "of reasoning"),
        )
        if isinstance(found := usage.get(section), dict)
        and type(count := found.get(name)) is int
        and count
    ]
    return f"{text} ({', '.join(details)})" if details else text


def _times(times: Times) -> str:
    texts = []
    if times.time_to_first_token is not None:
        texts.append(f"first token after {seconds(times.time_to_first_token)}")
    elif times.time_to_first_byte is not None:
        texts.append(f"answer began after {seconds(times.time_to_first_byte)}")
    if times.tokens_per_second:
        texts.append(f"{rate(times.tokens_per_second)} tokens/s")
    if times.longest_gap is not None:
        texts.append(f"longest gap {seconds(times.longest_gap)}")
    if times.duration is not None:
        texts.append(f"{seconds(times.duration)} in all")
    return dotted(texts)
