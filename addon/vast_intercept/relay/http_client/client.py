"""Connections to Vast, kept and shared by all calls, and the answers that come over them."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypedDict
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from ...config import TimeoutSection
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway
from ...openai_api.rewriting import Piece
from ..failures import BUSY_STATUSES, RETRIED_STATUSES, AttemptFailed
from . import far_clients
from .aiohttp_errors import attempt_failed, failure
from .retry_after import retry_after_of

_MAX_CONNECTIONS = 1_000
_KEEP_ALIVE = 60  # seconds that an idle connection is kept

# aiohttp writes bytes in one go: to encrypt and to copy larger ones would hold up other calls.
_LARGE_BODY = 512 * 1024
_SLICE = 64 * 1024

# What the router and the console have to say comes at once, as the SDK expects, too (FACTS V3).
_SHORT = aiohttp.ClientTimeout(total=10)

# How long the rest of an answer is read that nobody waits for, and how much of it.
_REST_SECONDS = 1.0
_MAX_REST = 64 * 1024

type Explain = Callable[[int, bytes], ApiError]
"""Says what a status and a body that are no success mean to an app."""


class ProxyOptions(TypedDict, total=False):
    """The parameters of aiohttp's requests that concern a proxy."""

    proxy: URL
    proxy_auth: aiohttp.BasicAuth


class UpstreamProxy:
    """The proxy through which Vast is reached: none, unless mitmproxy's mode is `upstream:`.

    `no_proxy` has its usual meaning.
    """

    _options = ProxyOptions()

    def use(self, url: str | None, auth: str | None) -> None:
        """Replaces the proxy. `auth` is `user:password`."""
        self._options = ProxyOptions(proxy=URL(url)) if url else ProxyOptions()
        if url and auth:
            user, _, password = auth.partition(":")
            self._options["proxy_auth"] = aiohttp.BasicAuth(user, password, "utf-8")

    def options_for(self, url: URL) -> ProxyOptions:
        """What a request to the URL needs."""
        bypassed = not self._options or proxy_bypass_environment(url.authority)
        return ProxyOptions() if bypassed else self._options


class _Body:
    """The body of an answer, which may end before its end."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self.is_cut = False

    def end(self) -> None:
        """Ends it where it is. What was received stays to be read."""
        if not self._content.is_eof() and self._content.exception() is None:
            self.is_cut = True
            self._content.feed_eof()


class HttpAnswer:
    """An answer whose head has come. Whoever has it ends it with `finish` or `close`."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        explain: Explain,
        finishing: set[asyncio.Task[None]],
        body: _Body,
    ) -> None:
        self._response = response
        self._content = response.content
        self._finishing = finishing
        self._body = body
        self.explain = explain
        self.status = response.status
        self.host = response.url.host or "Vast"
        #: Without its parameters, and with them.
        self.media_type = response.content_type
        self.content_type = response.headers.get("content-type", self.media_type)
        #: How many bytes the body has, if that is declared. One with a coding is decoded here.
        coded = "content-encoding" in response.headers
        self.content_length = None if coded else response.content_length
        self.retry_after = retry_after_of(response.headers)

    async def read(self) -> bytes:
        """What has come of the body since the last time, or comes next; nothing at its end.

        Raises AttemptFailed if the server breaks off, or is silent for too long.
        """
        try:
            return self._content.read_nowait() or await self._content.readany()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise attempt_failed(error, self.host, sent=True) from None

    @property
    def is_cut(self) -> bool:
        """Whether the body has ended before its end, over bytes that are no HTTP (FACTS V11)."""
        return self._body.is_cut

    def limit_silence(self, seconds: float) -> None:
        """From now on, silence of so many seconds ends the answer.

        aiohttp has one limit for the time before the answer and within it.
        """
        connection = self._response.connection
        # A protocol is empty, and so false, when nothing of it is to be read.
        if connection and connection.protocol is not None:
            connection.protocol.read_timeout = seconds
            connection.protocol.start_timeout()

    def finish(self) -> None:
        """Reads the rest for a moment, beside the calls: its connection can then be used again."""
        if not self._response.closed:
            task = asyncio.create_task(self._finish(), name="read the rest of an answer")
            self._finishing.add(task)
            task.add_done_callback(self._finishing.discard)

    async def _finish(self) -> None:
        try:
            await read_rest(self.read, _REST_SECONDS)
        finally:
            self.close()

    def close(self) -> None:
        """Closes the connection, unless the answer was read to its end: then it is kept."""
        self._response.close()


