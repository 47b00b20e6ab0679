"""A call as the page and the JSON show it: numbers and short texts, and texts of bounded length."""

import re
from collections.abc import Sequence
from typing import Any

from ...secret import mask_shapes
from ...telemetry.report import CallReport
from ..calls import Answer
from ..comparison.measures import Comparison, Measure
from ..replies.reply import Reply, Wish
from .report import Entry, RehearsedRun
from .speed import Pace, pace_of

#: Characters of a text, of a name, of a sentence, and of a call's line in the list.
LONGEST_TEXT = 20_000
LONGEST_NAME = 200
LONGEST_SENTENCE = 1_000
LONGEST_TITLE = 160
_MOST_HEADERS = 60
_MOST_TOOLS = 64
# A text is looked through for base64 only so far. Four bytes of UTF-8 make one character at most.
_READ = 10 * LONGEST_TEXT
_LONG_WORD = 1_000
_BASE64 = re.compile(rf"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{{{_LONG_WORD},}}={{0,2}}")
_KEPT_OF_BASE64 = 48
_SPACE = re.compile(r"\s+")

type Json = dict[str, Any]


def paces_of(entry: Entry) -> tuple[Pace, list[Pace]]:
    """How fast the provider answered, and Vast in each run."""
    provider = Pace()
    if entry.provider and not entry.provider.error:
        provider = pace_of(entry.call.answer, entry.provider.completion_tokens)
    return provider, [_pace_of_run(run) for run in entry.runs]


def numbers_of(entry: Entry) -> Json:
    """A call and its runs, without what app and models said: an element of the JSON's `calls`."""
    call, wish = entry.call, entry.wish
    pace, paces = paces_of(entry)
    return {
        "place": cut(call.place, LONGEST_NAME),
        "operation": wish.operation.value if wish.operation else None,
        "model": _name(wish.model),
        "stream": wish.streamed,
        "time": call.time,
        "severity": round(entry.severity, 4),
        "failed": failed_of(entry),
        "provider": _numbers_of_answer(call.answer, entry.provider, pace),
        "runs": [_numbers_of_run(run, pace) for run, pace in zip(entry.runs, paces, strict=True)],
    }


def line_of(entry: Entry) -> Json:
    """A call's line in the page's list, with what the list is filtered by."""
    comparisons = [run.comparison for run in entry.runs]
    return {
        "place": cut(entry.call.place, LONGEST_NAME),
        "title": _title_of(entry),
        "operation": entry.wish.operation.value if entry.wish.operation else "",
        "model": _name(entry.wish.model) or "",
        "failed": failed_of(entry),
        "reasons": sorted({cut(each.reason, LONGEST_NAME) for each in comparisons if each.reason}),
        "chance": any(each.by_chance for each in comparisons),
    }


def texts_of(entry: Entry) -> Json:
    """What app and models said, cut to a length that a page can show."""
    call, wish = entry.call, entry.wish
    return {
        "method": cut(call.method, LONGEST_NAME),
        "url": cut(call.url, LONGEST_SENTENCE),
        "headers": [
            [cut(name, LONGEST_NAME), cut(value, LONGEST_SENTENCE)]
            for name, value in call.headers[:_MOST_HEADERS]
        ],
        "problems": [cut(each, LONGEST_SENTENCE) for each in (wish.problem, call.problem) if each],
        "messages": _messages_of(wish),
        "body": _body(call.body),
        "provider": _texts_of_reply(entry.provider, call.answer),
        "runs": [_texts_of_reply(run.reply, run.rehearsed.answer) for run in entry.runs],
    }


def failed_of(entry: Entry) -> list[str]:
    """The measures that fail in any run, in the order in which `Measure` names them."""
    failed = {
        measure
        for run in entry.runs
        for measure, check in run.comparison.checks.items()
        if not check.holds
    }
    return [measure.value for measure in Measure if measure in failed]


def cut(text: str, longest: int) -> str:
    """The first characters of a text, without keys. What is left out is said at its end."""
    text = mask_shapes(text)
    if len(text) <= longest:
        return text
    return f"{text[:longest]}… [{len(text) - longest:,} more characters]"


def _name(text: str | None) -> str | None:
    return cut(text, LONGEST_NAME) if text is not None else None


def _pace_of_run(run: RehearsedRun) -> Pace:
    reply, report = run.reply, run.rehearsed.report
    if reply.error:
        return Pace()
    tokens = report.tokens if reply.completion_tokens is None else reply.completion_tokens
    return pace_of(run.rehearsed.answer, tokens)


def _numbers_of_answer(answer: Answer | None, reply: Reply | None, pace: Pace) -> Json | None:
    if answer is None and reply is None:
        return None
    return {
        "status": answer.status if answer else None,
        "model": _name(reply.model) if reply else None,
        "finish_reason": _name(reply.finish_reason) if reply else None,
        "prompt_tokens": reply.prompt_tokens if reply else None,
        "completion_tokens": reply.completion_tokens if reply else None,
        "time_to_first_token": pace.time_to_first_token,
        "tokens_per_second": pace.tokens_per_second,
        "seconds": pace.total,
    }


