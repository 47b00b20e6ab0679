"""Which path is which operation, and who answers it."""

from collections.abc import Callable

from ...mischief.exchange import ModelAnswer
from ...mischief.instructions import Instructions
from ..vllm_answers import Label
from .embeddings import embed
from .form import Form
from .transcription import transcribe, translate

type Told = tuple[ModelAnswer, Instructions]

# By path: what answers a JSON body, and what answers a form. Each may raise Refusal.
JSON_ROUTES: dict[str, Callable[[bytes, Label], Told]] = {"/v1/embeddings": embed}
UPLOAD_ROUTES: dict[str, Callable[[Form, Label], Told]] = {
    "/v1/audio/transcriptions": transcribe,
    "/v1/audio/translations": translate,
}
ROUTES = frozenset((*JSON_ROUTES, *UPLOAD_ROUTES))
