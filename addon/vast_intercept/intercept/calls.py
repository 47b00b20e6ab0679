"""From an app's request to the relay, and the relay's answer back to the app."""

import asyncio
import re
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from mitmproxy import connection, ctx, http
from mitmproxy.net.http.url import hostport

from ..config import Config
from ..openai_api.errors import ApiError, misconfigured
from ..providers import Provider, find_provider
from ..relay.call import Answer, Call, Generate
from ..relay.server import TOKEN_HEADER, Relay
from .clients import invalid_api_key, name_of_client
from .decide import PassOn, decide
from .masking import api_key_of, mask_keys, mask_path
from .notes import note, note_outcome, original_url
from .settings import Settings
from .stream import BodyRecorder

# All of ASCII that a URL can hold: nothing of a path is encoded but what a flow file cannot keep.
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
# Of one client over HTTP/2, see _allow_many_streams.
_MAX_STREAMS = 1_000


@dataclass(slots=True)
class _HandedOver:
    token: str
    call: Call
    recorder: BodyRecorder | None = None


class CallInterceptor:
    """Decides what happens to a call, masks its keys, and hands it to the relay."""

    name = "vast_calls"

    def __init__(self, settings: Settings, relay: Relay) -> None:
        self._settings = settings
        self._relay = relay
        self._handed_over: dict[str, _HandedOver] = {}

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decides, masks the keys, and hands the call to the relay."""
        if flow.error:
            # mitmproxy refuses it as invalid HTTP, and does not know yet for which host it is.
            mask_keys(flow.request)
            return
        config = self._settings.refresh()
        replayed_url = original_url(flow) if flow.is_replay == "request" else None
        provider, path = _destination(flow, config.providers, replayed_url)
        if provider is None:
            return
        request = flow.request
        requested_headers = request.headers.get("access-control-request-headers", "")
        decision = decide(config, provider, request.method, path, requested_headers)
        work = decision.work
        note(
            flow,
            url=replayed_url or _url_of(request),
            provider=provider.name,
            operation=decision.operation,
        )
        if decision.operation and not replayed_url:
            work = self._check_client(flow, config) or work
        if decision.operation and self._settings.problem:
            work = misconfigured(
                f"The interceptor's configuration cannot be used. {self._settings.problem}",
                "configuration_invalid",
            )
        if isinstance(work, PassOn):
            request.stream = True
            return
        mask_keys(request)
        await self._hand_over(flow, work, config)

    def _check_client(self, flow: http.HTTPFlow, config: Config) -> ApiError | None:
        """Which app it is, kept with the flow; or the error for one that is not listed."""
        if not config.client_keys:
            return None
        key = api_key_of(flow.request)
        client = name_of_client(key, config.client_keys)
        note(flow, client=client)
        return None if client else invalid_api_key(key)

    async def _hand_over(
        self, flow: http.HTTPFlow, work: Answer | ApiError | Generate, config: Config
    ) -> None:
        """Points the flow at the relay (FACTS M6)."""
        if self._relay.address is None:
            await self._relay.start()
        assert self._relay.address
        request = flow.request
        request_id = request.headers.get("x-request-id", "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = f"req_{uuid.uuid4().hex}"
        call = Call(
            work=work,
            config=config,
            request_id=request_id,
            max_body=self._settings.max_body,
            client=flow.client_conn.peername,
        )
        token = self._relay.prepare(call)
        self._handed_over[flow.id] = _HandedOver(token, call)
        request.headers[TOKEN_HEADER] = token
        # A connection that is to become a WebSocket gets an HTTP answer (FACTS M10).
        for name in ("connection", "upgrade"):
            request.headers.pop(name, None)
        # Not through the properties: the Host header keeps saying what the app said.
        request.data.scheme = b"http"
        request.data.host, request.data.port = self._relay.address
        if flow.client_conn.alpn == b"h2":
            _allow_many_streams(flow.client_conn, self._relay.address)

    def request(self, flow: http.HTTPFlow) -> None:
        """Masks the keys of a request that was streamed on to its provider: it is out now."""
        if flow.request.raw_content is None:
            _mask_taken_over(flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Shows where the call really went, and lets the answer through as it comes."""
        assert flow.response
        handed_over = self._handed_over.get(flow.id)
        if handed_over is None:
            _mask_taken_over(flow)
            if flow.response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
                flow.response.stream = True
            return
        self._show_upstream(flow, handed_over)
        if handed_over.call.outcome.answered and "transfer-encoding" in flow.response.headers:
            handed_over.recorder = BodyRecorder(handed_over.call.max_body)
            flow.response.stream = handed_over.recorder

    def response(self, flow: http.HTTPFlow) -> None:
        """Gives the flow the body of a streamed answer, to look at and to save."""
        handed_over = self._handed_over.pop(flow.id, None)
        if handed_over is None or flow.response is None:
            return
        call = handed_over.call
        if not call.outcome.answered:
            # The relay's HTTP server refused what mitmproxy took, such as an unheard-of method.
            error = ApiError(
                400, "The request is not valid HTTP.", "invalid_request_error", "invalid_request"
            )
            call.outcome.error = error
            flow.response = http.Response.make(
                error.status,
                error.body(),
                {**error.response_headers(), "x-request-id": call.request_id},
            )
        elif handed_over.recorder:
            flow.response.data.content = handed_over.recorder.body
        note_outcome(flow, call)

    def error(self, flow: http.HTTPFlow) -> None:
        """The app left, or something failed: nothing of the call stays behind."""
        handed_over = self._handed_over.pop(flow.id, None)
        if handed_over is None:
            _mask_taken_over(flow)
            return
        self._relay.forget(handed_over.token)
        self._show_upstream(flow, handed_over)
        if handed_over.recorder and flow.response:
            flow.response.data.content = handed_over.recorder.body
        note_outcome(flow, handed_over.call)

    def _show_upstream(self, flow: http.HTTPFlow, handed_over: _HandedOver) -> None:
        url = handed_over.call.outcome.url or original_url(flow)
        if url and TOKEN_HEADER in flow.request.headers:
            del flow.request.headers[TOKEN_HEADER]
            flow.request.url = url


