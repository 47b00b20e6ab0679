"""Finds the module that reads a call of a listed operation."""

from ..openai_api.operations import Operation
from ..openai_api.outline import Buffer, Outline
from ..openai_api.requests import emptied_model, read_model
from .json_call import JsonCall
from .listed import ListedCall, UploadReader
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


def read_json_call(operation: Operation, body: Buffer, made: Outline | None) -> ListedCall:
    """Reads a call whose body is JSON. Raises ApiError (400) for what cannot be served.

    `made` is the outline of a large body.
    """
    if operation is Operation.AUDIO_SPEECH:
        return read_speech(body, made)
    return JsonCall(model=read_model(body, made), pieces=emptied_model(body, made), cost=500.0)


def upload_reader(operation: Operation, content_type: str) -> UploadReader:
    """Returns the reader for a body that is an upload. Raises ApiError (400) if it is none."""
    return Upload(operation, content_type)
