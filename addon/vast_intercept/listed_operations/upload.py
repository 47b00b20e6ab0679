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
        #: Bytes that all of the body may have.
        self.most = MAX_FILE + MAX_ALL_FIELDS
        self._reader = FormReader(content_type, transcription.FILES, self.most)

    @property
    def body(self) -> Buffer:
        """What has come, byte for byte, for a provider."""
        return self._reader.body

    def feed(self, piece: Buffer) -> Steps[None]:
        """Takes the next bytes. Raises ApiError (400, 413) as soon as it cannot be served."""
        return self._reader.feed(piece)

    def end(self) -> ListedCall:
        """Returns the call, after the last bytes. Raises ApiError (400) if something is missing."""
        return transcription.read_transcription(self._reader.end(), self._operation)
