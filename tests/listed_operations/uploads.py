"""Forms as clients send them, and the calls that are read of them."""

from collections.abc import Generator, Iterable

from vast_intercept.listed_operations.listed_call import ListedCall
from vast_intercept.listed_operations.upload_reader import UploadReader
from vast_intercept.openai_api.operations import Operation

BOUNDARY = "a-boundary"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def done[T](steps: Generator[None, None, T]) -> T:
    """What all steps together return."""
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        result: T = stop.value
        return result


def field(name: str, value: str) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()


def file(
    data: bytes, name: str | None = "a.wav", kind: str | None = "audio/wav", field: str = "file"
) -> bytes:
    head = f'Content-Disposition: form-data; name="{field}"'
    if name is not None:
        head += f'; filename="{name}"'
    if kind is not None:
        head += f"\r\nContent-Type: {kind}"
    return f"{head}\r\n\r\n".encode() + data


def form(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    begin = f"--{boundary}\r\n".encode()
    return b"".join(begin + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()


def reader(
    operation: Operation = Operation.AUDIO_TRANSCRIPTIONS, content_type: str = CONTENT_TYPE
) -> UploadReader:
    return UploadReader(operation, content_type)


def read(
    body: bytes | Iterable[bytes],
    operation: Operation = Operation.AUDIO_TRANSCRIPTIONS,
    content_type: str = CONTENT_TYPE,
) -> ListedCall:
    upload = reader(operation, content_type)
    for piece in [body] if isinstance(body, bytes) else body:
        done(upload.feed(piece))
    return upload.end()