class HttpClient:
    """An aiohttp session that follows no redirects and sends only the headers that it is given."""

    def __init__(self, proxy: UpstreamProxy) -> None:
        self._proxy = proxy
        self._session = _session()
        #: Opens a connection for each call.
        self._not_kept = _session(keep=False)
        #: Never connects to this machine. Its connections are its own: one that another call has
        #: opened may lead anywhere.
        self._guarded = _session(far_clients.make_socket)
        #: What is read from each connection, by the future that says that it was closed.
        self._read_from: dict[asyncio.Future[None], _Body] = {}
        self._finishing: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Closes the connections."""
        for task in self._finishing:
            task.cancel()
        await asyncio.gather(*self._finishing, return_exceptions=True)
        for session in (self._session, self._not_kept, self._guarded):
            await session.close()

    async def post(
        self,
        url: URL,
        headers: Mapping[str, str],
        body: Sequence[Piece],
        tls: ssl.SSLContext,
        timeout: TimeoutSection,  # noqa: ASYNC109  (several, not one for all)
        *,
        explain: Explain,
        new_connection: bool = False,
        for_another_machine: bool = False,
        direct: bool = False,
    ) -> HttpAnswer:
        """An answer whose head has come, whatever its status. Raises AttemptFailed or ApiError.

        `body` is in pieces, which are sent one after the other. `tls` says whom to trust, if the
        URL is https. `explain` goes with the answer. A `new_connection` is for a call that a kept
        one has failed; it is not kept. A call `for_another_machine` is never sent to this one. A
        `direct` one goes through no proxy.
        """
        session = self._not_kept if new_connection else self._session
        proxy = ProxyOptions() if direct else self._proxy.options_for(url)
        if for_another_machine:
            if far_clients.names_this_machine(url):
                raise far_clients.refused(url.host or "")
            if not proxy:  # which may be on this machine, and resolves names itself
                session = self._guarded
        size = sum(map(len, body))
        slices = None
        if size >= _LARGE_BODY:
            slices = _Slices(body)
            headers = CIMultiDict(headers)  # an app may have sent one several times
            headers["content-length"] = str(size)
        try:
            response = await session.post(
                url,
                headers=headers,
                data=slices or b"".join(body),
                allow_redirects=False,
                ssl=tls,
                timeout=_client_timeout(timeout),
                **proxy,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            sent = slices is None or slices.sent  # a small one goes out in one write
            raise failure(error, url.host or "", sent=sent) from None
        received = _Body(response.content)
        self._end_with_connection(response, received)
        return HttpAnswer(response, explain, self._finishing, received)

    def _end_with_connection(self, response: aiohttp.ClientResponse, body: _Body) -> None:
        """Has the answer end when its connection does.

        aiohttp's parser in C closes a connection whose bytes are no HTTP, and does not tell who
        waits for the rest of the answer. Vast's worker sends such bytes (FACTS V11).
        """
        if not response.connection or response.connection.protocol is None:
            return  # it is there in whole already
        closed = response.connection.protocol.closed
        if closed is None:
            body.end()
            return
        if closed not in self._read_from:
            closed.add_done_callback(self._connection_closed)
        self._read_from[closed] = body

    def _connection_closed(self, closed: asyncio.Future[None]) -> None:
        if not closed.cancelled():
            closed.exception()  # taken note of: asyncio would report it otherwise
        self._read_from.pop(closed).end()

    async def ask(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        tls: ssl.SSLContext,
        *,
        limit: int,
        body: bytes | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of a short answer of at most `limit` bytes, within ten seconds.

        `tls` says whom to trust, if the URL is https. Raises AttemptFailed, also for a status that
        is worth another attempt.
        """
        asked = f"{method} {url.path}"
        try:
            async with self._session.request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                ssl=tls,
                timeout=_SHORT,
                **self._proxy.options_for(url),
            ) as response:
                received = bytearray()
                while piece := await response.content.readany():
                    received += piece
                    if len(received) > limit:
                        said = f"{url.host!r} answered with more than {limit:,} bytes to {asked}."
                        raise AttemptFailed(bad_gateway(said, ErrorCode.BAD_UPSTREAM_ANSWER))
                if response.status in RETRIED_STATUSES:
                    said = f"{url.host!r} answered with status {response.status} to {asked}."
                    raise AttemptFailed(
                        bad_gateway(said, ErrorCode.BAD_GATEWAY),
                        retry_after=retry_after_of(response.headers),
                        busy=response.status in BUSY_STATUSES,
                    )
                return response.status, bytes(received)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise failure(error, url.host or "") from None


def _session(
    make_socket: Callable[[tuple[Any, ...]], socket.socket] | None = None, *, keep: bool = True
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=_MAX_CONNECTIONS,
            force_close=not keep,
            keepalive_timeout=_KEEP_ALIVE if keep else None,
            socket_factory=make_socket,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Only what is named, so that nothing of the app reaches Vast.
        skip_auto_headers={"accept", "accept-encoding", "content-type", "user-agent"},
    )


class _Slices:
    """A large body on its way, slice by slice. `sent` says whether all of it was taken."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self.sent = False

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        for piece in self._pieces:
            view = memoryview(piece)
            for start in range(0, len(view), _SLICE):
                yield view[start : start + _SLICE]
        self.sent = True


@lru_cache(maxsize=8)
def _client_timeout(timeout: TimeoutSection) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=None, sock_connect=timeout.connect, sock_read=timeout.first_byte
    )


async def read_rest(read: Callable[[], Awaitable[bytes]], seconds: float) -> bytes:
    """What comes of an answer within so many seconds. It stops at its end, or at a failure."""
    rest = b""
    with contextlib.suppress(AttemptFailed, TimeoutError):
        async with asyncio.timeout(seconds):
            while len(rest) < _MAX_REST and (chunk := await read()):
                rest += chunk
    return rest
