"""The answer of a server: its head, and its body as it comes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from ...openai_api.errors import ApiError
from ..failures import AttemptFailed
from .aiohttp_errors import attempt_failed

# How long the rest of an answer is read that nobody waits for, and how much of it.
_REST_SECONDS = 1.0
_MAX_REST = 64 * 1024

type Explain = Callable[[int, bytes], ApiError]
"""Says what a status and a body that are no success mean to an app."""


class HttpAnswer:
    """An answer whose head has come. Whoever has it ends it with `finish` or `close`."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        explain: Explain,
        finishing: set[asyncio.Task[None]],
    ) -> None:
        self._response = response
        self._content = response.content
        self._finishing = finishing
        self.explain = explain
        self.status = response.status
        self.host = response.url.host or "Vast"
        #: Without its parameters, and with them.
        self.media_type = response.content_type
        self.content_type = response.headers.get("content-type", self.media_type)
        self.retry_after = retry_after_of(response)

    async def read(self) -> bytes:
        """What has come of the body since the last time, or comes next; nothing at its end.

        Raises AttemptFailed if the server breaks off, or is silent for too long.
        """
        try:
            return self._content.read_nowait() or await self._content.readany()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise attempt_failed(error, self.host, sent=True) from None

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


async def read_rest(read: Callable[[], Awaitable[bytes]], seconds: float) -> bytes:
    """What comes of an answer within so many seconds. It stops at its end, or at a failure."""
    rest = b""
    with contextlib.suppress(AttemptFailed, TimeoutError):
        async with asyncio.timeout(seconds):
            while len(rest) < _MAX_REST and (chunk := await read()):
                rest += chunk
    return rest


def retry_after_of(response: aiohttp.ClientResponse) -> float | None:
    """The header `Retry-After`, in seconds."""
    value = response.headers.get("retry-after")
    return parse_retry_after(value, datetime.now(UTC)) if value else None


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Seconds from `Retry-After` (RFC 9110, section 10.2.3), or None if it is neither of its forms.

    >>> parse_retry_after("120", datetime.now(UTC))
    120.0
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max((date - now).total_seconds(), 0.0)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None  # the email package raises all of these
