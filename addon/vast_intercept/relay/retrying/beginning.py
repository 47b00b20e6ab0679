"""How an answer begins: with something of it, or with an error, whatever its status says."""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from ...openai_api.answer_stream import AnswerStream, has_only_error
from ...openai_api.errors import ApiError, bad_gateway, error_of_event
from ..call import Call
from ..http_client import failure, listen_on, retry_after_of
from ..serving.whole_answer import EVENT_STREAM, MAX_ERROR_BODY, Explain, read_error
from .retry import BUSY_STATUSES, GAVE_UP_STATUS, RETRIED_STATUSES, AttemptFailed

# How long a stream's first events are held that have no text. An engine that fails at once sends an
# error behind them, and then another worker may still answer.
_MOMENT = 0.1  # seconds
# What vLLM says within an answer when its engine died, which the call may have brought about.
_ENGINE_FAILED = 500
_ERROR_FIRST = re.compile(rb'\s*\{\s*"error"\s*:')
_ENOUGH_TO_SEE_IT = 64  # bytes: they may come one by one

#: How much of a stream is looked at in one go: no more than takes a few milliseconds.
LOOK = 16 * 1024


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer that has begun."""

    upstream: aiohttp.ClientResponse
    #: What was read of it; of a stream, whole events, and what was not looked at.
    first: bytes
    rest: bytes = b""
    stream: AnswerStream = field(default_factory=AnswerStream)
    #: What an error within the answer means to an app.
    explain: Callable[[bytes], ApiError] = field(kw_only=True)

    @property
    def host(self) -> str:
        """Who answers."""
        return self.upstream.url.host or "Vast"


async def begun(
    upstream: aiohttp.ClientResponse, call: Call, explain: Explain, *, stream: bool
) -> Begun:
    """Raises AttemptFailed or ApiError unless a success has begun.

    Nothing of an answer is there before its first byte, whatever the head says.
    """
    if not 200 <= upstream.status < 300:
        error = await read_error(upstream, call, explain)
        raise _failed(upstream.status, error, retry_after=retry_after_of(upstream))

    def explain_event(body: bytes) -> ApiError:
        return explain(*error_of_event(body), call)

    try:
        if stream and upstream.content_type == EVENT_STREAM:
            beginning = await _stream(upstream, explain_event)
        else:
            beginning = await _whole(upstream, explain_event)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise failure(error, upstream.url.host or "", sent=True) from None
    call.outcome.timing.first_byte = time.perf_counter()
    listen_on(upstream, call.config.timeout.between_bytes)
    return beginning


async def _stream(upstream: aiohttp.ClientResponse, explain: Callable[[bytes], ApiError]) -> Begun:
    stream = AnswerStream()
    chunk = await upstream.content.readany()
    ready = stream.feed(chunk[:LOOK])
    with contextlib.suppress(TimeoutError):  # aiohttp's own comes again when more is read
        async with asyncio.timeout(_MOMENT):
            while 0 < len(chunk) <= LOOK and len(ready) < LOOK and not stream.telling:
                chunk = await upstream.content.readany()
                ready += stream.feed(chunk[:LOOK])
    if not chunk:
        ready += stream.end()
    if stream.error is not None and not stream.said:
        raise _error_in(stream.error, explain)
    if not chunk and not stream.telling:
        raise AttemptFailed(
            bad_gateway(
                f"{upstream.url.host!r} ended the stream before it began.", "vast_disconnected"
            ),
            lost=True,
        )
    return Begun(upstream, ready, chunk[LOOK:], stream, explain=explain)


async def _whole(upstream: aiohttp.ClientResponse, explain: Callable[[bytes], ApiError]) -> Begun:
    first = await _read_on(upstream, b"", _ENOUGH_TO_SEE_IT)
    if _ERROR_FIRST.match(first):
        first = await _read_on(upstream, first, MAX_ERROR_BODY)
        if has_only_error(first):
            raise _error_in(first, explain)
    return Begun(upstream, first, explain=explain)


async def _read_on(upstream: aiohttp.ClientResponse, first: bytes, enough: int) -> bytes:
    """`first` and what follows, until there are so many bytes, or the answer ends."""
    while len(first) < enough and (chunk := await upstream.content.readany()):
        first += chunk
    return first


def _error_in(body: bytes, explain: Callable[[bytes], ApiError]) -> Exception:
    """What an answer means that has an error although its status is that of a success."""
    status, _ = error_of_event(body)
    return _failed(status, explain(body), lost=status == _ENGINE_FAILED)


def _failed(
    status: int, error: ApiError, *, retry_after: float | None = None, lost: bool = False
) -> Exception:
    if status not in RETRIED_STATUSES:
        return error
    return AttemptFailed(
        error,
        retry_after=retry_after,
        busy=status in BUSY_STATUSES,
        lost=lost or status == GAVE_UP_STATUS,
    )
