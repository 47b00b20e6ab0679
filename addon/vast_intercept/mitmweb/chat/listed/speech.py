"""Calls of `audio/speech`: the text that is spoken, and what audio came.

https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from typing import Any

from ....openai_api.shortening import length_of, shorten_base64
from ..events import data_of_events
from ..layout import json_value, paragraphs, typed
from ..media_text import file_text
from ..parameters import head_of
from ..rendering import Circumstances, facts_text
from ..transcript import texts_of
from .entries import not_done, tokens_of

_DEFAULTS = {"response_format": "mp3", "speed": 1, "stream_format": "audio"}
# A stream that is larger once its base64 is shortened is not read.
_MOST_BYTES = 1024 * 1024


def request_text(request: dict[str, Any]) -> str:
    """The request: its parameters, the instructions and the text."""
    head = head_of(request, elsewhere={"input", "instructions"}, defaults=_DEFAULTS)
    texts = (texts_of(name, request.get(name)) for name in ("instructions", "input"))
    return paragraphs([head, *(text for each in texts for text in each)])


def answer_text(body: bytes, kind: str, request: dict[str, Any], about: Circumstances) -> str:
    """The audio that came: its format, its length and its size."""
    # Some formats, such as PCM, are only known from what was asked for.
    asked = typed(request.get("response_format"), str)
    otherwise = asked.upper() if asked.isalnum() else kind
    end = "" if about.ended else not_done(about)
    return paragraphs(
        [file_text(body, otherwise=otherwise[:80]), end, facts_text(about, consists_of="byte")]
    )


def stream_text(body: bytes, about: Circumstances) -> str | None:
    """The audio that came in events. None if the stream is something else."""
    body = shorten_base64(body)
    if len(body) > _MOST_BYTES:
        return None
    events = characters = 0
    tokens, done = "", False
    for data in data_of_events(body):
        event = typed(json_value(data), dict)
        if isinstance(audio := event.get("audio"), str):
            events += 1
            characters += length_of(audio)[1]
        tokens = tokens_of(event.get("usage")) or tokens
        done = done or event.get("type") == "speech.audio.done"
    if not events and not done:
        return None
    end = "" if done else not_done(about)
    sound = file_text(b"", characters * 3 // 4, f"{events:,} events with audio")
    facts = facts_text(about, tokens=tokens, consists_of="byte")
    return paragraphs([sound, end, facts])
