"""A flow whose call the relay has: where it goes, what it shows, the bodies that pass by."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from mitmproxy import connection, ctx, http

from ..openai_api.sse import says_done
from ..openai_api.usage import TAIL, usage_at_end
from ..relay.call import Call
from ..relay.server import TOKEN_HEADER
from .destination import Parts
from .provider_call import authority_of, parts_of
from .stream import BodyRecorder

# A connection that is to become a WebSocket gets an HTTP answer (FACTS M10), and the token is ours.
_NOT_FORWARDED = frozenset({b"connection", b"upgrade", TOKEN_HEADER.encode()})
# Of one client over HTTP/2, see _allow_many_streams.
_MAX_STREAMS = 1_000


@dataclass(slots=True)
class HandedOver:
    """From when the relay was told of a call until its answer is with the app."""

    flow: http.HTTPFlow
    token: str
    call: Call
    #: What the app asked for, or the person who edited it.
    original: Parts
    relay: tuple[str, int]
    _request_body: BodyRecorder | None = field(default=None, init=False)
    _response_body: BodyRecorder | None = field(default=None, init=False)
    #: The URL that the flow shows by now.
    _shown: str | None = field(default=None, init=False)

    def point_at_relay(self) -> None:
        """Has mitmproxy send the request there, whatever its own upstream proxy is (FACTS M6)."""
        flow, request = self.flow, self.flow.request
        self._shown = None
        # In one pass: each look-up in mitmproxy's headers walks through all of them.
        headers = {name.lower(): value for name, value in request.headers.fields}
        request.headers.fields = (
            *(field for field in request.headers.fields if field[0].lower() not in _NOT_FORWARDED),
            (TOKEN_HEADER.encode(), self.token.encode()),
        )
        if not _fits(headers, self.call.max_body, http2=request.is_http2):
            # On to the relay as it comes, which reads no more than the limit.
            self._request_body = request.stream = BodyRecorder(self.call.max_body)
            if request.is_http2 and b"content-length" not in headers:
                # mitmproxy would send the body to the relay without any framing.
                request.headers["transfer-encoding"] = "chunked"
        # Not through the properties: the Host header keeps saying what the app said.
        request.data.scheme = b"http"
        request.data.host, request.data.port = self.relay
        flow.server_conn.via = None
        if flow.client_conn.alpn == b"h2":
            _allow_many_streams(flow.client_conn, self.relay)

    def show_until_resumed(self, edited: Callable[[], None]) -> None:
        """Shows what the app asked for, and not the relay, while a person may hold the request.

        `edited` is called if the person has changed method or path.
        """
        if self._request_body:
            return  # on its way already
        self.show_upstream()
        flow, request = self.flow, self.flow.request
        before = request.method, request.path
        wait = flow.wait_for_resume

        async def wait_and_point_at_relay() -> None:
            # mitmproxy awaits it once all addons have had the request, held or not.
            await wait()  # type: ignore[no-untyped-call]
            del flow.wait_for_resume
            if flow.response or flow.error:
                return
            if (request.method, request.path) != before:
                self.original = (*self.original[:3], request.path)
                edited()
            self.point_at_relay()

        flow.wait_for_resume = wait_and_point_at_relay  # type: ignore[method-assign]

    def show_upstream(self) -> None:
        """Has the flow say where the call really goes, as far as that is known."""
        url = self.call.outcome.url or ""
        if self._shown == url:
            return
        self._shown = url
        scheme, host, port, path = parts_of(url) if url else self.original
        request = self.flow.request
        # Past the properties, each of which would write the Host header anew.
        data = request.data
        data.scheme, data.host, data.port = scheme.encode(), host, port
        data.path = path.encode("utf-8", "surrogateescape")
        request.headers.pop(TOKEN_HEADER, None)
        if request.is_http2:
            request.headers.pop("transfer-encoding", None)
        request.host_header = authority_of(scheme, host, port)

    def stream_response(self) -> BodyRecorder:
        """Has the answer go to the app as it comes. Returns what keeps it."""
        assert self.flow.response
        recorder = BodyRecorder(self.call.max_body, self.call.outcome.timing)
        self._response_body = self.flow.response.stream = recorder
        return recorder

    def keep_request_body(self) -> None:
        """Gives the flow the body of a request that was streamed, to look at and to save."""
        if self._request_body:
            self.flow.request.data.content = self._request_body.body

    def app_has_all(self) -> bool:
        """Whether the stream's closing event has passed: then it is not early to leave.

        The `openai` package does so, often before the relay has come to the stream's end. So the
        answer's usage is taken here.
        """
        body = self._response_body.body if self._response_body else None
        if body is None:
            return False
        tail = (b"\n" + body)[-TAIL:]
        if not says_done(tail):
            return False
        outcome = self.call.outcome
        outcome.usage = outcome.usage or usage_at_end(tail)
        return True

    def keep_response_body(self) -> bool:
        """The same with the answer's, as far as it came. Returns whether it was streamed."""
        if self._response_body is None or self.flow.response is None:
            return False
        self.flow.response.data.content = self._response_body.body
        return True


def _fits(headers: dict[bytes, bytes], limit: int, *, http2: bool) -> bool:
    """Whether a body of the declared length may be held; one of no declared length may not."""
    if length := headers.get(b"content-length"):
        return length.isdigit() and int(length) <= limit
    # Without either there is no body in HTTP/1, but there may be one in HTTP/2.
    return not http2 and b"transfer-encoding" not in headers


def _allow_many_streams(client: connection.Client, address: tuple[str, int]) -> None:
    """Lifts mitmproxy's limit of five connections to one address, for the relay.

    A client that speaks HTTP/2 makes all its calls over one connection, and each needs one to the
    relay: the sixth would wait until another has ended.
    """
    proxyserver = ctx.master.addons.get("proxyserver")
    handler = proxyserver.connections.get(client.id) if proxyserver else None
    if handler and address not in handler.max_conns:
        handler.max_conns[address] = asyncio.Semaphore(_MAX_STREAMS)
