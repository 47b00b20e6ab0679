"""Finds what shows a call of a listed operation, by its operation."""

from dataclasses import dataclass
from typing import Any

from ....openai_api.operations import LISTED, Operation, normalize_path
from ....openai_api.sse import EVENT_STREAM
from ..extent import beginning, is_small_enough, made_small
from ..layout import json_value, typed
from ..rendering import Circumstances
from . import embeddings, images, rankings, speech, transcriptions, uploads

_BY_SEGMENTS = {tuple(operation.split("/")): operation for operation in LISTED}
_PREFIXES = frozenset({("v1",), ("openai",)})
_SUBRIP = "application/x-subrip"
_HEARD = frozenset({Operation.AUDIO_TRANSCRIPTIONS, Operation.AUDIO_TRANSLATIONS})
_REQUESTS = {
    Operation.EMBEDDINGS: embeddings.request_text,
    Operation.RERANK: rankings.request_text,
    Operation.SCORE: rankings.request_text,
    Operation.IMAGES_GENERATIONS: images.request_text,
    Operation.IMAGES_EDITS: images.request_text,
    Operation.AUDIO_SPEECH: speech.request_text,
}


@dataclass(frozen=True, slots=True)
class Message:
    """A body as it is to be shown, and its media type."""

    body: bytes
    content_type: str

    @property
    def kind(self) -> str:
        """The media type without its parameters."""
        return self.content_type.partition(";")[0].strip().lower()


def operation_of(path: str, noted: str | None) -> Operation | None:
    """The listed operation of a POST, by what is noted of it or its path; None for another."""
    for operation in LISTED:
        if operation == noted:
            return operation
    segments = normalize_path(path)
    for length in (1, 2):
        found = _BY_SEGMENTS.get(segments[-length:])
        if found and segments[-length - 1 : -length] in _PREFIXES:
            return found
    return None


def is_shown(operation: Operation, message: Message, *, is_request: bool) -> bool:
    """Whether a message is of a kind that such a call has, so that it may be understood."""
    if _is_json(message) or message.kind.startswith("multipart/"):
        return True
    if is_request:
        return False
    if operation is Operation.AUDIO_SPEECH:
        return message.kind.startswith("audio/") or message.kind == EVENT_STREAM
    return operation in _HEARD and message.kind.startswith(("text/", _SUBRIP))


def request_text(operation: Operation, message: Message) -> str | None:
    """The request as text. None if it is not understood."""
    if message.kind.startswith("multipart/"):
        return uploads.request_text(message.body, message.content_type)
    request = _json_of(message.body)
    show = _REQUESTS.get(operation)
    return show(request) if show and request else None


def answer_text(
    operation: Operation, message: Message, request: Message, about: Circumstances
) -> str | None:
    """The answer as text. None if it is not understood, such as an error."""
    body = message.body
    if operation is Operation.EMBEDDINGS:
        return embeddings.answer_text(body, _json_of(request.body), about)
    if operation in {Operation.IMAGES_GENERATIONS, Operation.IMAGES_EDITS}:
        return images.answer_text(body, about)
    if operation is Operation.AUDIO_SPEECH:
        if message.kind == EVENT_STREAM:
            return speech.stream_text(body, about)
        is_sound = not message.kind.startswith("text/") and not _is_json(message)
        asked = _json_of(request.body)
        return speech.answer_text(body, message.kind, asked, about) if is_sound else None
    if operation in _HEARD and message.kind == EVENT_STREAM:
        return transcriptions.stream_text(body, about)
    if not is_small_enough(body):
        return beginning(body)
    if operation in _HEARD:
        is_text = message.kind.startswith(("text/", _SUBRIP)) and not _is_json(message)
        show = transcriptions.plain_text if is_text else transcriptions.answer_text
        return show(body, about)
    return rankings.answer_text(body, _json_of(request.body), about)


def _is_json(message: Message) -> bool:
    return message.body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def _json_of(body: bytes) -> dict[str, Any]:
    """The object in a request's body; an empty one if it is none, or too large to be read."""
    small = made_small(body)
    return typed(json_value(small), dict) if small else {}
