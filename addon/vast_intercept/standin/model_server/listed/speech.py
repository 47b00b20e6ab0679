"""`POST audio/speech`: says a text with a tone, whose pitch and length follow from the text.

Looked up in vLLM-Omni's public code and documentation, not recorded: WAV where the request names
no format, bytes as they are made with `stream_format: audio`, events with `sse`, both for WAV and
PCM only, and the events themselves. The stand-in has no encoder for FLAC and Opus and refuses
them, and its MP3 is silent.
"""

import base64
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ...mischief.exchange import ModelAnswer
from ...mischief.instructions import Instructions
from .. import refusals
from ..model_requests import AnyRequest, read_request
from ..tokens import count_tokens
from ..vllm_answers import Label, Object
from .sound import mp3, pcm, wav

# By `response_format`: the content type, and what makes the audio.
_MADE: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "wav": ("audio/wav", wav),
    "pcm": ("audio/pcm", pcm),
    "mp3": ("audio/mpeg", mp3),
}
_STREAMED = ("wav", "pcm")

# A stream comes in so many pieces, if the instructions do not name another number.
_PIECES = 4


class SpeechRequest(AnyRequest, frozen=True, kw_only=True):
    """The fields of a request that change its answer."""

    input: str
    response_format: Literal["wav", "pcm", "flac", "mp3", "opus"] = "wav"
    speed: Annotated[float, Meta(ge=0.25, le=4)] | None = None
    stream: bool = False
    stream_format: Literal["sse", "audio"] | None = None

    @property
    def in_events(self) -> bool:
        """Whether the answer is a stream of events."""
        return self.stream_format == "sse" or (self.stream and self.stream_format is None)

    def check(self, label: Label) -> None:
        """Raises Refusal if the model does not serve the request."""
        self.check_model(label.model)
        if not self.input.strip():
            raise refusals.bad_request("Input text cannot be empty", "input")
        streamed = self.in_events or self.stream_format is not None
        if streamed and self.response_format not in _STREAMED:
            raise refusals.bad_request(
                "Streaming (stream=true, stream_format='audio', or stream_format='sse') requires "
                f"response_format='pcm' or 'wav'. Got response_format='{self.response_format}'.",
                "response_format",
            )
        if self.response_format not in _MADE:
            message = f"The stand-in has no encoder for {self.response_format}."
            raise refusals.bad_request(message, "response_format")


def speak(body: bytes, label: Label) -> tuple[ModelAnswer, Instructions]:
    """Answers a request, and returns what it asks of the stand-in besides. Raises Refusal."""
    request = read_request(SpeechRequest, body)
    request.check(label)
    told = request.told
    media_type, make = _MADE[request.response_format]
    sound = make(request.input if told.text is None else told.text)
    pieces = _cut(sound, _PIECES if told.chunks is None else told.chunks)
    if request.in_events:
        events = [_delta(piece, request.response_format) for piece in pieces]
        return ModelAnswer([*events, _done(request.input, len(pieces))], stream=True), told
    if request.stream_format or told.chunks is not None:
        return ModelAnswer(pieces, stream=True, media_type=media_type), told
    return ModelAnswer([sound], media_type=media_type), told


def _cut(sound: bytes, count: int) -> list[bytes]:
    """The audio in so many pieces, or in fewer where it is too short for them."""
    size = max(len(sound) // max(count, 1), 1)
    starts = range(0, min(size * count, len(sound)), size)
    pieces = [sound[start : start + size] for start in starts]
    if pieces:
        pieces[-1] += sound[size * len(pieces) :]
    return pieces


def _delta(piece: bytes, response_format: str) -> bytes:
    audio = base64.b64encode(piece).decode()
    kind = "speech.audio.delta"
    return _event(kind, {"type": kind, "audio": audio, "response_format": response_format})


def _done(text: str, answered: int) -> bytes:
    asked = count_tokens(text)
    usage = {"input_tokens": asked, "output_tokens": answered, "total_tokens": asked + answered}
    return _event("speech.audio.done", {"type": "speech.audio.done", "usage": usage})


def _event(kind: str, data: Object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(data))
