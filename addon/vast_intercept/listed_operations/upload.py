"""Reads a call that uploads files, while they arrive."""

from ..openai_api.limits import MAX_ALL_FIELDS, MAX_FILE
from ..openai_api.operations import Operation
from ..openai_api.outline import Buffer
from . import transcription
from .form_reader import FormReader
from .listed import ListedCall, Steps


class Upload:
    """Implements `UploadReader`."""

    def __init__(self, operation: Operation, content_type: str) -> None:
        """Raises ApiError (400) if the content type is not that of an upload."""
        self._operation = operation
        self._reader = FormReader(content_type, transcription.FILES, MAX_FILE + MAX_ALL_FIELDS)

    @property
    def body(self) -> Buffer:
        """What has come, byte for byte."""
        return self._reader.body

    def expect(self, size: int) -> None:
        """Raises ApiError (413) if that is more than such a call may have."""
        self._reader.expect(size)

    def feed(self, piece: Buffer) -> Steps[None]:
        """Takes the next bytes. Raises ApiError (400, 413) as soon as it cannot be served."""
        return self._reader.feed(piece)

    def end(self) -> ListedCall:
        """Returns the call, after the last bytes. Raises ApiError (400) if something is missing."""
        return transcription.read_transcription(self._reader.end(), self._operation)
