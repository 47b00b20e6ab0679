"""Finds the module that reads a call of a listed operation."""

from collections.abc import Callable

from ..openai_api.operations import Operation
from ..openai_api.outline import Buffer, Outline
from .embeddings import read_embeddings
from .image_generations import read_image_generation
from .listed import ListedCall, UploadReader
from .pairs import read_rerank, read_score
from .speech import read_speech
from .upload import Upload

#: Operations whose body is `multipart/form-data`.
UPLOADS = frozenset(
    {
        Operation.AUDIO_TRANSCRIPTIONS,
        Operation.AUDIO_TRANSLATIONS,
        Operation.IMAGES_EDITS,
    }
)


_READERS: dict[Operation, Callable[[Buffer, Outline | None], ListedCall]] = {
    Operation.AUDIO_SPEECH: read_speech,
    Operation.EMBEDDINGS: read_embeddings,
    Operation.IMAGES_GENERATIONS: read_image_generation,
    Operation.RERANK: read_rerank,
    Operation.SCORE: read_score,
}


def read_json_call(operation: Operation, body: Buffer, made: Outline | None) -> ListedCall:
    """Reads a call whose body is JSON. Raises ApiError (400) for what cannot be served.

    `made` is the outline of a large body.
    """
    return _READERS[operation](body, made)


def upload_reader(operation: Operation, content_type: str) -> UploadReader:
    """Returns the reader for a body that is an upload. Raises ApiError (400) if it is none."""
    return Upload(operation, content_type)
