"""One request of an app and its answer, with bounds that mitmproxy does not have (FACTS M53)."""

from collections.abc import Callable

from mitmproxy import http
from mitmproxy.proxy import events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import DropStream, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestHeaders,
    ResponseProtocolError,
)

#: Says whether a request is for a provider, or (for None) all of the connection's are.
type IsForProvider = Callable[[http.Request | None], bool]

# Each header, and each part of a path, is looked at several times. No app sends nearly as many.
_MAX_HEADERS = 500
_MAX_PATH = 16 * 1024
# Of a body that nobody is to have, since its request is answered already.
_MAX_UNWANTED = 64 * 1024


class AppHttpStream(HttpStream):
    """Refuses a head that takes long to judge, and drops a body once its request is answered."""

    def __init__(self, context: Context, stream_id: int, is_for_provider: IsForProvider) -> None:
        super().__init__(context, stream_id)
        self._is_for_provider = is_for_provider
        self._unwanted = False

    def state_wait_for_request_headers(self, event: RequestHeaders) -> CommandGenerator[None]:
        problem = _too_much(event.request)
        if problem is None or not self._is_for_provider(event.request):
            yield from super().state_wait_for_request_headers(event)
            return
        # There is no flow of it: nobody gets to look at such a head.
        error = ResponseProtocolError(self.stream_id, problem, ErrorCode.REQUEST_TOO_LARGE)
        yield SendHttp(error, self.context.client)
        yield DropStream(self.stream_id)

    def state_consume_request_body(self, event: events.Event) -> CommandGenerator[None]:
        if self.flow.response and isinstance(event, RequestData):
            size = len(self.request_body_buf) + len(event.data)
            self._unwanted = self._unwanted or size > _MAX_UNWANTED
            if self._unwanted:
                self.request_body_buf.clear()
                return
        yield from super().state_consume_request_body(event)


def _too_much(request: http.Request) -> str | None:
    """Why a request's head would take too long to judge; None if it would not."""
    if len(request.headers.fields) > _MAX_HEADERS:
        return f"The request has more than {_MAX_HEADERS:,} headers."
    if len(request.data.path) > _MAX_PATH:
        return f"The request's path is longer than {_MAX_PATH:,} bytes."
    return None
