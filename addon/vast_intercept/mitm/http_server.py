"""mitmproxy's side towards apps, made to refuse in OpenAI's shape, and to take what is valid HTTP.

What mitmproxy's own does otherwise (FACTS M25): it answers what it refuses with a page of HTML,
loses a request that follows an empty line, crashes at trailers, and reads a head without an end.
"""

import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from weakref import WeakSet

import h2.events
import h11
from h11._readers import ChunkedReader
from mitmproxy import http
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode as HttpErrorCode,
)
from mitmproxy.proxy.layers.http._events import (
    RequestHeaders,
    RequestProtocolError,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server, StreamState

from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, bad_gateway, bad_request
from .first_bytes import MAX_HEAD, starts_http
from .http2 import AppH2Connection, hold_back
from .http_stream import AppHttpStream, IsForProvider

#: Is told of a client that does not speak HTTP, or not well, and in which way.
type Refused = Callable[[Client, str], None]

_HTTP_1_ONLY: Final = "it is no request of HTTP/1, and no other protocol was agreed on (ALPN)"
_BAD_HEAD: Final = "its head cannot be read"
_CUT_HEAD: Final = "its head was not sent to the end"
_LONG_HEAD: Final = f"its head is longer than {MAX_HEAD:,} bytes"
_LONG_LINE: Final = f"its body has a line of more than {MAX_HEAD:,} bytes between the chunks"
_MOST_TOGETHER: Final = 64 * 1024
_MAX_AHEAD: Final = 4 * 1024 * 1024
_TOO_MUCH_AHEAD: Final = f"more than {_MAX_AHEAD:,} bytes came while a request was being answered"


class AppHttpLayer(HttpLayer):
    """The HTTP layer of a connection with an app."""

    def __init__(
        self, context: Context, mode: HTTPMode, *, refused: Refused, is_for_provider: IsForProvider
    ) -> None:
        super().__init__(context, mode)
        self._refused = refused
        self._is_for_provider = is_for_provider

    def make_stream(self, stream_id: int) -> CommandGenerator[None]:
        stream = self.streams[stream_id] = AppHttpStream(
            self.context.fork(), stream_id, self._is_for_provider
        )
        yield from self.event_to_child(stream, events.Start())

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, RequestProtocolError):
            # Within a tunnel, of a client that has ended its side at once. mitmproxy's own layer
            # crashes over it.
            event = events.ConnectionClosed(self.context.client)
        if isinstance(event, events.Start):
            client = self.context.client
            # mitmproxy leaves alone what is there already: its own replays need that, too.
            if client.alpn == b"h2":
                server = _Http2Server(self.context.fork(), self._is_for_provider)
                self.connections[client] = server
                hold_back(client, self, server.h2_conn)
            elif client.transport_protocol == "tcp":
                self.connections[client] = _Http1Server(
                    self.context.fork(), self._refused, self._is_for_provider
                )
        yield from sent_together(super()._handle_event(event))


def sent_together(parts: CommandGenerator[None]) -> CommandGenerator[None]:
    """Joins what is sent over one connection in a row, up to 64 KiB: each part is a system call.

    mitmproxy sends the head and the body of a message by themselves (FACTS M64).
    """
    held: commands.SendData | None = None
    for command in parts:
        if held and isinstance(command, commands.SendData):
            whole = len(held.data) + len(command.data)
            if command.connection is held.connection and whole <= _MOST_TOGETHER:
                held = commands.SendData(held.connection, held.data + command.data)
                continue
        if held:
            yield held
        held = command if isinstance(command, commands.SendData) else None
        if held is None:
            yield command
    if held:
        yield held


