"""mitmproxy's side towards apps, made to refuse in OpenAI's shape, and to take what is valid HTTP.

What mitmproxy's own does otherwise: it answers what it refuses with a page of HTML, loses a request
that follows an empty line, crashes at trailers, and reads a head without an end (FACTS M25). It
looks at any head, and keeps a body of any size for an answer that is there already (FACTS M53).
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
from mitmproxy.proxy.layers.http import DropStream, HttpLayer, HTTPMode, HttpStream, SendHttp
from mitmproxy.proxy.layers.http import _events as parts
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server, StreamState

from ..openai_api.error_codes import ErrorCode
from ..openai_api.error_shapes import error_body, error_headers
from ..openai_api.errors import ApiError, bad_gateway, bad_request
from ..openai_api.operations import Api
from .first_bytes import MAX_HEAD, starts_http
from .http2 import AppH2Connection, hold_back
from .sockets import reset_when_closed

#: Is told of a client that does not speak HTTP, or not well, and in which way.
type Refused = Callable[[Client, str], None]
#: Says in whose API the provider speaks that a request (or, for None, the whole connection) is
#: for. None for another host.
type ApiOf = Callable[[http.Request | None], Api | None]

_HTTP_1_ONLY: Final = "it is no request of HTTP/1, and no other protocol was agreed on (ALPN)"
_BAD_HEAD: Final = "its head cannot be read"
_CUT_HEAD: Final = "its head was not sent to the end"
_LONG_HEAD: Final = f"its head is longer than {MAX_HEAD:,} bytes"
_LONG_LINE: Final = f"its body has a line of more than {MAX_HEAD:,} bytes between the chunks"
_MOST_TOGETHER: Final = 64 * 1024
_MAX_AHEAD: Final = 4 * 1024 * 1024
_TOO_MUCH_AHEAD: Final = f"more than {_MAX_AHEAD:,} bytes came while a request was being answered"
# Each header, and each part of a path, is looked at several times. No app sends nearly as many.
_MAX_HEADERS: Final = 500
_MAX_PATH: Final = 16 * 1024
# Of a body that nobody is to have, since its request is answered already.
_MAX_UNWANTED: Final = 64 * 1024

# What tells the end of a body (RFC 9112, section 6.3).
_LENGTHS: Final = frozenset({"content-length", "transfer-encoding"})

_without_body: WeakSet[http.Request] = WeakSet()


def is_without_body(request: http.Request) -> bool:
    """Whether a request of HTTP/2 has ended with its head. HTTP/1 says so in the head."""
    return request in _without_body


def error_response(
    error: ApiError, api: Api = "openai", request_id: str | None = None, **headers: str
) -> http.Response:
    """The answer to an app that an error becomes, with these headers besides its own.

    It is worded as a provider with this API does. Without an id the request gets a new one.
    """
    id_ = request_id or f"req_{uuid.uuid4().hex}"
    fields = {**error_headers(error, api, id_), **headers}
    return http.Response.make(error.status, error_body(error, api, id_), fields)


class AppHttpLayer(HttpLayer):
    """The HTTP layer of a connection with an app."""

    def __init__(
        self, context: Context, mode: HTTPMode, *, refused: Refused, api_of: ApiOf
    ) -> None:
        super().__init__(context, mode)
        self.refused = refused
        self.api_of = api_of

    def make_stream(self, stream_id: int) -> CommandGenerator[None]:
        stream = self.streams[stream_id] = _AppHttpStream(self.context.fork(), stream_id)
        stream.api_of = self.api_of
        yield from self.event_to_child(stream, events.Start())

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        client = self.context.client
        if isinstance(event, parts.RequestProtocolError):
            # Within a tunnel, of a client that has ended its side at once. mitmproxy's own layer
            # crashes over it.
            event = events.ConnectionClosed(client)
        if isinstance(event, events.Start):
            # mitmproxy leaves alone what is there already: its own replays need that, too.
            if client.alpn == b"h2":
                self.connections[client] = server = _AppHttp2Server(self.context.fork())
                server.api_of = self.api_of
                hold_back(client, self, server.h2_conn)
            elif client.transport_protocol == "tcp":
                self.connections[client] = one = _AppHttp1Server(self.context.fork())
                one.refused, one.api_of = self.refused, self.api_of
        yield from sent_together(super()._handle_event(event))


def sent_together(yielded: CommandGenerator[None]) -> CommandGenerator[None]:
    """Joins what is sent over one connection in a row, up to 64 KiB: each part is a system call.

    mitmproxy sends the head and the body of a message by themselves (FACTS M64).
    """
    held: commands.SendData | None = None
    for command in yielded:
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


class _AppHttpStream(HttpStream):
    """Refuses a head that takes long to judge, and drops a body once its request is answered."""

    api_of: ApiOf
    _unwanted = False

    def state_wait_for_request_headers(self, event: parts.RequestHeaders) -> CommandGenerator[None]:
        request, problem = event.request, None
        if event.end_stream and request.is_http2:
            _without_body.add(request)
        if len(request.headers.fields) > _MAX_HEADERS:
            problem = f"The request has more than {_MAX_HEADERS:,} headers."
        elif len(request.data.path) > _MAX_PATH:
            problem = f"The request's path is longer than {_MAX_PATH:,} bytes."
        if problem is None or self.api_of(request) is None:
            yield from super().state_wait_for_request_headers(event)
            return
        # There is no flow of it: nobody gets to look at such a head.
        too_large = parts.ErrorCode.REQUEST_TOO_LARGE
        error = parts.ResponseProtocolError(self.stream_id, problem, too_large)
        yield SendHttp(error, self.context.client)
        yield DropStream(self.stream_id)

    def state_consume_request_body(self, event: events.Event) -> CommandGenerator[None]:
        if self.flow.response and isinstance(event, parts.RequestData):
            size = len(self.request_body_buf) + len(event.data)
            self._unwanted = self._unwanted or size > _MAX_UNWANTED
            if self._unwanted:
                self.request_body_buf.clear()
                return
        yield from super().state_consume_request_body(event)


class _AppHttp1Server(Http1Server):
    refused: Refused
    api_of: ApiOf

    def read_headers(self, event: events.ConnectionEvent) -> CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and not starts_http(self._without_empty_lines()):
            yield from self._refuse(400, _HTTP_1_ONLY)
            return
        for command in super().read_headers(event):
            if isinstance(command, commands.SendData):  # mitmproxy's page
                yield from self._answer(400, f"The request is not valid HTTP: {_BAD_HEAD}.")
                self.refused(self.context.client, _BAD_HEAD)
            elif isinstance(command, commands.Log):  # it has the bytes, and the key that is in them
                if isinstance(event, events.ConnectionClosed):
                    self.refused(self.context.client, _CUT_HEAD)
            else:
                yield command
        if self.state == self.read_headers and len(self.buf) > MAX_HEAD:
            yield from self._refuse(431, _LONG_HEAD)

    def read_body(self, event: events.Event) -> CommandGenerator[None]:
        if type(self.body_reader) is ChunkedReader:
            self.body_reader = _AppChunkedReader()
        for command in super().read_body(event):
            if isinstance(command, commands.CloseConnection) and self._unanswered:
                yield from self._answer(400, "The request's body is not valid HTTP.")
            yield command
        # What a reader of chunks leaves is the beginning of a line.
        if self.state == self.read_body and len(self.buf) > MAX_HEAD:
            yield from self._refuse(431, _LONG_LINE)
            yield self._ended(_LONG_LINE, parts.ErrorCode.GENERIC_CLIENT_ERROR)

    def wait(self, event: events.Event) -> CommandGenerator[None]:
        yield from super().wait(event)
        # Requests that are sent ahead (RFC 9112, section 9.3.2): mitmproxy would hold them all.
        if len(self.buf) > _MAX_AHEAD and self.state == self.wait:
            yield from self._close(_TOO_MUCH_AHEAD)
            yield self._ended(_TOO_MUCH_AHEAD, parts.ErrorCode.CLIENT_DISCONNECTED)

    def send(self, event: HttpEvent) -> CommandGenerator[None]:
        if isinstance(event, parts.ResponseProtocolError) and self._unanswered:
            status = event.code.http_status_code()
            if status is not None and self.api_of(self.request):
                yield from self._answer(status, event.message)
                yield commands.CloseConnection(self.conn)
                return
        broken = isinstance(event, parts.ResponseProtocolError)
        if broken and self._ends_with_connection and self.api_of(self.request):
            reset_when_closed(self.context.client)
        yield from super().send(event)

    @property
    def _ends_with_connection(self) -> bool:
        """Whether a body is on its way of which only the end of the connection is the end.

        HTTP/1.0 has no other end for what is of no known length (FACTS M68). RFC 9112, section 8:
        "a response that has neither chunked transfer coding nor Content-Length is terminated by
        closure of the connection and, if the header section was received intact, is considered
        complete unless an error was indicated by the underlying connection".
        """
        if self._unanswered or self.request is None or self.request.method == "CONNECT":
            return False
        assert self.response
        return _LENGTHS.isdisjoint(map(str.lower, self.response.headers))

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
        yield from self._answer(status, f"The request is not valid HTTP: {why}.")
        yield from self._close(why)

    def _close(self, why: str) -> CommandGenerator[None]:
        yield commands.CloseConnection(self.conn)
        self.state = self.done
        self.refused(self.context.client, why)

    def _ended(self, why: str, code: parts.ErrorCode) -> ReceiveHttp:
        return ReceiveHttp(parts.RequestProtocolError(self.stream_id, why, code))

    def _answer(self, status: int, message: str) -> CommandGenerator[None]:
        if self.conn.state & ConnectionState.CAN_WRITE:
            # Before there is a request, the connection may be one with a proxy, for any host.
            api = self.api_of(self.request) or "openai"
            response = error_response(_error(status, message), api, connection="close")
            yield commands.SendData(self.conn, http1.assemble_response(response))


class _AppChunkedReader(ChunkedReader):
    """Puts chunks together that are there, since mitmproxy takes its time for each, however small.

    Discards trailers, as RFC 9110, section 6.5.1 allows: mitmproxy has no use for them.
    """

    _ended = False

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


class _AppHttp2Server(Http2Server):
    h2_conn: AppH2Connection
    api_of: ApiOf

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.h2_conn = AppH2Connection(self.h2_conf)

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        api = self.api_of(None) if isinstance(event, parts.ResponseProtocolError) else None
        if isinstance(event, parts.ResponseProtocolError) and api:
            status, stream_id = event.code.http_status_code(), event.stream_id
            stream = self.h2_conn.streams.get(stream_id)
            if (
                status is not None
                and stream is not None
                and self.is_open_for_us(stream_id)
                and not stream.state_machine.headers_sent
            ):
                response = error_response(_error(status, event.message), api)
                headers = [(":status", str(status)), *response.headers.items()]
                self.h2_conn.send_headers(stream_id, headers)
                self.h2_conn.send_data(stream_id, response.content or b"", end_stream=True)
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
        return (yield from super().handle_h2_event(event))


def _error(status: int, message: str) -> ApiError:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        message = f"The provider cannot be reached: {message}"
        return bad_gateway(message, ErrorCode.BAD_GATEWAY, status)
    too_large = status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = ErrorCode.REQUEST_TOO_LARGE if too_large else ErrorCode.INVALID_REQUEST
    return bad_request(message, code, status=status)
