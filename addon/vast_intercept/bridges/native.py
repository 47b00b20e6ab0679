"""Streams in the app's own API, of a provider that a call fell back to: watched, never changed.

https://platform.openai.com/docs/api-reference/responses-streaming and
https://docs.anthropic.com/en/api/messages-streaming have the events.
"""

import re

import msgspec

from ..openai_api.answer_stream import AnswerStream
from ..openai_api.error_shapes import error_body
from ..openai_api.errors import ApiError
from ..openai_api.members import DECODE_ERRORS, NULL, members_of
from ..openai_api.operations import Operation
from ..openai_api.outline import Buffer
from ..openai_api.requests import GenerationRequest
from ..openai_api.sse import complete_events_end, end_of_cut_event
from .bridge import Record

# Bytes. The last event of a response has all of the answer once more, and its usage.
_MAX_HELD = 1024 * 1024

_ENDS = frozenset(
    {
        *("response.completed", "response.incomplete", "response.failed"),
        *("message_stop", "transcript.text.done"),
    }
)
_FAILED = "response.failed"
_ERROR = "error"
# Events that may come before a model has said anything.
_QUIET = frozenset(
    {
        *("response.created", "response.queued", "response.in_progress"),
        *("response.output_item.added", "response.content_part.added"),
        *("message_start", "content_block_start", "ping"),
    }
)
# Both APIs name the type here, too.
_NAME = re.compile(rb"event: ?([a-z_.]{1,80})")

_NUMBER = re.compile(rb'"sequence_number": ?([0-9]{1,9})')


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    #: Of Responses, and of Messages.
    response: msgspec.Raw = NULL
    message: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL


class _Request(msgspec.Struct):
    model: object = None
    stream: object = None


_event = msgspec.json.Decoder(_Event)
_request = msgspec.json.Decoder(_Request)
_text = msgspec.json.Decoder(str)


def read_native(body: Buffer) -> GenerationRequest:
    """What a call asks for that goes to its provider as it is, as far as that can be seen."""
    try:
        asked = _request.decode(body)
    except DECODE_ERRORS:
        asked = _Request()
    model = asked.model if isinstance(asked.model, str) else None
    return GenerationRequest(model, asked.stream is True, (body,), left_out=())


class NativeStream(AnswerStream):
    """Watches the events of the Responses or the Messages API, or of a transcription."""

    max_held = _MAX_HELD

    def __init__(self) -> None:
        super().__init__()
        self._tokens: dict[str, msgspec.Raw] = {}
        #: The type of an event that is too long to be held.
        self._long = ""

    @property
    def finished(self) -> bool:
        """Whether the last event has come."""
        return self.done

    def end_begins(self, events: bytes) -> int:
        """Where the last of these events begins, which ends the answer; 0 if that is an error."""
        if self.error is not None:
            return 0
        return complete_events_end(events[: len(events.rstrip(b"\r\n"))])

    def feed(self, chunk: bytes) -> bytes:
        """Returns what may be sent on: whole events, byte for byte, or a part of a long one."""
        was_within = self.within_event
        ready = super().feed(chunk)
        if self.within_event and not was_within:
            begun = _NAME.match(ready, complete_events_end(ready))
            self._long = begun[1].decode() if begun else ""
        elif was_within and not self.within_event:
            self._end_with(self._long, NULL)
        return ready

    def _read_data(self, data: bytes, *, failed: bool = False) -> None:
        if self.done:
            return
        try:
            event = _event.decode(data)
        except DECODE_ERRORS:
            event = _Event()
        self.events += event.type.endswith("delta")
        self.said = self.said or event.type not in _QUIET
        if failed or event.type == _ERROR:
            self.error = self.error or data
        for answer in (event.response, event.message):
            if answer is not NULL:
                self._look_into(answer)
        self._count(event.usage)
        self._end_with(event.type, event.response)

    def _look_into(self, answer: msgspec.Raw) -> None:
        fields = members_of(answer) or {}
        if self.model is None:
            try:
                self.model = _text.decode(fields.get("model", NULL))
            except DECODE_ERRORS:
                self.model = ""
        self._count(fields.get("usage", NULL))

    def _count(self, usage: msgspec.Raw) -> None:
        # A message begins with the tokens of the prompt, and ends with those of the answer.
        if usage is not NULL and (fields := members_of(usage)):
            self._tokens |= fields
            self._usage = msgspec.json.encode(self._tokens)

    def _end_with(self, kind: str, response: msgspec.Raw) -> None:
        if kind == _FAILED and self.error is None:
            error = (members_of(response) or {}).get("error", NULL)
            self.error = b'{"error":%b}' % bytes(error)
        self.done = self.done or kind in _ENDS


class NativeEvents:
    """Implements `AppEvents`: a provider's own events, byte for byte, and our errors in its API."""

    record: Record | None = None
    failure: ApiError | None = None

    def __init__(self, operation: Operation, request_id: str) -> None:
        self._operation = operation
        self._request_id = request_id
        self._last = b""

    def keep_alive(self) -> bytes:
        """Returns a comment."""
        return b": waiting\n\n"

    def feed(self, events: bytes) -> bytes:
        """Returns the bytes."""
        self._last = events
        return events

    def end(self, error: ApiError | None = None) -> bytes:
        """Returns nothing: the provider's events have it all."""
        return b""

    def fail(self, error: ApiError) -> bytes:
        """Returns an event with the error, behind what has come of an event that is cut."""
        if self._operation is Operation.MESSAGES:
            data = error_body(error, "anthropic", self._request_id)
        else:
            fields = {"code": error.code, "message": error.message, "param": error.param}
            numbers = _NUMBER.findall(self._last)
            number = int(numbers[-1]) + 1 if numbers else 0
            data = msgspec.json.encode({"type": "error", **fields, "sequence_number": number})
        return end_of_cut_event(self._last) + b"event: error\ndata: " + data + b"\n\n"
