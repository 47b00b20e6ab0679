"""What a worker counts as the load of a call (FACTS V15 and V16).

The units are tokens: a call as large as the reference of its kind counts 500.
"""

import math
from collections.abc import Callable
from typing import Any

from ..model_server.listed.form import Form
from ..model_server.listed.sound import seconds_of_wav

_REFERENCE_LOAD = 500
_LEAST, _MOST = 0.1, 8

# What counts as the reference.
_EMBEDDED_CHARACTERS = 600
_SCORED_CHARACTERS = 16 * (60 + 250)
_SPOKEN_CHARACTERS = 500
_HEARD_SECONDS = 30
_SIDE = 1024

# A document that is no text counts as so many characters, and a token as so many.
_DOCUMENT_CHARACTERS = 250
_TOKEN_CHARACTERS = 4

# Of audio other than WAV the length is guessed, by bytes per second.
_BYTE_RATES = {"flac": 12_000, "ogg": 8_000, "wav": 32_000, "webm": 8_000}
_BYTE_RATE = 16_000

# The load of a call of which the worker cannot tell.
_UNKNOWN = 100.0


def load_of(route: str, payload: dict[str, Any], form: Form | None) -> float:
    """The load of a call. `form` is what the worker made of an upload."""
    if form and "file" in form.files:
        return _audio_load(form)
    try:
        load = float(_LOADS.get(route, _generation_load)(payload))
    except (TypeError, ValueError, OverflowError):
        return _UNKNOWN
    return load if math.isfinite(load) and load >= 0 else _UNKNOWN


def _scaled(size: float, reference: float) -> float:
    return _REFERENCE_LOAD * min(max(size / reference, _LEAST), _MOST)


def _generation_load(payload: dict[str, Any]) -> Any:
    return payload.get("max_tokens", 0)


def _embeddings_load(payload: dict[str, Any]) -> float:
    given = payload.get("input")
    items = given if isinstance(given, list) else [given]
    return _scaled(sum(map(_embedded_characters, items)), _EMBEDDED_CHARACTERS)


def _embedded_characters(item: object) -> int:
    match item:
        case str():
            return len(item)
        case list():
            return len(item) * _TOKEN_CHARACTERS
        case int():
            return _TOKEN_CHARACTERS
    return 0


def _rerank_load(payload: dict[str, Any]) -> float:
    return _pairs_load([payload.get("query")], payload.get("documents"))


def _score_load(payload: dict[str, Any]) -> float:
    queries = _first(payload, "queries", "text_1", "data_1")
    documents = _first(payload, "documents", "items", "text_2", "data_2")
    return _pairs_load(queries if isinstance(queries, list) else [queries], documents)


def _first(payload: dict[str, Any], *names: str) -> Any:
    return next((payload[name] for name in names if payload.get(name) is not None), None)


def _pairs_load(queries: list[Any], documents: Any) -> float:
    """Of each pair that the model reads: one query with every document, or two lists in step."""
    others = documents if isinstance(documents, list) else [documents]
    if len(queries) == 1:
        queries = queries * len(others)
    pairs = zip(queries, others, strict=False)
    characters = sum(_scored_characters(each) for pair in pairs for each in pair)
    return _scaled(characters, _SCORED_CHARACTERS)


def _scored_characters(value: object) -> int:
    return len(value) if isinstance(value, str) else _DOCUMENT_CHARACTERS


def _speech_load(payload: dict[str, Any]) -> float:
    """Of the text. A voice to imitate counts as another reference."""
    text = payload.get("input")
    characters = len(text) if isinstance(text, str) else 0
    imitated = sum(isinstance(voice, str) for voice in voices_of(payload))
    return _scaled(characters + imitated * _SPOKEN_CHARACTERS, _SPOKEN_CHARACTERS)


def voices_of(payload: dict[str, Any]) -> list[Any]:
    """The voices that speech is to imitate, each under one of the names that a worker knows."""
    voices = payload.get("ref_audio")
    found = [*(voices if isinstance(voices, list) else [voices]), payload.get("ref_audio_2")]
    references = payload.get("references")
    found.extend(
        each.get("audio_path") if isinstance(each, dict) else each
        for each in (references if isinstance(references, list) else [references])
    )
    return [voice for voice in found if voice not in (None, "")]


def _images_load(payload: dict[str, Any]) -> float:
    width, x, height = str(payload.get("size") or "").lower().partition("x")
    pixels = _number(width, _SIDE) * _number(height, _SIDE) if x else _SIDE**2
    return _scaled(_number(payload.get("n"), 1) * pixels, _SIDE**2)


def _number(value: Any, otherwise: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return otherwise
    return number if math.isfinite(number) else otherwise


def _audio_load(form: Form) -> float:
    file = form.files["file"][-1]
    seconds = seconds_of_wav(file.data)
    if seconds is None:
        rate = _BYTE_RATES.get(file.name.rpartition(".")[2].lower(), _BYTE_RATE)
        seconds = len(file.data) / rate
    return _scaled(seconds, _HEARD_SECONDS)


_LOADS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "/v1/embeddings": _embeddings_load,
    "/v1/rerank": _rerank_load,
    "/v1/score": _score_load,
    "/v1/audio/speech": _speech_load,
    "/v1/images/generations": _images_load,
    "/v1/images/edits": _images_load,
}
