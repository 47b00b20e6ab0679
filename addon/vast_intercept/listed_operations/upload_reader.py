"""Reads a call that uploads files (`multipart/form-data`), while they arrive."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from ..openai_api.limits import MAX_ALL_FIELDS, MAX_FILE, MAX_UPLOAD
from ..openai_api.operations import Operation
from ..openai_api.outline import Buffer
from . import image_edit, transcription
from .form import UploadedForm
from .form_reader import FormReader
from .listed_call import ListedCall, Steps


class _Kind(NamedTuple):
    #: The parts that are files, and how many may have each name.
    files: Mapping[str, int]
    #: How many bytes all of the body may have.
    most: int
    read: Callable[[UploadedForm], ListedCall]


def _audio(operation: Operation) -> _Kind:
    read = partial(transcription.read_transcription, operation=operation)
    return _Kind(transcription.FILES, MAX_FILE + MAX_ALL_FIELDS, read)


_KINDS = {
    Operation.AUDIO_TRANSCRIPTIONS: _audio(Operation.AUDIO_TRANSCRIPTIONS),
    Operation.AUDIO_TRANSLATIONS: _audio(Operation.AUDIO_TRANSLATIONS),
    Operation.IMAGES_EDITS: _Kind(image_edit.FILES, MAX_UPLOAD, image_edit.read_image_edit),
}


#: Operations whose body is `multipart/form-data`.
UPLOADS = frozenset(_KINDS)


class UploadReader:
    """Reads one body while it arrives."""

    def __init__(self, operation: Operation, content_type: str) -> None:
        """Raises ApiError (400) if the content type is not that of an upload."""
        self._kind = _KINDS[operation]
        self._reader = FormReader(content_type, self._kind.files, self._kind.most)

    @property
    def body(self) -> memoryview:
        """What has come, byte for byte."""
        return self._reader.body

    def expect(self, size: int) -> None:
        """Is told how many bytes will come, if that is known. Raises ApiError (413)."""
        self._reader.expect(size)

    def feed(self, piece: Buffer) -> Steps[None]:
        """Takes the next bytes. Raises ApiError (400, 413) as soon as it cannot be served."""
        return self._reader.feed(piece)

    def end(self) -> ListedCall:
        """Returns the call, after the last bytes. Raises ApiError (400) if something is missing."""
        return self._kind.read(self._reader.end())
