"""A streamed answer, read as it passes by: whether it has said anything, failed, or is complete."""

import contextlib

import msgspec

from .sse import DONE, END_OF_EVENT, EventParser, complete_events_end
from .usage import Usage, model_of, usage_of

# The longest piece of an event that is held back until the rest of it is there, and the longest
# event that is looked into.
_MAX_HELD = 64 * 1024
# No answer has more choices; those beyond are not told apart.
_MAX_CHOICES = 1_000

_DONE = DONE.encode()
_NULL = msgspec.Raw(b"null")
_NOTHING = frozenset({b"null", b'""', b"[]", b"{}"})


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    error: msgspec.Raw = _NULL
    usage: msgspec.Raw = _NULL


class _Saying(msgspec.Struct):
    delta: dict[str, msgspec.Raw] | None = None
    text: str | None = None
    finish_reason: str | None = None


class _SayingChunk(msgspec.Struct):
    choices: list[_Saying] | None = None


_chunk = msgspec.json.Decoder(_Chunk)
_saying = msgspec.json.Decoder(_SayingChunk)
_any_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class AnswerStream:
    """Is fed the bytes of a stream in any pieces, and gives them back as whole events."""

    def __init__(self) -> None:
        #: The beginning of an event whose rest is yet to come.
        self.held = b""
        #: How many events with data there were.
        self.events = 0
        #: `[DONE]` has come: whatever follows is no part of the answer.
        self.done = False
        #: The data of an event that says that the answer failed.
        self.error: bytes | None = None
        #: Anything but roles and empty texts has come.
        self.said = False
        self.model: str | None = None
        self._usage: bytes | None = None
        self._choices: set[int] = set()
        self._finished: set[int] = set()
        #: What comes next is the rest of an event that was too long to be held.
        self.within_event = False

    def feed(self, chunk: bytes) -> bytes:
        """What may be sent on: whole events, byte for byte, or a piece of one that is huge."""
        searched = len(self.held)
        if searched:
            chunk = self.held + chunk
        end = complete_events_end(chunk, max(searched - 3, 0))
        huge = len(chunk) - end > _MAX_HELD
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
        """What is held, which is the last event of a stream that has ended."""
        last, self.held = self.held, b""
        if last and not self.within_event:
            self._read(last + b"\n\n")
        return last

    @property
    def over(self) -> bool:
        """Whether the answer's end has come, or an error in its place."""
        return self.done or self.error is not None

    @property
    def telling(self) -> bool:
        """Whether there is anything by now that an app waits for."""
        return self.said or self.done or self.error is not None

    @property
    def finished(self) -> bool:
        """Whether each choice has said why it ended: some servers send no `[DONE]` behind it."""
        return bool(self._choices) and self._choices <= self._finished

    @property
    def usage(self) -> Usage | None:
        """How many tokens it took, if it says so."""
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
        """As the standard says, which few streams make necessary."""
        for event in EventParser().feed(events + b"\n"):  # which ends a lone CR
            self._read_data(event.data.encode(), failed=event.event == "error")

    def _read_data(self, data: bytes, *, failed: bool = False) -> None:
        if self.done:
            return
        self.events += 1
        if len(data) > _MAX_HELD:
            self.said = True
            return
        try:
            chunk = _chunk.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._read_odd(data, failed=failed)
            return
        # By identity, which is fast: most chunks do not have it.
        if failed or (chunk.error is not _NULL and _is_truthy(chunk.error)):
            self.error = self.error or data
        if self.model is None:
            self.model = model_of(data) or ""
        for choice in chunk.choices or ():
            if choice.index not in self._choices and len(self._choices) < _MAX_CHOICES:
                self._choices.add(choice.index)
            if choice.finish_reason is not None and len(self._finished) < _MAX_CHOICES:
                self._finished.add(choice.index)
        if chunk.usage is not _NULL and chunk.usage != _NULL:
            self._usage = bytes(chunk.usage)
        if not self.said:
            self.said = _says_something(data)

    def _read_odd(self, data: bytes, *, failed: bool) -> None:
        """What is no chunk: the end, an error beside what is not understood, or anything else."""
        if data.lstrip(b" ").startswith(_DONE):
            self.done = True
            return
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            failed = failed or _is_truthy(_any_object.decode(data).get("error", _NULL))
        if failed:
            self.error = self.error or data
        else:
            self.said = True


def has_only_error(body: bytes) -> bool:
    """Whether a whole answer has nothing but an error, in an object's only field `error`."""
    try:
        fields = _any_object.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return fields.keys() == {"error"} and _is_truthy(fields["error"])


def _is_truthy(value: msgspec.Raw) -> bool:
    return bytes(value) not in _NOTHING and bytes(value) not in {b"false", b"0"}


def _says_something(data: bytes) -> bool:
    try:
        choices = _saying.decode(data).choices
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
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
