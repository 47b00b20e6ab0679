"""Steps: one call of each operation that an endpoint is said to serve beyond chat completions.

Each call is made as an app makes it, as small as it can be. `listed_answers.py` reads what comes.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..config import EndpointId, UpstreamKind
from ..openai_api.error_codes import ErrorCode
from ..openai_api.operations import Operation
from .calling import Ask, Upload, another_configuration, answer_to
from .findings import Finding, one_line
from .listed_answers import (
    Received,
    read_embeddings,
    read_image,
    read_ranking,
    read_score,
    read_speech,
    read_transcript,
)
from .samples import red_square, second_of_sound
from .steps import Step
from .subject import Subject
from .target import model_for, models_by_endpoint, url_of

# Pixels: the smallest that OpenAI's API knows, and its name there.
_SIDE = 256
_SIZE = "256x256"
_MAX_ANSWER = 32 * 1024 * 1024
_TEXTS = ["The cat sleeps on the sofa.", "The train leaves at nine."]
_QUESTION = "Where is the cat?"


@dataclass(frozen=True, slots=True)
class _Trial:
    """A call: the name of its step, what is sent, and who reads the answer."""

    name: str
    read: Callable[[Received], str]
    body: Mapping[str, Any]
    #: Makes the files of a form, by the fields' names.
    files: Callable[[], Mapping[str, Upload]] = field(default=dict)


def _sound() -> Mapping[str, Upload]:
    return {"file": ("check.wav", second_of_sound(), "audio/wav")}


def _image() -> Mapping[str, Upload]:
    return {"image": ("check.png", red_square(_SIDE), "image/png")}


_PROMPT = {"prompt": "a red square", "n": 1, "size": _SIZE}
# OpenAI's packages ask for embeddings as base64 unless an app says otherwise.
TRIALS = {
    Operation.EMBEDDINGS: _Trial(
        "embeddings_call", read_embeddings, {"input": _TEXTS, "encoding_format": "base64"}
    ),
    Operation.RERANK: _Trial(
        "rerank_call", read_ranking, {"query": _QUESTION, "documents": _TEXTS}
    ),
    Operation.SCORE: _Trial("score_call", read_score, {"text_1": _QUESTION, "text_2": _TEXTS[0]}),
    Operation.AUDIO_SPEECH: _Trial(
        "speech_call", read_speech, {"input": "Ready.", "voice": "alloy"}
    ),
    Operation.AUDIO_TRANSCRIPTIONS: _Trial("transcription_call", read_transcript, {}, _sound),
    Operation.AUDIO_TRANSLATIONS: _Trial("translation_call", read_transcript, {}, _sound),
    Operation.IMAGES_GENERATIONS: _Trial("image_call", read_image, _PROMPT),
    Operation.IMAGES_EDITS: _Trial("image_edit_call", read_image, _PROMPT, _image),
}


def listed_calls(
    subject: Subject, call: Callable[..., Step], needs: tuple[str, ...]
) -> Iterator[Step]:
    """A step for each operation and each endpoint that serves it, made by `call`.

    Those are the endpoints where calls go first, by some model. A call to the endpoint that the
    whole call went to needs that one to have been answered. Others are made whatever became of it.
    """
    config = subject.config
    chat = config.destinations_for(model_for(config))[:1]
    for operation, trial in TRIALS.items():
        models = models_by_endpoint(config, operation)
        for number, (endpoint, model) in enumerate(models.items(), 1):
            name = trial.name if number == 1 else f"{trial.name}_{number}"
            more = ("whole_call",) if (endpoint,) == chat else ()
            look = partial(_try, subject, operation, model, endpoint)
            yield call(name, look, (*needs, *more))


def _try(subject: Subject, operation: Operation, model: str, endpoint: EndpointId) -> Finding:
    """Makes a call. Raises Problem and NotApplicable."""
    trial = TRIALS[operation]
    ask = Ask(
        url_of(subject.chat_url, operation),
        {"model": model, **trial.body},
        files=trial.files(),
        limit=_MAX_ANSWER,
        advice=_advice(subject, endpoint, operation),
    )
    started = time.monotonic()
    with answer_to(subject, ask) as (answer, pieces):
        head = next(pieces, b"")
        first = time.monotonic() - started
        body = b"".join((head, *pieces))
        said = trial.read(Received(body, answer.headers.get("content-type", ""), first))
        by = one_line(answer.headers.get("x-vast-endpoint", endpoint.name))
    return Finding(f"{said}, by {by}")


def _advice(subject: Subject, endpoint: EndpointId, operation: Operation) -> dict[str, str]:
    line = f"endpoints.{endpoint.name}.serves"
    if endpoint.kind is UpstreamKind.MACHINE:
        serve = "or have its server run with a model for it"
    else:
        serve = (
            "or have the endpoint's template serve it: its model must be one for it, and its"
            f" variable OPENAI_ROUTES must list /v1/{operation}"
        )
    return {
        ErrorCode.OPERATION_NOT_SERVED: (
            f"Take {operation} out of {line} in {subject.path}, {serve}."
        ),
        ErrorCode.UNSUPPORTED_ENDPOINT: another_configuration(subject, f"serves {operation}"),
    }
