"""Keeps a copy of a body that is streamed."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..relay.memory import Share
from ..relay.progress import Progress


@dataclass(eq=False, slots=True)
class BodyRecorder:
    """A value for `message.stream`: sends every chunk on at once, and keeps a copy.

    A body of more than `limit` bytes, or for which `share` has no room, is not kept: `body` is None
    then, and mitmproxy says that the content is missing. `progress` is told when the first bytes of
    an answer leave. `redact` takes keys out of what is kept.
    """

    limit: int
    share: Share
    progress: Progress | None = None
    redact: Callable[[bytes], bytes] = bytes
    #: How many bytes have passed so far.
    size: int = field(default=0, init=False)
    _chunks: list[bytes] = field(default_factory=list, init=False)

    def __call__(self, chunk: bytes) -> bytes:
        self.size += len(chunk)
        if self.size <= self.limit and self.share.has_room_for(len(chunk)):
            self._chunks.append(chunk)
        elif self.limit >= 0:
            self.limit = -1
            self.share.give_back(sum(map(len, self._chunks)))
            self._chunks.clear()
        if self.progress and self.progress.first_byte_at is not None:  # not just a comment
            self.progress.pass_on()
            self.progress = None  # it is told once
        return chunk

    @property
    def is_kept(self) -> bool:
        """Whether all that has passed so far is kept."""
        return self.size <= self.limit

    def take(self) -> list[bytes] | None:
        """Hands over what has passed, as it came, and forgets it; None if it is not kept.

        mitmproxy holds a flow, and so its recorders, until the garbage collector comes by.
        """
        taken, self._chunks = self._chunks, []
        return taken if self.is_kept else None

    @property
    def body(self) -> bytes | None:
        """What has passed so far, without keys."""
        if self.size > self.limit:
            return None
        self._chunks = [b"".join(self._chunks)]
        return self.redact(self._chunks[0])
