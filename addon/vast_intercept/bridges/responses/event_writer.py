"""Writes the events of a response, numbered without gaps, as server-sent events."""

import msgspec

_encode = msgspec.json.Encoder().encode


class EventWriter:
    """Collects the bytes of events until they are taken."""

    def __init__(self) -> None:
        self._events: list[bytes] = []
        self._next = 0

    def write(self, kind: str, **fields: object) -> None:
        """Adds an event of this type. The fields become JSON."""
        data = _encode({"type": kind, "sequence_number": self._next, **fields})
        self._next += 1
        self._events.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), data))

    def delta_of(self, kind: str, **fields: object) -> bytes:
        """A template for events that differ only in their number and their `delta`.

        Most events of a stream are such, and this makes them cheap.
        """
        same = _encode({"type": kind, **fields}).replace(b"%", b"%%")
        return b'event: %b\ndata: %b,"sequence_number":%%d,"delta":%%b}\n\n' % (
            kind.encode(),
            same[:-1],
        )

    def write_delta(self, template: bytes, delta: str) -> None:
        """Adds an event that `delta_of` has described."""
        self._events.append(template % (self._next, _encode(delta)))
        self._next += 1

    def take(self) -> bytes:
        """What was added since it was taken last."""
        if len(self._events) == 1:
            return self._events.pop()
        events = b"".join(self._events)
        self._events.clear()
        return events

    def take_back(self) -> None:
        """Takes the number of the last event back: the next event gets it."""
        self._next -= 1


class NoEvents(EventWriter):
    """Takes the place of a writer where only the items count."""

    def write(self, kind: str, **fields: object) -> None:
        """Does nothing."""

    def write_delta(self, template: bytes, delta: str) -> None:
        """Does nothing."""
