"""Which path is which operation, and who answers it."""

from collections.abc import Callable

from ...mischief.exchange import ModelAnswer
from ...mischief.instructions import Instructions
from ..vllm_answers import Label
from .embeddings import embed
from .form import Form
from .images import edit, generate
from .scoring import rerank, score
from .speech import speak
from .transcription import transcribe, translate

type Told = tuple[ModelAnswer, Instructions]

# By path: what answers a JSON body, and what answers a form. Each may raise Refusal.
JSON_ROUTES: dict[str, Callable[[bytes, Label], Told]] = {
    "/v1/audio/speech": speak,
    "/v1/embeddings": embed,
    "/v1/images/generations": generate,
    "/v1/rerank": rerank,
    "/v1/score": score,
}
UPLOAD_ROUTES: dict[str, Callable[[Form, Label], Told]] = {
    "/v1/audio/transcriptions": transcribe,
    "/v1/audio/translations": translate,
    "/v1/images/edits": edit,
}
ROUTES = frozenset((*JSON_ROUTES, *UPLOAD_ROUTES))
