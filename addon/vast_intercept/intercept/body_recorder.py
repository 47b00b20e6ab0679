"""Keeps a copy of a body that is streamed."""

from collections.abc import Callable

from ..relay.memory import Share
from ..relay.progress import Progress


class BodyRecorder:
    """A value for `message.stream`: sends every chunk on at once, and keeps a copy.

    A body of more than `limit` bytes, or for which `share` has no room, is not kept: `body` is None
    then, and mitmproxy says that the content is missing. `progress` is told when the first bytes of
    an answer leave. `redact` takes keys out of what is kept.
    """

    def __init__(
        self,
        limit: int,
        share: Share,
        progress: Progress | None = None,
        redact: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._limit = limit
        self._share = share
        self._redact = redact
        self._unmeasured = progress
        self._size = 0
        self._chunks: list[bytes] = []

    def __call__(self, chunk: bytes) -> bytes:
        self._size += len(chunk)
        if self._size <= self._limit and self._share.has_room_for(len(chunk)):
            self._chunks.append(chunk)
        elif self._limit >= 0:
            self._limit = -1
            self._share.give_back(sum(map(len, self._chunks)))
            self._chunks.clear()
        if self._unmeasured and self._unmeasured.first_byte_at is not None:  # not just a comment
            self._unmeasured.pass_on()
            self._unmeasured = None
        return chunk

    @property
    def size(self) -> int:
        """How many bytes have passed so far."""
        return self._size

    @property
    def body(self) -> bytes | None:
        """What has passed so far, without keys."""
        if self._size > self._limit:
            return None
        self._chunks = [b"".join(self._chunks)]
        return self._redact(self._chunks[0])
