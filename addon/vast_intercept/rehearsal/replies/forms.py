"""Reads answers that no model has written as text: what they hold, in words.

The words are the same for answers of which an app could not tell whose they are. So they have no
sizes in bytes and no scores, which differ from model to model.
"""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ...mitmweb.chat.events import data_of_events
from ...mitmweb.chat.layout import json_value, typed
from ...mitmweb.chat.listed.embeddings import length_of_vector, read_embeddings
from ...openai_api.media import media_of
from ...openai_api.members import NULL, members_of
from ...openai_api.operations import Operation
from ...openai_api.sse import DONE, EVENT_STREAM
from ...openai_api.usage import model_of, read_usage
from ..calls import Answer
from ..wording import counted
from .reply import Reply

_HEARD = frozenset({Operation.AUDIO_TRANSCRIPTIONS, Operation.AUDIO_TRANSLATIONS})
_IMAGES = frozenset({Operation.IMAGES_GENERATIONS, Operation.IMAGES_EDITS})
_SCORES = {Operation.RERANK: "result", Operation.SCORE: "score"}
# Characters of base64 in which an image's size is looked for.
_HEADER = 64 * 1024
# SubRip and WebVTT: lines of times, and the numbers and the head before them.
_SUBTITLES = re.compile(r"(?m)^(WEBVTT.*|\d+|[\d:.,]+ --> .*)$\n?")
_TIMES = re.compile(r"(?m)^[\d:.,]+ --> ")


def read_form(operation: Operation, answer: Answer, kind: str) -> Reply | None:
    """Reads an answer of an operation that generates no text. None if it is something else.

    `kind` is its media type, in lower case and without parameters.
    """
    if operation in _HEARD:
        return _transcript(answer.body, kind)
    if operation is Operation.AUDIO_SPEECH:
        return _speech(answer.body, kind)
    form = ""
    if operation is Operation.EMBEDDINGS:
        form = _embeddings(answer.body)
    elif operation in _SCORES:
        form = _scores(answer.body, _SCORES[operation])
    elif operation in _IMAGES:
        form = _images(answer.body)
    if not form:
        return None
    usage = read_usage((members_of(answer.body) or {}).get("usage", NULL))
    return Reply(
        form=form,
        model=model_of(answer.body),
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
    )


def _embeddings(body: bytes) -> str:
    answer = read_embeddings(body)
    if answer is None:
        return ""
    vectors = [bytes(each.embedding) for each in answer.data]
    coding = ", in base64" if any(each.startswith(b'"') for each in vectors) else ""
    each = _listed(f"{length_of_vector(vector):,} numbers" for vector in vectors)
    return f"{counted(len(vectors), 'embedding')}{f' of {each}' if each else ''}{coding}"


def _scores(body: bytes, what: str) -> str:
    answer = typed(json_value(body), dict)
    entries = answer.get("results", answer.get("data"))
    return counted(len(entries), what) if isinstance(entries, list) else ""


def _images(body: bytes) -> str:
    data = typed(json_value(body), dict).get("data")
    if not isinstance(data, list):
        return ""
    each = _listed(_image(typed(entry, dict)) for entry in data)
    return f"{counted(len(data), 'image')}{f': {each}' if each else ''}"


def _image(entry: dict[str, Any]) -> str:
    text = entry.get("b64_json")
    if not isinstance(text, str) or not text:
        return "a URL" if entry.get("url") else "nothing"
    try:
        start = base64.b64decode(text[:_HEADER])
    except (binascii.Error, ValueError):
        return "no base64"
    media = media_of(start, len(text) * 3 // 4)
    if media is None:
        return "an unknown format"
    size = f" {media.width}x{media.height}" if media.width and media.height else ""
    return f"{media.format}{size}"


def _speech(body: bytes, kind: str) -> Reply | None:
    if kind == EVENT_STREAM:
        types = {typed(_event(data).get("type"), str) for data in data_of_events(body)}
        if not types & {"speech.audio.delta", "speech.audio.done"}:
            return None
        return Reply(form="audio in events", complete="speech.audio.done" in types)
    if kind.startswith("text/") or kind == "application/json":
        return None
    media = media_of(body)
    form = f"{media.format} audio" if media else f"audio ({kind or 'without a content type'})"
    return Reply(form=form if body else "no audio")


def _transcript(body: bytes, kind: str) -> Reply | None:
    if kind == EVENT_STREAM:
        return _transcript_events(body)
    answer = json_value(body)
    if isinstance(answer, dict):
        text = answer.get("text")
        if not isinstance(text, str):
            return None
        parts = [name for name in ("segments", "words") if answer.get(name)]
        form = f"JSON with {' and '.join(parts)}" if parts else "JSON"
        return Reply(text=text, form=form)
    if kind == "application/json":
        return None
    text = body.decode(errors="replace").replace("\r\n", "\n").strip()
    if text.startswith("WEBVTT"):
        return Reply(text=_spoken(text), form="WebVTT subtitles")
    if _TIMES.search(text[:_HEADER]):
        return Reply(text=_spoken(text), form="SubRip subtitles")
    return Reply(text=text, form="plain text")


def _spoken(text: str) -> str:
    """What is said in subtitles, without their times."""
    return "\n".join(line for line in _SUBTITLES.sub("", text).splitlines() if line.strip())


def _transcript_events(body: bytes) -> Reply | None:
    pieces: list[str] = []
    done = False
    for data in data_of_events(body):
        event = _event(data)
        if event.get("error"):
            return None
        done = done or event.get("type") == "transcript.text.done" or data.strip() == DONE.encode()
        if event.get("type") == "transcript.text.delta":
            pieces.append(typed(event.get("delta"), str))
        for choice in typed(event.get("choices"), list):  # vLLM's
            delta = typed(typed(choice, dict).get("delta"), dict)
            pieces.append(typed(delta.get("content"), str))
    return Reply(text="".join(pieces), form="events", complete=done) if pieces or done else None


def _event(data: bytes) -> dict[str, Any]:
    return typed(json_value(data), dict)


def _listed(words: Iterable[str]) -> str:
    """What there is of each, the same ones once."""
    counts = Counter(words)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{times} of {word}" for word, times in sorted(counts.items()))
