"""Takes the stream of a chat completion apart: bytes in, what the chunks say out."""

from collections.abc import Iterator

from ..openai_api.limits import MAX_BRIDGED
from ..openai_api.sse import DONE, Event, EventParser
from .chat_answers import ChatCompletion, answer_too_large, read_completion

_DONE = DONE.encode()


class ChatEvents:
    """Reads chunks from a stream that comes in pieces of any size."""

    def __init__(self) -> None:
        # Once a piece has not ended with an event, the rest of the stream is parsed by the book.
        self._parser: EventParser | None = None
        # Bytes, at most, of the event that has begun.
        self._held = 0
        self._done = False

    def feed(self, piece: bytes) -> Iterator[ChatCompletion]:
        """Yields the chunks that the piece completes.

        `[DONE]` and what follows it are left out, and so are events that report an error. Raises
        ApiError (502) for what is no chunk.
        """
        if self._parser or b"\r" in piece or not piece.endswith(b"\n\n"):
            yield from self._parse(piece)
            return
        for event in piece.split(b"\n\n"):
            if event.startswith(b"data:") and b"\n" not in event:
                yield from self._read(event[5:])
            elif event:
                yield from self._read_all(EventParser().feed(event + b"\n\n"))

    def _parse(self, piece: bytes) -> Iterator[ChatCompletion]:
        parser = self._parser = self._parser or EventParser()
        events = parser.feed(piece)
        self._held = len(piece) + (0 if events else self._held)
        yield from self._read_all(events)
        if self._held > MAX_BRIDGED:
            raise answer_too_large()

    def _read_all(self, events: list[Event]) -> Iterator[ChatCompletion]:
        for event in events:
            if event.event != "error":
                yield from self._read(event.data.encode())

    def _read(self, data: bytes) -> Iterator[ChatCompletion]:
        if self._done:
            return
        if data.lstrip(b" ").startswith(_DONE):
            self._done = True
        else:
            yield read_completion(data)