def _numbers_of_run(run: RehearsedRun, pace: Pace) -> Json:
    report, comparison = run.rehearsed.report, run.comparison
    return {
        **(_numbers_of_answer(run.rehearsed.answer, run.reply, pace) or {}),
        "endpoint": _name(report.endpoint),
        "attempts": report.attempts,
        "waited": report.waited,
        **_of_comparison(comparison),
        "error": _error_of(report),
    }


def _of_comparison(comparison: Comparison) -> Json:
    return {
        "checks": {
            measure.value: {
                "holds": check.holds,
                "why": cut(check.why, LONGEST_SENTENCE),
                "provider_holds": check.provider_holds,
            }
            for measure, check in comparison.checks.items()
        },
        "unmeasured": {
            measure.value: cut(why, LONGEST_SENTENCE)
            for measure, why in comparison.unmeasured.items()
        },
        "similarity": comparison.similarity,
        "by_chance": comparison.by_chance,
        "reason": cut(comparison.reason, LONGEST_NAME),
        "advice": cut(comparison.advice, LONGEST_SENTENCE),
    }


def _error_of(report: CallReport) -> str | None:
    return mask_shapes(report.error_message) if report.error_message is not None else None


def _title_of(entry: Entry) -> str:
    """The last thing that a person said, in one line; else what was asked for."""
    said = [text for role, text in entry.wish.messages if text and role == "user"]
    said = said or [text for _, text in entry.wish.messages if text]
    text = said[-1][: 4 * LONGEST_TITLE] if said else f"{entry.call.method} {entry.call.url}"
    line = mask_shapes(_SPACE.sub(" ", text).strip())
    return line if len(line) <= LONGEST_TITLE else f"{line[: LONGEST_TITLE - 1]}…"


def _messages_of(wish: Wish) -> list[list[str]]:
    """The conversation. If it is too long for the page, what came first is left out, and said."""
    kept: list[list[str]] = []
    room = LONGEST_TEXT
    for role, text in reversed(wish.messages):
        if room <= 0:
            kept.append(["", f"[{len(wish.messages) - len(kept):,} earlier messages left out]"])
            break
        kept.append([cut(role, LONGEST_NAME), _text(text, room)])
        room -= max(len(text), 20)
    return kept[::-1]


def _body(body: bytes) -> str:
    """A body as text, or what is said in its place."""
    try:
        text = body[:_READ].decode()
    except UnicodeDecodeError as error:
        if len(body) <= _READ or error.start < _READ - 4:
            return f"[{len(body):,} bytes that are not text]" if body else ""
        text = body[: error.start].decode()
    left = len(body) - _READ
    return _text(text) + (f" [{left:,} more bytes]" if left > 0 else "")


def _text(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text of bounded length, without keys, and with little of what is base64 in it."""
    beginning = text[:_READ]
    short = mask_shapes(_shortened(beginning))
    missing = len(text) - len(beginning)
    if len(short) <= longest and not missing:
        return short
    return f"{short[:longest]}… [{max(len(short) - longest, 0) + missing:,} more characters]"


def _shortened(text: str) -> str:
    # Few texts have such long words, and to look for them takes a tenth of the time.
    if max(map(len, text.split()), default=0) < _LONG_WORD:
        return text
    return _BASE64.sub(_without_base64, text)


def _without_base64(match: re.Match[str]) -> str:
    left = len(match[0]) - _KEPT_OF_BASE64
    return f"{match[0][:_KEPT_OF_BASE64]}… [{left:,} more characters of base64]"


def _texts_of_reply(reply: Reply | None, answer: Answer | None) -> Json | None:
    """What an answer says. If nothing can be read of it, its bytes are shown."""
    if reply is None:
        return None
    said = _said(reply)
    return {
        "text": _text(reply.text),
        "reasoning": _text(reply.reasoning),
        "tools": [
            [cut(tool.name, LONGEST_NAME), _text(tool.arguments, LONGEST_TEXT // 2)]
            for tool in reply.tool_calls[:_MOST_TOOLS]
        ],
        "refusal": _text(reply.refusal),
        "form": cut(reply.form, LONGEST_SENTENCE),
        "complete": reply.complete,
        "error": _text_of_error(reply),
        "body": "" if said or answer is None else _body(answer.body),
    }


def _said(reply: Reply) -> bool:
    parts: Sequence[object] = (
        reply.text, reply.reasoning, reply.tool_calls, reply.refusal, reply.form, reply.error
    )  # fmt: skip
    return any(parts)


def _text_of_error(reply: Reply) -> Json | None:
    error = reply.error
    if error is None:
        return None
    message = _text(error.message, LONGEST_SENTENCE)
    return {"status": error.status, "code": _name(error.code), "message": message}
