"""Watches a streamed answer as it passes: has it any content, has it failed, is it complete."""

import contextlib

import msgspec

from .members import DECODE_ERRORS, NULL, any_object, members_of
from .sse import DONE, END_OF_EVENT, EventParser, complete_events_end
from .usage import Usage, model_of, usage_of

# Choices of one answer that are told apart. No answer has more.
_MAX_CHOICES = 1_000

_DONE = DONE.encode()
_NOTHING = frozenset({b"null", b'""', b"[]", b"{}"})


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    error: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL


class _Saying(msgspec.Struct):
    delta: dict[str, msgspec.Raw] | None = None
    text: str | None = None
    finish_reason: str | None = None


class _SayingChunk(msgspec.Struct):
    choices: list[_Saying] | None = None


_chunk = msgspec.json.Decoder(_Chunk)
_saying = msgspec.json.Decoder(_SayingChunk)


class AnswerStream:
    """Takes the bytes of a stream in pieces of any size, and returns them as whole events."""

    #: Bytes. A longer event is neither held back until it is complete nor looked into.
    max_held = 64 * 1024

    def __init__(self) -> None:
        #: The beginning of an event whose rest has not come yet.
        self.held = b""
        #: How many events with data have come.
        self.events = 0
        #: `[DONE]` has come. What follows is not part of the answer.
        self.done = False
        #: The data of the first event that reports an error.
        self.error: bytes | None = None
        #: Something other than roles and empty texts has come.
        self.said = False
        self.model: str | None = None
        self._usage: bytes | None = None
        self._choices: set[int] = set()
        self._finished: set[int] = set()
        #: The next bytes continue an event that was too long to be held back.
        self.within_event = False

    def feed(self, chunk: bytes) -> bytes:
        """Returns what may be sent on: whole events, byte for byte, or a part of a long one."""
        searched = len(self.held)
        if searched:
            chunk = self.held + chunk
        end = complete_events_end(chunk, max(searched - 3, 0))
        huge = len(chunk) - end > self.max_held
        if end:
            self._read(chunk if end == len(chunk) else chunk[:end])
        if huge:
            self.within_event = self.said = True
            # The event's end, if it is split over chunks, must be known again.
            self.held = chunk[-3:]
            return chunk[:-3]
        self.held = chunk[end:]
        return chunk[:end]

    def end(self) -> bytes:
        """Returns the bytes that are still held back, once the stream has ended."""
        last, self.held = self.held, b""
        if last and not self.within_event:
            self._read(last + b"\n\n")
        return last

    @property
    def over(self) -> bool:
        """Whether the end of the answer has come, or an error in its place."""
        return self.done or self.error is not None

    @property
    def telling(self) -> bool:
        """Whether anything that an app waits for has come: content, the end or an error."""
        return self.said or self.done or self.error is not None

    @property
    def finished(self) -> bool:
        """Whether every choice has a finish reason. Some servers send no `[DONE]` after it."""
        return bool(self._choices) and self._choices <= self._finished

    def end_begins(self, events: bytes) -> int:
        """Where in the bytes that ended the answer its end begins; 0 if that is an error."""
        if self.error is not None:
            return 0
        return max(events.rfind(b"data:", 0, events.rfind(_DONE)), 0)

    @property
    def usage(self) -> Usage | None:
        """The usage that the stream states, or None."""
        return usage_of(b'{"usage":%b}' % self._usage) if self._usage else None

    def _read(self, events: bytes) -> None:
        if self.within_event:
            end_of_event = END_OF_EVENT.search(events)
            assert end_of_event
            events = events[end_of_event.end() :]
            self.within_event = False
        if b"\r" in events:
            self._read_slowly(events)
            return
        for event in events.split(b"\n\n"):
            if event.startswith(b"data:") and b"\n" not in event:
                self._read_data(event[5:])
            elif event:
                self._read_slowly(event + b"\n\n")

    def _read_slowly(self, events: bytes) -> None:
        """Parses events as the standard says. Few streams make that necessary."""
        for event in EventParser().feed(events + b"\n"):  # which ends a lone CR
            self._read_data(event.data.encode(), failed=event.event == "error")

    def _read_data(self, data: bytes, *, failed: bool = False) -> None:
        if self.done:
            return
        self.events += 1
        if len(data) > self.max_held:
            self.said = True
            return
        try:
            chunk = _chunk.decode(data)
        except DECODE_ERRORS:
            self._read_odd(data, failed=failed)
            return
        # Comparing identities is fast, and most chunks have no error.
        if failed or (chunk.error is not NULL and _is_truthy(chunk.error)):
            self.error = self.error or data
        if self.model is None:
            self.model = model_of(data) or ""
        for choice in chunk.choices or ():
            if choice.index not in self._choices and len(self._choices) < _MAX_CHOICES:
                self._choices.add(choice.index)
            if choice.finish_reason is not None and len(self._finished) < _MAX_CHOICES:
                self._finished.add(choice.index)
        if chunk.usage is not NULL and chunk.usage != NULL:
            self._usage = bytes(chunk.usage)
        if not self.said:
            self.said = _says_something(data)

    def _read_odd(self, data: bytes, *, failed: bool) -> None:
        """Reads data that is no chunk: the end, an error with other fields, or anything else."""
        if data.lstrip(b" ").startswith(_DONE):
            self.done = True
            return
        with contextlib.suppress(*DECODE_ERRORS):
            failed = failed or _is_truthy(any_object.decode(data).get("error", NULL))
        if failed:
            self.error = self.error or data
        else:
            self.said = True


def has_only_error(body: bytes) -> bool:
    """Whether a whole answer is an object whose only field is `error`."""
    fields = members_of(body) or {}
    return fields.keys() == {"error"} and _is_truthy(fields["error"])


def _is_truthy(value: msgspec.Raw) -> bool:
    return bytes(value) not in _NOTHING and bytes(value) not in {b"false", b"0"}


def _says_something(data: bytes) -> bool:
    try:
        choices = _saying.decode(data).choices
    except DECODE_ERRORS:
        return True
    return any(
        choice.text
        or choice.finish_reason is not None
        or any(
            name != "role" and bytes(value) not in _NOTHING
            for name, value in (choice.delta or {}).items()
        )
        for choice in choices or ()
    )
