"""A streamed body, kept as it passes by."""


class BodyRecorder:
    """What `flow.response.stream` is set to: sends every chunk on at once, and keeps a copy.

    A body of more than `limit` bytes is not kept: `body` is None then, and mitmproxy says that the
    content is missing.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._chunks: list[bytes] = []

    def __call__(self, chunk: bytes) -> bytes:
        self._size += len(chunk)
        if self._size <= self._limit:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()
        return chunk

    @property
    def body(self) -> bytes | None:
        """What has passed so far."""
        return b"".join(self._chunks) if self._size <= self._limit else None
