"""Calls that continue a response which their provider keeps: `previous_response_id`.

Vast has not given that response, and knows nothing of it. The recording does, if it was made while
the conversation was: then its earlier turns become a part of the call's own input. Items that the
input only refers to (`item_reference`) are put in as well.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple

import msgspec

from ...openai_api.limits import MAX_BRIDGED
from ...openai_api.members import DECODE_ERRORS, NULL, any_object
from ...openai_api.reading import first_byte, shown
from ...openai_api.rewriting import Changes, rewritten
from ...openai_api.sse import EventParser
from ..calls import RecordedCall, Unusable
from .parts import is_stream
from .recording_error import RecordingError

_REFERENCE = "item_reference"
# As the Responses API ends a stream, and what an ended response's status is.
_ENDS = (b'"response.completed"', b'"response.incomplete"')
_ENDED = frozenset({"completed", "incomplete"})


class _Asked(msgspec.Struct):
    input: msgspec.Raw = NULL
    previous_response_id: str | None = None


class _Item(msgspec.Struct):
    type: str | None = None
    id: str | None = None
    role: Any = None
    content: msgspec.Raw = NULL

    @property
    def is_reference(self) -> bool:
        """The type is optional: then a reference has an id, and nothing that others have."""
        bare = self.type is None and self.role is None and bytes(self.content) == b"null"
        return self.id is not None and (self.type == _REFERENCE or bare)


class _Response(msgspec.Struct):
    id: str
    status: str
    output: list[msgspec.Raw]


class _Event(msgspec.Struct):
    response: _Response


_asked = msgspec.json.Decoder(_Asked)
_item = msgspec.json.Decoder(_Item)
_items = msgspec.json.Decoder(list[msgspec.Raw])
_response = msgspec.json.Decoder(_Response)
_event = msgspec.json.Decoder(_Event)


class _Turn(NamedTuple):
    """A turn of a conversation: its place in the file, and the response that it continues."""

    previous: str | None
    start: int
    size: int


class _MissingError(Exception):
    """What a call continues or refers to is not in the recording. The message says what."""


class Conversations:
    """The conversations of a recording, as far as it has been read.

    They are kept in a temporary file without a name, so that their size does not matter. `close`
    removes it.
    """

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._end = 0
        self._turns: dict[str, _Turn] = {}
        self._of_item: dict[str, _Turn] = {}

    def close(self) -> None:
        """Removes what is kept."""
        if self._file:
            self._file.close()

    def completed(self, call: RecordedCall) -> RecordedCall | Unusable:
        """The call with all that it continues, if it continues something.

        Calls must be given in the order in which they were made. Raises RecordingError if there is
        no room for a temporary file.
        """
        if not _is_response(call):
            return call
        try:
            asked = _asked.decode(call.body)
            own = _items_of(asked.input)
            read = [_item.decode(each) for each in own]
        except DECODE_ERRORS:
            return call  # the provider has refused it, and so will Vast
        try:
            return self._completed(call, asked, own, read)
        except _MissingError as error:
            return Unusable(place=call.place, why=f"It continues {error}.")
        except OSError as error:
            raise RecordingError(
                f"There is no room for conversations in a temporary file: {error.strerror}."
            ) from None

    def _completed(
        self, call: RecordedCall, asked: _Asked, own: list[bytes], read: list[_Item]
    ) -> RecordedCall:
        previous = asked.previous_response_id or None
        own = [
            self._referenced(item.id) if item.is_reference else raw
            for raw, item in zip(own, read, strict=True)
        ]
        self._remember(call, previous, own)
        history = list(self._history(previous, sum(map(len, own)))) if previous else []
        if not previous and not any(each.is_reference for each in read):
            return call
        members = any_object.decode(call.body)
        changes = Changes(
            values={"input": b"[%b]" % b",".join([*history, *own])},
            left_out={"previous_response_id"},
        )
        return replace(call, body=bytes(rewritten(call.body, members, None, changes)[0]))

    def _referenced(self, identifier: str | None) -> bytes:
        turn = self._of_item.get(identifier or "")
        if turn is None:
            raise _MissingError(
                f"a conversation whose item {shown(identifier or '')!r} the recording does not have"
            )
        return self._read(turn)

    def _history(self, identifier: str | None, size: int) -> Iterator[bytes]:
        """The items of all turns up to that response, the first turn first."""
        turns: list[_Turn] = []
        while identifier:
            turn = self._turns.get(identifier)
            if turn is None:
                raise _MissingError(
                    f"the response {shown(identifier)!r}, which the recording does not have, or"
                    " not as a whole"
                )
            # A turn continues one that was kept before it: there are no circles.
            turns.append(turn)
            identifier = turn.previous
            size += turn.size
            if size > MAX_BRIDGED:
                raise _MissingError(f"a conversation of more than {MAX_BRIDGED:,} bytes")
        return (self._read(turn) for turn in reversed(turns) if turn.size)

    def _remember(self, call: RecordedCall, previous: str | None, own: Iterable[bytes]) -> None:
        """Keeps a turn that is whole, with all turns before it. Of equal ids, the first counts."""
        response = _response_of(call)
        if response is None or response.id in self._turns:
            return
        if previous and previous not in self._turns:
            return
        start = self._end
        for number, item in enumerate([*own, *map(bytes, response.output)]):
            if number:
                self._write(b",")
            identifier = _id_of(item)
            place = _Turn(None, self._end, len(item))
            self._write(item)
            if identifier:
                self._of_item.setdefault(identifier, place)
        self._turns[response.id] = _Turn(previous, start, self._end - start)

    def _write(self, content: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  (`close` closes it)
        self._file.seek(self._end)
        self._file.write(content)
        self._end += len(content)

    def _read(self, turn: _Turn) -> bytes:
        assert self._file
        self._file.seek(turn.start)
        return self._file.read(turn.size)


def _is_response(call: RecordedCall) -> bool:
    path = call.url.partition("?")[0]
    fits = call.method == "POST" and path.rstrip("/").endswith("/responses")
    return fits and len(call.body) <= MAX_BRIDGED


def _items_of(given: msgspec.Raw) -> list[bytes]:
    match first_byte(given):
        case b'"':
            return [b'{"type":"message","role":"user","content":%b}' % bytes(given)]
        case b"[":
            return [bytes(each) for each in _items.decode(given)]
    return []


def _id_of(item: bytes) -> str | None:
    try:
        return _item.decode(item).id
    except DECODE_ERRORS:
        return None


def _response_of(call: RecordedCall) -> _Response | None:
    """The response that answers a call, if it has ended and the recording has all of it."""
    answer = call.answer
    if answer is None or not answer.whole:
        return None
    try:
        if is_stream(answer.content_type):
            found = _event.decode(_last_event(answer.body)).response
        else:
            found = _response.decode(answer.body)
    except DECODE_ERRORS:
        return None
    return found if found.status in _ENDED else None


def _last_event(stream: bytes) -> str:
    """The data of the event that ends a stream of the Responses API; empty without one."""
    # Within a text of another event, the quotation marks would be escaped.
    at = max(stream.rfind(end) for end in _ENDS)
    if at < 0:
        return ""
    start = max(stream.rfind(blank, 0, at) for blank in (b"\n\n", b"\n\r\n"))
    events = EventParser().feed(stream[max(start, 0) :].lstrip() + b"\n\n")
    return events[0].data if events else ""
