"""A streamed response: the events of a chat completion's stream become those of a response."""

from collections.abc import Callable

import msgspec

from ...openai_api.errors import ApiError
from ..bridge import Record
from ..chat_answers import ended_early
from ..chat_events import ChatEvents
from .answer import CallContext, ResponseBuilder
from .event_writer import EventWriter

# A comment, which clients of this API ignore.
_WAITING = b": waiting\n\n"


class ResponseEvents:
    """Implements `AppEvents` for one response. An event leaves with the chunk that causes it.

    `now` tells Unix time in seconds.
    """

    def __init__(self, call: CallContext, now: Callable[[], float]) -> None:
        self.record: Record | None = None
        self._call = call
        self._now = now
        self._chat = ChatEvents()
        self._writer = EventWriter()
        self._answer = ResponseBuilder(call, self._writer)
        self._begun = self._completed = self._failed = False
        self.failure: ApiError | None = None

    def feed(self, events: bytes) -> bytes:
        """Takes the next bytes of the chat stream, and returns the events that they cause.

        Raises ApiError (502) if they are no chat completion. `end` or `fail` then has the events
        that are still due.
        """
        if self._completed or self._failed or self.failure:
            return b""
        self._begin()
        try:
            for chunk in self._chat.feed(events):
                self._answer.take_chunk(chunk)
        except ApiError as error:
            self.failure = error
            raise
        return self._writer.take()

    def end(self, error: ApiError | None = None) -> bytes:
        """Returns the last event: the response is complete or incomplete. It may have failed, too.

        Calling it again has no effect.
        """
        if self._completed:
            return b""
        error = error or self.failure
        if error is None and not self._answer.finished:
            error = self.failure = ended_early()
        if error:
            return self.fail(error)
        self._completed = True
        response = self._answer.ended(self._now())
        encoded = msgspec.json.encode(response)
        self._writer.write(f"response.{response['status']}", response=msgspec.Raw(encoded))
        self.record = self._call.record(encoded)
        return self._writer.take()

    def fail(self, error: ApiError) -> bytes:
        """Returns the events that end the stream with an error.

        `response.created` comes first in any case, as SDKs demand (FACTS R10). After `end`, they
        take the place of what that has returned. Calling it again has no effect.
        """
        if self._failed:
            return b""
        self._begin()
        self._failed = True
        if self._completed:
            self._writer.take_back()
            self.record = None
        told = {"code": error.code, "message": error.message, "param": error.param}
        # Documented are the fields; what OpenAI sends, and SDKs raise, is the object (FACTS R10).
        self._writer.write("error", **told, error={"type": error.type, **told})
        self._writer.write("response.failed", response=self._answer.failed(error))
        return self._writer.take()

    def keep_alive(self) -> bytes:
        """Returns a comment."""
        return _WAITING

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            response = msgspec.Raw(msgspec.json.encode(self._answer.in_progress()))
            self._writer.write("response.created", response=response)
            self._writer.write("response.in_progress", response=response)
