"""Keys that are sent, and are never in the flow that is shown, saved and given to other addons.

mitmproxy makes what it sends of the flow itself (FACTS M50), so a key would have to be in the flow
while it is sent, and everybody who looks at that moment would see it. Here the flow is masked for
good, and what is masked is put back into a copy that only the connection gets.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from mitmproxy import http
from mitmproxy.proxy import events
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import (
    RequestHeaders,
    RequestTrailers,
    ResponseData,
    ResponseHeaders,
    ResponseTrailers,
)

type Fields = tuple[tuple[bytes, bytes], ...]
type Field = tuple[bytes, bytes]

_SENT = (RequestHeaders, RequestTrailers, ResponseData, ResponseHeaders, ResponseTrailers)


@dataclass(slots=True, weakref_slot=True)
class Masked:
    """What a flow shows in place of what is sent: pairs of what is shown, and what is sent.

    Each is sent once, and forgotten then.
    """

    #: Of headers and trailers, of the request and of the answer.
    fields: dict[Field, list[Field]] = field(default_factory=dict)
    method: tuple[bytes, bytes] | None = None
    path: tuple[bytes, bytes] | None = None
    #: The same in pieces, for a path that another addon has changed since.
    pieces: list[tuple[bytes, bytes]] = field(default_factory=list)
    #: Of a whole answer.
    body: tuple[bytes, bytes] | None = None

    def add_fields(self, shown: Fields, sent: Fields) -> None:
        """Adds pairs of a masked field and the field to send. Equal masks keep their order."""
        pairs = list(zip(shown, sent, strict=True))
        changed = {one for one, other in pairs if one != other}
        known = set(self.fields)
        for one, other in pairs:
            if one in changed and not (one == other and one in known):
                self.fields.setdefault(one, []).append(other)

    def sent(self, event: HttpEvent) -> HttpEvent:
        """The event with the keys put back in, for the connection that it is sent on."""
        match event:
            case RequestHeaders(stream_id, request, end_stream):
                return RequestHeaders(stream_id, self._sent_request(request), end_stream)
            case ResponseHeaders(stream_id, response, end_stream):
                response = response.copy()
                response.headers.fields = self._sent_fields(response.headers)
                return ResponseHeaders(stream_id, response, end_stream)
            case RequestTrailers() | ResponseTrailers():
                trailers = http.Headers(self._sent_fields(event.trailers))
                return type(event)(event.stream_id, trailers)
            case ResponseData() if self.body and self.body[0] == event.data:
                (_, body), self.body = self.body, None
                return ResponseData(event.stream_id, body)
        return event

    def _sent_request(self, request: http.Request) -> http.Request:
        data = request.data
        method = self.method[1] if self.method and self.method[0] == data.method else data.method
        sent = http.Request(
            *(data.host, data.port, method, data.scheme, data.authority),
            *(self._sent_path(data.path), data.http_version, self._sent_fields(request.headers)),
            *(None, None),  # the body and the trailers are sent by themselves
            *(data.timestamp_start, data.timestamp_end),
        )
        self.method = self.path = None
        self.pieces.clear()
        return sent

    def _sent_path(self, path: bytes) -> bytes:
        if self.path and path == self.path[0]:
            return self.path[1]
        for shown, sent in self.pieces:
            path = path.replace(shown, sent, 1)
        return path

    def _sent_fields(self, headers: http.Headers) -> Fields:
        # Of two that show the same, the first is sent first. What another addon has taken out is
        # not sent.
        return tuple(
            sent.pop(0) if (sent := self.fields.get(each)) else each for each in headers.fields
        )


_masked: WeakKeyDictionary[http.HTTPFlow, Masked] = WeakKeyDictionary()


def masked_in(flow: http.HTTPFlow) -> Masked:
    """The flow's record of what it shows in place of what is sent. Hooks add to it."""
    return _masked.setdefault(flow, Masked())


def forget(flow: http.HTTPFlow) -> None:
    """Drops the flow's record: from now on, what the flow shows is sent."""
    _masked.pop(flow, None)


def install() -> None:
    """Has mitmproxy's HTTP layer send what was masked. Calling it again has no effect."""
    HttpLayer.event_to_child = _event_to_child  # type: ignore[method-assign, assignment]


_mitmproxys: Callable[[HttpLayer, Layer | HttpStream, events.Event], CommandGenerator[None]] = (
    HttpLayer.event_to_child
)


def _event_to_child(
    layer: HttpLayer, child: Layer | HttpStream, event: events.Event
) -> CommandGenerator[None]:
    # What goes to a stream was received; what goes to a connection is sent.
    if _masked and isinstance(event, _SENT) and not isinstance(child, HttpStream):
        stream = layer.streams.get(event.stream_id)
        if stream is not None and (masked := _masked.get(stream.flow)):
            event = masked.sent(event)
    return _mitmproxys(layer, child, event)