def _mask_taken_over(flow: http.HTTPFlow) -> None:
    """Masks the keys of a request to a provider, whatever the configuration says by now."""
    if original_url(flow):
        mask_keys(flow.request)


def _destination(
    flow: http.HTTPFlow, providers: tuple[Provider, ...], replayed_url: str | None
) -> tuple[Provider | None, str]:
    """The provider that the request is for, if any, and the path."""
    if replayed_url:
        url = urlsplit(replayed_url)
        port = url.port or (443 if url.scheme == "https" else 80)
        return find_provider(providers, [url.hostname or ""], port), url.path
    request = flow.request
    # In transparent mode the host is an address: SNI and the Host header have the name.
    hosts = [request.host, flow.client_conn.sni or "", request.pretty_host]
    return find_provider(providers, hosts, request.port), request.path


def _url_of(request: http.Request) -> str:
    """The URL that the app asked for, without the keys in it."""
    host = hostport(request.scheme, request.pretty_host, request.port)
    path = quote(mask_path(request.path), safe=_PRINTABLE, errors="surrogateescape")
    return f"{request.scheme}://{host}{path}"


def _allow_many_streams(client: connection.Client, address: tuple[str, int]) -> None:
    """Lifts mitmproxy's limit of five connections to one address, for the relay.

    A client that speaks HTTP/2 makes all its calls over one connection, and each needs one to the
    relay: the sixth would wait until another has ended.
    """
    proxyserver = ctx.master.addons.get("proxyserver")
    handler = proxyserver.connections.get(client.id) if proxyserver else None
    if handler and address not in handler.max_conns:
        handler.max_conns[address] = asyncio.Semaphore(_MAX_STREAMS)
