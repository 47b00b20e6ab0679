"""Answers of `audio/transcriptions` and `audio/translations`: what was said, and when.

https://platform.openai.com/docs/api-reference/audio has the forms, and the events of streams.
"""

from collections.abc import Iterator
from typing import Any

from ....telemetry.wording import seconds
from ..events import data_of_events
from ..extent import ends_of_stream
from ..layout import block, dotted, indented, json_value, paragraphs, typed
from ..rendering import Circumstances, facts_text
from .entries import bounded, not_done, number_of, tokens_of


def answer_text(body: bytes, about: Circumstances) -> str | None:
    """A whole answer in JSON. None if it is something else."""
    answer = typed(json_value(body), dict)
    text = answer.get("text")
    if not isinstance(text, str):
        return None
    length = number_of(answer.get("duration") or typed(answer.get("usage"), dict).get("seconds"))
    head = dotted(
        [
            typed(answer.get("language"), str)[:80],
            seconds(length) if length is not None else "",
        ]
    )
    segments = answer.get("segments")
    said = [block("text", text)]
    if isinstance(segments, list) and segments:
        said += ["\n".join(bounded(_segments(segments), len(segments)))]
    usage = typed(answer.get("usage"), dict)
    tokens = tokens_of(usage) if usage.get("type") != "duration" else ""
    return paragraphs([head, *said, facts_text(about, tokens=tokens)])


def plain_text(body: bytes, about: Circumstances) -> str:
    """Subtitles (SRT, WebVTT) or a text, as they are."""
    text = body.decode(errors="replace").replace("\r\n", "\n").rstrip("\n")
    return paragraphs([indented(text) if text else "(nothing)", facts_text(about)])


def stream_text(body: bytes, about: Circumstances) -> str | None:
    """The text that came in events, vLLM's or OpenAI's. None if the stream is something else."""
    head, left_out, tail = ends_of_stream(body)
    pieces: list[str] = []
    done, tokens = False, ""
    for part in (head, tail):
        for data in data_of_events(part):
            event = typed(json_value(data), dict)
            pieces += _deltas(event)
            tokens = tokens_of(event.get("usage")) or tokens
            done = done or event.get("type") == "transcript.text.done" or data.strip() == b"[DONE]"
        if left_out and part is head:
            pieces.append(" […] ")
    if not pieces and not done:
        return None
    end = "" if done else not_done(about)
    return paragraphs([block("text", "".join(pieces)), end, facts_text(about, tokens=tokens)])


def _deltas(event: dict[str, Any]) -> Iterator[str]:
    if event.get("type") == "transcript.text.delta":
        yield typed(event.get("delta"), str)
    for choice in typed(event.get("choices"), list):
        yield typed(typed(typed(choice, dict).get("delta"), dict).get("content"), str)


def _segments(segments: list[Any]) -> Iterator[str]:
    for each in segments:
        fields = typed(each, dict)
        start, end = (fields.get(name) for name in ("start", "end"))
        yield f"{_moment(start)} to {_moment(end)}  {typed(fields.get('text'), str).strip()}"


def _moment(value: Any) -> str:
    number = number_of(value)
    return "?" if number is None else f"{number:.2f}"
