"""Finds the module that reads a call whose body is JSON."""

from collections.abc import Callable

from ..openai_api.operations import Operation
from ..openai_api.outline import Buffer, Outline
from .embeddings import read_embeddings
from .image_generations import read_image_generation
from .listed_call import ListedCall
from .pairs import read_rerank, read_score
from .speech import read_speech

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
