"""Vast's OpenAI interface: one URL for an endpoint, Vast does the rest (FACTS V1)."""

import io
import ssl
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import aiohttp
import certifi
from multidict import CIMultiDict
from yarl import URL

from .. import __version__
from ..openai_api.errors import misconfigured
from ..openai_api.operations import Operation
from ..openai_api.requests import GenerationRequest
from .call import Call, Generate
from .failures import describe_failure

# A generation may take minutes before its first byte. SDKs give up after 600 seconds, too.
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=600)

_MAX_CONNECTIONS = 1_000
_KEEP_ALIVE = 60  # seconds that an idle connection is kept

# aiohttp copies larger bytes in one go, which would hold up other calls; it reads files in pieces.
_LARGE_BODY = 512 * 1024


class OpenAIInterface:
    """Sends calls to `openai_url`, over connections that all apps share."""

    def __init__(self, timeout: aiohttp.ClientTimeout = TIMEOUT) -> None:
        self._tls: dict[Path | None, ssl.SSLContext] = {}
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_MAX_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            trace_configs=[trace],
            # Only what is named below, so that nothing of the app reaches Vast.
            skip_auto_headers={"accept", "accept-encoding", "content-type", "user-agent"},
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def send(
        self, call: Call, work: Generate, request: GenerationRequest, accept: str
    ) -> aiohttp.ClientResponse:
        """The head of Vast's answer, whatever its status. Raises ApiError."""
        config = call.config
        endpoint = work.endpoint or config.endpoint_for(call.outcome.model)
        if endpoint is None:
            raise misconfigured(
                f"No Vast endpoint is set for the model {call.outcome.model!r}: set VAST_ENDPOINT,"
                " or vast.endpoint or a route in the configuration, to the name of your endpoint.",
                "vast_endpoint_missing",
            )
        if config.api_key is None:
            raise misconfigured(
                f"There is no Vast API key: {config.api_key_problem}. Set VAST_API_KEY, or"
                " vast.api_key in the configuration, and start again.",
                "vast_key_missing",
            )
        url = _url(config.openai_url, endpoint, work.operation)
        call.outcome.endpoint = endpoint
        call.outcome.url = str(url)
        headers = CIMultiDict(
            {
                "accept": accept,
                "authorization": f"Bearer {config.api_key.reveal()}",
                "content-type": "application/json",
                "user-agent": f"vast-intercept/{__version__}",
                "x-request-id": call.request_id,
            }
        )
        try:
            return await self._post(url, headers, request.body, config.ca_file)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise describe_failure(error, url.host or "") from None

    async def _post(
        self, url: URL, headers: CIMultiDict[str], body: bytes, ca_file: Path | None
    ) -> aiohttp.ClientResponse:
        reuse = SimpleNamespace(happened=False)
        while True:
            try:
                return await self._session.post(
                    url,
                    headers=headers,
                    data=body if len(body) < _LARGE_BODY else io.BytesIO(body),
                    allow_redirects=False,
                    ssl=self._tls_context(ca_file),
                    trace_request_ctx=reuse,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                # The far end may close an idle connection just when it is used again: nothing was
                # answered, and the call goes out once more (RFC 9112, section 9.3.1).
                if not reuse.happened or isinstance(error, aiohttp.ClientConnectorError):
                    raise
                reuse.happened = False

    def _tls_context(self, ca_file: Path | None) -> ssl.SSLContext:
        if ca_file not in self._tls:
            try:
                # The machine's CAs and certifi's: some Pythons know none of the machine's.
                context = ssl.create_default_context()
                context.load_verify_locations(certifi.where())
                if ca_file:
                    context.load_verify_locations(ca_file)
            except (OSError, ssl.SSLError) as error:
                raise misconfigured(
                    f"vast.ca_file: {ca_file} has no usable certificates: {error}.",
                    "configuration_invalid",
                ) from None
            self._tls = {ca_file: context}
        return self._tls[ca_file]


async def _note_reuse(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    del session, params
    context.trace_request_ctx.happened = True


@lru_cache(maxsize=256)
def _url(openai_url: str, endpoint: str, operation: Operation) -> URL:
    return URL(f"{openai_url}/{quote(endpoint, safe='')}/v1/{operation}", encoded=True)