class _Http1Server(Http1Server):
    def __init__(self, context: Context, refused: Refused, is_for_provider: IsForProvider) -> None:
        super().__init__(context)
        self._refused = refused
        self._is_for_provider = is_for_provider

    def read_headers(self, event: events.ConnectionEvent) -> CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and not starts_http(self._without_empty_lines()):
            yield from self._refuse(400, _HTTP_1_ONLY)
            return
        for command in super().read_headers(event):
            if isinstance(command, commands.SendData):  # mitmproxy's page
                yield from self._answer(_error(400, f"The request is not valid HTTP: {_BAD_HEAD}."))
                self._refused(self.context.client, _BAD_HEAD)
            elif isinstance(command, commands.Log):  # it has the bytes, and the key that is in them
                if isinstance(event, events.ConnectionClosed):
                    self._refused(self.context.client, _CUT_HEAD)
            else:
                yield command
        if self.state == self.read_headers and len(self.buf) > MAX_HEAD:
            yield from self._refuse(431, _LONG_HEAD)

    def read_body(self, event: events.Event) -> CommandGenerator[None]:
        if type(self.body_reader) is ChunkedReader:
            self.body_reader = _AppChunkedReader()
        for command in super().read_body(event):
            if isinstance(command, commands.CloseConnection) and self._unanswered:
                yield from self._answer(_error(400, "The request's body is not valid HTTP."))
            yield command
        # What a reader of chunks leaves is the beginning of a line.
        if self.state == self.read_body and len(self.buf) > MAX_HEAD:
            yield from self._refuse(431, _LONG_LINE)
            yield ReceiveHttp(
                RequestProtocolError(self.stream_id, _LONG_LINE, HttpErrorCode.GENERIC_CLIENT_ERROR)
            )

    def wait(self, event: events.Event) -> CommandGenerator[None]:
        yield from super().wait(event)
        # Requests that are sent ahead (RFC 9112, section 9.3.2): mitmproxy would hold them all.
        if len(self.buf) > _MAX_AHEAD and self.state == self.wait:
            yield commands.CloseConnection(self.conn)
            self.state = self.done
            self._refused(self.context.client, _TOO_MUCH_AHEAD)
            yield ReceiveHttp(
                RequestProtocolError(
                    self.stream_id, _TOO_MUCH_AHEAD, HttpErrorCode.CLIENT_DISCONNECTED
                )
            )

    def send(self, event: HttpEvent) -> CommandGenerator[None]:
        if isinstance(event, ResponseProtocolError) and self._unanswered:
            status = event.code.http_status_code()
            if status is not None and self._is_for_provider(self.request):
                yield from self._answer(_error(status, event.message))
                yield commands.CloseConnection(self.conn)
                return
        yield from super().send(event)

    @property
    def _unanswered(self) -> bool:
        return self.response is None or self.response.status_code < HTTPStatus.OK

    def _without_empty_lines(self) -> bytes:
        # RFC 9112, section 2.2: "a server that is expecting to receive and parse a request-line
        # SHOULD ignore at least one empty line (CRLF) received prior to the request-line."
        received = bytes(self.buf)
        head = received.lstrip(b"\r\n")
        self.buf.maybe_extract_at_most(len(received) - len(head))
        return head

    def _refuse(self, status: int, why: str) -> CommandGenerator[None]:
        yield from self._answer(_error(status, f"The request is not valid HTTP: {why}."))
        yield commands.CloseConnection(self.conn)
        self.state = self.done
        self._refused(self.context.client, why)

    def _answer(self, error: ApiError) -> CommandGenerator[None]:
        if self.conn.state & ConnectionState.CAN_WRITE:
            headers = {**_headers(error), "connection": "close"}
            response = http.Response.make(error.status, error.body(), headers)
            yield commands.SendData(self.conn, http1.assemble_response(response))


class _AppChunkedReader(ChunkedReader):
    """Puts chunks together that are there, since mitmproxy takes its time for each, however small.

    Discards trailers, as RFC 9110, section 6.5.1 allows: mitmproxy has no use for them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ended = False

    def __call__(self, buf: Any) -> Any:
        data = bytearray()
        while not self._ended:
            event = super().__call__(buf)
            self._ended = isinstance(event, h11.EndOfMessage)
            if not isinstance(event, h11.Data):
                break
            data += event.data
        if data:
            return h11.Data(data=bytes(data))
        return h11.EndOfMessage() if self._ended else None


class _Http2Server(Http2Server):
    h2_conn: AppH2Connection

    def __init__(self, context: Context, is_for_provider: IsForProvider) -> None:
        super().__init__(context)
        self.h2_conn = AppH2Connection(self.h2_conf)
        self._is_for_provider = is_for_provider

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, ResponseProtocolError) and self._is_for_provider(None):
            status = event.code.http_status_code()
            stream = self.h2_conn.streams.get(event.stream_id)
            if (
                status is not None
                and stream is not None
                and self.is_open_for_us(event.stream_id)
                and not stream.state_machine.headers_sent
            ):
                error = _error(status, event.message)
                headers = {":status": str(status), **_headers(error)}
                self.h2_conn.send_headers(event.stream_id, list(headers.items()))
                self.h2_conn.send_data(event.stream_id, error.body(), end_stream=True)
                yield commands.SendData(self.conn, self.h2_conn.data_to_send())
                return
        yield from super()._handle_event(event)

    def handle_h2_event(self, event: h2.events.Event) -> CommandGenerator[bool]:
        if isinstance(event, h2.events.TrailersReceived):
            return False  # discarded, see _AppChunkedReader
        if isinstance(event, h2.events.StreamReset):
            # One that came together with the end of its request: mitmproxy has forgotten the
            # stream by now, but not the call (FACTS M37).
            self.streams.setdefault(event.stream_id, StreamState.HEADERS_RECEIVED)
        parsing = super().handle_h2_event(event)
        if not (isinstance(event, h2.events.RequestReceived) and event.stream_ended):
            return (yield from parsing)
        while True:
            try:
                command = next(parsing)
            except StopIteration as end:
                return bool(end.value)
            if isinstance(command, ReceiveHttp) and isinstance(command.event, RequestHeaders):
                _without_body.add(command.event.request)
            yield command


_without_body: WeakSet[http.Request] = WeakSet()


def is_without_body(request: http.Request) -> bool:
    """Whether a request of HTTP/2 has ended with its head. HTTP/1 says so in the head."""
    return request in _without_body


def _error(status: int, message: str) -> ApiError:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return bad_gateway(
            f"The provider cannot be reached: {message}", ErrorCode.BAD_GATEWAY, status
        )
    too_large = status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return bad_request(
        message,
        ErrorCode.REQUEST_TOO_LARGE if too_large else ErrorCode.INVALID_REQUEST,
        None,
        status,
    )


def _headers(error: ApiError) -> dict[str, str]:
    return {**error.response_headers(), "x-request-id": f"req_{uuid.uuid4().hex}"}
