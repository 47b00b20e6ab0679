"""A light HTTP/1.1 client over TLS: light, because it shares the cores with what it measures.

It keeps what it reads, with the time of each read, and looks at the content only when it is asked
to: after the clock has stopped.
"""

import asyncio
import re
import ssl
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from time import perf_counter

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)
# The last chunk. No JSON contains it, so it is in no body of OpenAI's API.
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class BadAnswerError(Exception):
    """An answer is not the expected one, which makes the benchmark worthless."""


@dataclass(slots=True)
class Answer:
    """The bytes of an answer as they arrived: what each read got, and when."""

    sent_at: float
    reads: list[tuple[float, bytes]] = field(default_factory=list)
    head_end: int = 0
    chunked: bool = False

    @property
    def done_at(self) -> float:
        """The time at which the last byte arrived."""
        return self.reads[-1][0]

    def check_status(self) -> None:
        """Raises BadAnswerError unless the status is 200."""
        raw = self._raw()
        if not raw.startswith(b"HTTP/1.1 200 "):
            raise BadAnswerError(raw[:2000].decode(errors="replace"))

    def body(self) -> bytes:
        """The body, without the framing of chunks."""
        return b"".join(piece for _, piece in self._pieces(self._raw()))

    def events(self) -> list[tuple[float, bytes]]:
        """The server-sent events, each with the time at which its last byte arrived."""
        pieces = list(self._pieces(self._raw()))
        starts_in_raw = [start for start, _ in pieces]
        starts_in_body = [0, *accumulate(len(piece) for _, piece in pieces)]
        ends_of_reads = list(accumulate(len(data) for _, data in self.reads))
        body = b"".join(piece for _, piece in pieces)
        events = []
        start = 0
        while (end := body.find(b"\n\n", start)) >= 0:
            last = end + 1
            index = bisect_right(starts_in_body, last) - 1
            place = starts_in_raw[index] + last - starts_in_body[index]
            events.append((self.reads[bisect_right(ends_of_reads, place)][0], body[start:end]))
            start = end + 2
        return events

    def _raw(self) -> bytes:
        return b"".join(data for _, data in self.reads)

    def _pieces(self, raw: bytes) -> Iterator[tuple[int, bytes]]:
        """The pieces of the body, each with its position in the bytes that were read."""
        if not self.chunked:
            yield self.head_end, raw[self.head_end :]
            return
        position = self.head_end
        while True:
            end_of_line = raw.index(b"\r\n", position)
            size = int(raw[position:end_of_line].partition(b";")[0], 16)
            if size == 0:
                return
            start = end_of_line + 2
            yield start, raw[start : start + size]
            position = start + size + 2


class Connection(asyncio.Protocol):
    """A connection that makes one call at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answered: asyncio.Future[Answer] | None = None
        self._answer = Answer(0)
        self._size = 0
        self._due: int | None = None  # size of the answer, as soon as that is known
        self._tail = b""

    async def call(self, request: bytes) -> Answer:
        """Sends a request, and waits for the whole answer."""
        assert self._transport
        self._answered = asyncio.get_running_loop().create_future()
        self._size, self._due, self._tail = 0, None, b""
        self._answer = Answer(perf_counter())
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        """Starts to close the connection. `wait_closed` waits until it is closed."""
        if self._transport:
            self._transport.close()

    async def wait_closed(self) -> None:
        """Waits until the connection is closed."""
        await self._closed

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> None:
        """Starts TLS on the connection."""
        assert self._transport
        self._transport = await asyncio.get_running_loop().start_tls(
            self._transport, self, context, server_hostname=server_name
        )

    # --- asyncio.Protocol ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        answer = self._answer
        answer.reads.append((now, data))
        self._size += len(data)
        if not answer.head_end:
            self._read_head()
            if not answer.head_end:
                return
        if answer.chunked:
            self._tail = (self._tail + data)[-len(_LAST_CHUNK) :]
            complete = self._tail == _LAST_CHUNK
        else:
            complete = self._size == self._due
        if complete and self._answered and not self._answered.done():
            self._answered.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered and not self._answered.done():
            self._answered.set_exception(
                exc or BadAnswerError(f"closed in the middle of {self._answer.reads!r}")
            )
        if not self._closed.done():
            self._closed.set_result(None)

    def _read_head(self) -> None:
        answer = self._answer
        raw = b"".join(data for _, data in answer.reads)
        end = raw.find(_END_OF_HEAD)
        if end < 0:
            return
        answer.head_end = end + len(_END_OF_HEAD)
        head = raw[: answer.head_end]
        if _CHUNKED.search(head):
            answer.chunked = True
        else:
            length = _LENGTH.search(head)
            self._due = answer.head_end + (int(length[1]) if length else 0)


@dataclass(frozen=True, slots=True)
class Target:
    """Where calls go: the URL's parts, the proxy's port on this machine if any, and the key."""

    host: str
    port: int
    path: str
    ca_file: str
    api_key: str
    model: str
    proxy_port: int | None = None
    address: str = "127.0.0.1"

    def request(self, body: bytes) -> bytes:
        """The bytes of a `POST` with a JSON body, as an app would send them."""
        return (
            f"POST {self.path} HTTP/1.1\r\n"
            f"Host: {_authority(self.host, self.port)}\r\n"
            "Accept: application/json\r\n"
            f"Authorization: Bearer {self.api_key}\r\n"
            "Content-Type: application/json\r\n"
            "User-Agent: vast-intercept-bench\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def tls_context(self) -> ssl.SSLContext:
        """Prepares connections that trust `ca_file` and nothing else."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.set_alpn_protocols(["http/1.1"])
        return context

    async def connect(self, context: ssl.SSLContext) -> Connection:
        """Opens a connection that is ready for calls."""
        loop = asyncio.get_running_loop()
        if self.proxy_port is None:
            _, connection = await loop.create_connection(
                Connection, self.address, self.port, ssl=context, server_hostname=self.host
            )
            return connection
        _, connection = await loop.create_connection(Connection, "127.0.0.1", self.proxy_port)
        authority = f"{self.host}:{self.port}"
        answer = await connection.call(
            f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
        )
        answer.check_status()
        await connection.start_tls(context, self.host)
        return connection


def _authority(host: str, port: int) -> str:
    return host if port == 443 else f"{host}:{port}"
