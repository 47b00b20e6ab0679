"""A flow whose call the relay has: where it is sent, what it shows, and its bodies."""

from dataclasses import dataclass, field, replace

from mitmproxy import connection, http

from ..mitm.http_server import is_without_body
from ..mitm.sockets import allow_connections
from ..mitmweb.sent import keep_sent
from ..openai_api.limits import MAX_HELD
from ..relay.progress import Progress
from ..relay.serving.server import TOKEN_HEADER
from ..relay.work import AnswerHere
from .body_recorder import BodyRecorder
from .destination import Parts, target_of
from .identify import Judged
from .provider_call import authority_of, parts_of
from .relay_headers import answer_for_app, request_for_relay

_TOKEN = TOKEN_HEADER.encode()
# Connections to the relay of one client over HTTP/2: each of its calls takes one.
_MAX_STREAMS = 1_000


@dataclass(slots=True)
class RelayedCall:
    """A call from its preparation in the relay until the app has its answer."""

    flow: http.HTTPFlow
    token: str
    progress: Progress
    #: What the call was judged by, to notice when it has been changed.
    judged: Judged
    #: Where the app sent the call, or where a person who edited it did.
    original: Parts
    relay: tuple[str, int]
    #: How many bytes the flow keeps of a body that is streamed. A longer one is not kept at all.
    kept: int
    #: The app's own request. The flow shows it except while mitmproxy sends to the relay.
    request: http.Request = field(init=False)
    #: The answer that another addon gave while the body was still coming.
    answer: http.Response | None = field(default=None, init=False)
    #: mitmproxy was told to send the call to the relay.
    pointed: bool = field(default=False, init=False)
    #: The answer has come.
    _begun: bool = field(default=False, init=False)
    _request_body: BodyRecorder | None = field(default=None, init=False)
    _response_body: BodyRecorder | None = field(default=None, init=False)
    #: The URL that the flow shows now.
    _shown: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.request = self.flow.request

    def point_at_relay(self, *, streamed: bool = False) -> None:
        """Makes mitmproxy send the call to the relay, even if it has an upstream proxy (FACTS M6).

        `streamed`: the body is sent as it comes. The relay reads no more than the limit.
        """
        flow = self.flow
        asked = self.request = flow.request
        http2 = not asked.http_version.startswith("HTTP/1")
        content = None if streamed else asked.raw_content or b""
        size = declared_size(asked) if content is None else len(content)
        sent = http.Request(
            *self.relay,
            # The answer to HEAD has no body, whatever the relay makes of it.
            b"HEAD" if asked.method.upper() == "HEAD" else b"POST",
            b"http",
            b"",
            b"/",
            b"HTTP/1.1",
            http.Headers(
                request_for_relay(
                    asked.headers.fields,
                    (_TOKEN, self.token.encode()),
                    (b"transfer-encoding", b"chunked")
                    if size is None
                    else (b"content-length", b"%d" % size),
                    only=http2,  # mitmproxy uses it once (`Http1Connection.mark_done`)
                )
            ),
            content,
            None,
            asked.timestamp_start,
            asked.timestamp_end,
        )
        if streamed:
            if "expect" in asked.headers:
                sent.headers["expect"] = asked.headers["expect"]  # mitmproxy answers it
            self._request_body = BodyRecorder(self.kept, self.progress.call.share)
            sent.stream = asked.stream = self._pass_on
        flow.request = sent
        flow.server_conn = connection.Server(address=self.relay)
        self.pointed = True
        if flow.client_conn.alpn == b"h2":
            allow_connections(flow.client_conn, self.relay, _MAX_STREAMS)

    def _pass_on(self, chunk: bytes) -> bytes:
        # The head is out.
        self.show_request()
        assert self._request_body
        return self._request_body(chunk)

    def show_request(self) -> None:
        """Makes the flow show the app's request again."""
        self.flow.request = self.request

    def show_asked(self) -> None:
        """Makes a replay, which shows where it went the last time, show what the app asked for."""
        self.show_upstream()
        self.judged = replace(self.judged, target=target_of(self.request))

    def show_upstream(self) -> None:
        """Makes the flow show where the call really goes, if that is known."""
        self.show_request()
        self._keep_sent()
        url = self.progress.url or ""
        if self._shown == url:
            return
        self._shown = url
        scheme, host, port, path = parts_of(url) if url else self.original
        request = self.request
        # Past the properties, each of which would write the Host header anew.
        data = request.data
        data.scheme, data.host, data.port = scheme.encode(), host, port
        data.path = path.encode("utf-8", "surrogateescape")
        request.host_header = authority_of(scheme, host, port)

    def _keep_sent(self) -> None:
        """Gives the flow what Vast is asked, to look at, if that is not what the app asked."""
        sent = self.progress.take_sent()
        if sent is not None and sum(map(len, sent)) <= self.kept:
            keep_sent(self.flow, b"".join(sent))

    def take_answer(self) -> bool:
        """Takes the answer of another addon, which the relay gives once it has read the body.

        Returns False if no other addon has answered.
        """
        response = self.flow.response
        if response is None or self._begun:
            return False
        self.answer, self.flow.response = response, None
        work = AnswerHere(response.status_code, response.raw_content or b"")
        self.progress.prepare_again(work=work)
        return True

    def begin_answer(self) -> None:
        """Shows where the call went, and makes the answer's headers fit the app's connection."""
        self._begun = True
        self.show_upstream()
        if self.answer:
            self.flow.response = self.answer
        response, request = self.flow.response, self.request
        assert response
        response.headers.fields = answer_for_app(
            request.http_version, request.headers.fields, response.headers.fields
        )

    def stream_response(self) -> BodyRecorder:
        """Sends the answer to the app as it comes. Returns what keeps a copy."""
        assert self.flow.response
        progress = self.progress
        share, redact = progress.call.share, progress.keys.redact_bytes
        recorder = BodyRecorder(self.kept, share, progress, redact)
        self._response_body = self.flow.response.stream = recorder
        return recorder

    def stream_large_answer(self) -> None:
        """Sends a whole answer to the app as it comes if it is too large to be held."""
        assert self.flow.response
        if (declared_size(self.flow.response) or 0) > MAX_HELD:
            self.stream_response()

    def keep_request_body(self) -> None:
        """Gives the flow the body of a request that was streamed, to look at and to save."""
        if self._request_body:
            self.flow.request.data.content = self._request_body.body

    def use_changed_body(self) -> None:
        """Gives the relay the body that other addons have made of a streamed one."""
        content = self.request.raw_content
        if self._request_body and content != self._request_body.body:
            self.progress.prepare_again(body=content)

    def keep_response_body(self) -> bool:
        """Gives the flow the answer's body as far as it came. False if it was not streamed."""
        if self._response_body is None or self.flow.response is None:
            return False
        self.flow.response.data.content = self._response_body.body
        return True


def size_to_hold(request: http.Request) -> int | None:
    """How many bytes mitmproxy would hold of a request's body. None if nobody knows."""
    if request.raw_content is not None:  # of a replay
        return len(request.raw_content)
    fields = {name.lower(): value for name, value in request.headers.fields}
    if length := fields.get(b"content-length"):
        return int(length) if length.isdigit() else None
    # Without either there is no body in HTTP/1, but there may be one in HTTP/2.
    unknown = not is_without_body(request) if request.is_http2 else b"transfer-encoding" in fields
    return None if unknown else 0


def declared_size(message: http.Message) -> int | None:
    """How many bytes a message declares for its body. None if it does not say."""
    length = message.headers.get("content-length", "")
    return int(length) if length.isdecimal() else None
