"""`POST audio/transcriptions` and `audio/translations`: says which file came, and what it holds.

Looked up in vLLM's public code, not recorded: the fields of `json` and `verbose_json`, which a
translation has without `usage`, that `text` is answered as `json`, that `srt` and `vtt` are
refused, and the chunks of a stream.
"""

import math
import zlib
from hashlib import sha256
from typing import Literal

import msgspec

from ...mischief.exchange import DONE, ModelAnswer
from ...mischief.instructions import Instructions
from .. import refusals, tokens
from ..model_requests import AnyRequest
from ..vllm_answers import CREATED, Label, Object
from .form import Form, FormFile
from .sound import seconds_of_file

type Task = Literal["transcribe", "translate"]

_SERVED = ("text", "json", "verbose_json")
_WORDS_A_SEGMENT = 4


class TranscriptionRequest(AnyRequest, frozen=True, kw_only=True):
    """The texts of the form that change the answer."""

    language: str | None = None
    prompt: str = ""
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    stream: bool = False
    stream_include_usage: bool = False
    temperature: float = 0

    def check(self, label: Label) -> None:
        """Raises Refusal if the model does not serve the request."""
        self.check_model(label.model)
        if self.response_format not in _SERVED:
            message = "Currently only support response_format: `text`, `json` or `verbose_json`"
            raise refusals.bad_request(message)
        if self.response_format == "verbose_json" and self.stream:
            raise refusals.bad_request("verbose_json format doesn't support streaming case")


def transcribe(form: Form, label: Label) -> tuple[ModelAnswer, Instructions]:
    """Answers a request for the text of a file. Raises Refusal."""
    return _answer(form, label, "transcribe")


def translate(form: Form, label: Label) -> tuple[ModelAnswer, Instructions]:
    """Answers a request for the English text of a file. Raises Refusal."""
    return _answer(form, label, "translate")


def _answer(form: Form, label: Label, task: Task) -> tuple[ModelAnswer, Instructions]:
    request = form.read(TranscriptionRequest)
    file = form.file("file")
    request.check(label)
    pieces = _pieces(request, file, task)
    if request.stream:
        chunks = _chunks(pieces, request, label, task)
        events = [b"data: %b\n\n" % msgspec.json.encode(chunk) for chunk in chunks]
        return ModelAnswer([*events, DONE], stream=True), request.told
    seconds = seconds_of_file(file.data)
    answer: Object = {"text": "".join(pieces)}
    if request.response_format == "verbose_json":
        answer = {
            "duration": str(seconds),
            "language": request.language or "en",
            **answer,
            "segments": _segments(pieces, seconds, request.temperature),
            "words": None,
        }
    elif task == "transcribe":
        answer["usage"] = {"type": "duration", "seconds": math.ceil(seconds)}
    return ModelAnswer([msgspec.json.encode(answer)]), request.told


def _pieces(request: TranscriptionRequest, file: FormFile, task: Task) -> list[str]:
    """The tokens of the answer. As Whisper's, it begins with a space."""
    if request.told.chunks is not None:
        return [f" w{index}" for index in range(request.told.chunks)]
    if request.told.text is not None:
        return tokens.split(f" {request.told.text}")
    said = f" {'Heard' if task == 'transcribe' else 'Translated'} {file.name}, "
    said += f"{file.content_type}, {len(file.data)} bytes, SHA-256 {sha256(file.data).hexdigest()}."
    if request.language:
        said += f" Language: {request.language}."
    if request.prompt:
        said += f" Prompt: {tokens.quote(request.prompt)}."
    # By words: a digest should be found in a segment as it stands.
    return [f" {word}" for word in said.split()]


def _segments(pieces: list[str], seconds: float, temperature: float) -> list[Object]:
    count = math.ceil(len(pieces) / _WORDS_A_SEGMENT)
    segments: list[Object] = []
    for index in range(count):
        text = "".join(pieces[index * _WORDS_A_SEGMENT : (index + 1) * _WORDS_A_SEGMENT])
        encoded = text.encode()
        segments.append(
            {
                "id": index,
                "avg_logprob": -0.25,
                "compression_ratio": len(encoded) / len(zlib.compress(encoded)),
                "end": seconds * (index + 1) / count,
                "no_speech_prob": None,
                "seek": 0,
                "start": seconds * index / count,
                "temperature": temperature,
                "text": text,
                "tokens": list(range(_WORDS_A_SEGMENT)),
            }
        )
    return segments


def _chunks(
    pieces: list[str], request: TranscriptionRequest, label: Label, task: Task
) -> list[Object]:
    head: Object = {
        "id": f"{task}-{label.id}",
        "object": "transcription.chunk" if task == "transcribe" else "translation.chunk",
        "created": CREATED,
        "model": label.model,
    }
    choices: list[Object] = [{"delta": {"content": piece}} for piece in (*pieces, "")]
    choices[-1] |= {"finish_reason": "stop", "stop_reason": None}
    chunks = [head | {"choices": [choice]} for choice in choices]
    if request.stream_include_usage:
        answered = len(choices)
        usage = {"prompt_tokens": 4, "total_tokens": 4 + answered, "completion_tokens": answered}
        chunks.append(head | {"choices": [], "usage": usage})
    return chunks
