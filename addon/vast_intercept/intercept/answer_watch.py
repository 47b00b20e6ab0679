"""Watches a streamed answer that passes on its way to the app, and changes nothing of it."""

from dataclasses import dataclass

from mitmproxy import http

from ..bridges.native import NativeStream
from ..openai_api.answer_stream import AnswerStream
from ..openai_api.operations import SERVED_BY_VAST, Operation
from ..openai_api.sse import EVENT_STREAM
from ..relay.progress import Progress
from .body_recorder import BodyRecorder


@dataclass(slots=True, eq=False)
class AnswerWatch:
    """A value for `response.stream`: notes when the answer says something, and whether it ends.

    Without a `stream` to read, such as of audio, its first byte is what it says.
    """

    recorder: BodyRecorder
    progress: Progress
    stream: AnswerStream | None

    def __call__(self, chunk: bytes) -> bytes:
        stream, progress = self.stream, self.progress
        if stream and chunk:
            stream.feed(chunk)
        if chunk and progress.first_byte_at is None and (stream is None or stream.telling):
            progress.first_byte((stream and stream.model) or None)
        return self.recorder(chunk)

    @property
    def complete(self) -> bool:
        """Whether the answer's own mark of its end has come, after which it has no more."""
        return self.stream is not None and (self.stream.done or self.stream.finished)


def watched(
    response: http.Response, recorder: BodyRecorder, progress: Progress, operation: Operation
) -> AnswerWatch | None:
    """What watches the answer; None for one that is no stream."""
    kind = response.headers.get("content-type", "")
    if kind.startswith("audio/"):
        stream = None
    elif not kind.startswith(EVENT_STREAM):
        return None
    elif response.headers.get("content-encoding", "identity") != "identity":
        stream = None
    else:
        stream = AnswerStream() if operation in SERVED_BY_VAST else NativeStream()
    progress.begin_stream()
    return AnswerWatch(recorder, progress, stream)
