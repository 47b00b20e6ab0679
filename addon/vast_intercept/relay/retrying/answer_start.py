"""How an answer begins: with something of it, or with an error, whatever its status says."""

import asyncio
import contextlib
import re
from dataclasses import dataclass, field, replace

from ...bridges.native import NativeStream
from ...openai_api.answer_stream import AnswerStream, has_only_error
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway, error_of_event
from ...openai_api.operations import SERVED_BY_VAST
from ...openai_api.sse import EVENT_STREAM
from ...secret import StreamMask
from ..failures import BUSY_STATUSES, GAVE_UP_STATUS, RETRIED_STATUSES, AttemptFailed
from ..memory import Share
from ..progress import Progress
from ..upstreams.base import UpstreamAnswer

# How long a stream's first events are held that have no text. An engine that fails at once sends an
# error behind them, and then another worker may still answer.
_MOMENT = 0.1  # seconds
# What vLLM says within an answer when its engine died, which the call may have brought about.
_ENGINE_FAILED = 500
_ERROR_FIRST = re.compile(rb'\s*\{\s*"error"\s*:')
# Audio is sent on at its first byte.
_MAY_BE_ERROR = re.compile(rb"\s*(?:\{|\Z)")
_ENOUGH_TO_SEE_IT = 64  # bytes: they may come one by one

# No more of an error is read.
_MAX_ERROR = 64 * 1024

#: How much of a stream is looked at in one go: no more than takes a few milliseconds.
LOOK = 16 * 1024


@dataclass(frozen=True, slots=True)
class StartedAnswer:
    """A success of which the first bytes are there."""

    answer: UpstreamAnswer
    #: What was read of it; of a stream, whole events, and what was not looked at.
    first: bytes
    rest: bytes = b""
    stream: AnswerStream = field(default_factory=AnswerStream)
    #: Has seen `first` and `rest` of a stream of events, and of other answers nothing.
    mask: StreamMask = field(default_factory=StreamMask)

    async def read(self) -> bytes:
        """The next bytes without keys; none at the end. Raises AttemptFailed."""
        return await _read_masked(self.answer, self.mask)

    def explain(self, error: bytes) -> ApiError:
        """What an error within the answer means to an app."""
        return self.answer.explain(*error_of_event(error))


async def wait_for_first_bytes(
    answer: UpstreamAnswer, progress: Progress, *, stream: bool
) -> StartedAnswer:
    """Raises AttemptFailed or ApiError unless a success has begun.

    Nothing of an answer is there before its first byte, whatever the head says. `stream` says that
    the app has asked for a stream.
    """
    call = progress.call
    if not 200 <= answer.status < 300:
        raise await _read_error(answer, call.share)
    if stream and answer.media_type == EVENT_STREAM:
        native = progress.is_with_provider and call.operation not in SERVED_BY_VAST
        made = NativeStream() if native else AnswerStream()
        started = await _stream(answer, made, progress.keys.in_stream())
    else:
        started = await _whole(answer, call.share, progress.keys.in_stream())
    progress.first_byte(started.stream.model or None)
    answer.limit_silence(call.config.timeout.between_bytes)
    return started


async def read_body(
    answer: UpstreamAnswer, limit: int, share: Share, first: bytes = b""
) -> bytearray:
    """The whole body, or its beginning if it is larger than `limit` bytes. `first` was read before.

    Raises AttemptFailed if it is broken off, and ApiError if calls hold too much already.
    """
    body = bytearray(first)  # it grows in place: to join many pieces would hold up other calls
    while len(body) <= limit and (piece := await answer.read()):
        share.take(len(piece))
        body += piece
    return body


async def _read_error(answer: UpstreamAnswer, share: Share) -> Exception:
    """What an answer means whose status is not that of a success."""
    body = b""  # the status says enough
    with contextlib.suppress(AttemptFailed, ApiError):
        body = bytes(await read_body(answer, _MAX_ERROR, share))
    error = answer.explain(answer.status, body)
    error = replace(error, retry_after=answer.retry_after or error.retry_after)
    return _failed(answer.status, error, retry_after=answer.retry_after)


async def _read_masked(answer: UpstreamAnswer, mask: StreamMask) -> bytes:
    while chunk := await answer.read():
        if masked := mask.feed(chunk):
            return masked
    return mask.end()


async def _stream(answer: UpstreamAnswer, stream: AnswerStream, mask: StreamMask) -> StartedAnswer:
    chunk = await _read_masked(answer, mask)
    ready = stream.feed(chunk[:LOOK])
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_MOMENT):
            while 0 < len(chunk) <= LOOK and len(ready) < LOOK and not stream.telling:
                chunk = await _read_masked(answer, mask)
                ready += stream.feed(chunk[:LOOK])
    if not chunk:
        ready += stream.end()
    if stream.error is not None and not stream.said:
        raise _error_in(stream.error, answer)
    if not chunk and not stream.telling:
        raise _not_begun(answer)
    return StartedAnswer(answer, ready, chunk[LOOK:], stream, mask)


def _not_begun(answer: UpstreamAnswer) -> AttemptFailed:
    said = f"{answer.host!r} ended the stream before it began."
    return AttemptFailed(bad_gateway(said, ErrorCode.VAST_DISCONNECTED), lost=True)


async def _whole(answer: UpstreamAnswer, share: Share, mask: StreamMask) -> StartedAnswer:
    first = b""
    while _MAY_BE_ERROR.match(first) and len(first) < _ENOUGH_TO_SEE_IT:
        if not (chunk := await answer.read()):
            break
        first += chunk
    if not first and answer.is_cut:
        raise _not_begun(answer)
    if _ERROR_FIRST.match(first):
        first = bytes(await read_body(answer, _MAX_ERROR, share, first))
        if has_only_error(first):
            raise _error_in(first, answer)
    return StartedAnswer(answer, first, mask=mask)


def _error_in(body: bytes, answer: UpstreamAnswer) -> Exception:
    """What an answer means that has an error although its status is that of a success."""
    status, error = error_of_event(body)
    return _failed(status, answer.explain(status, error), lost=status == _ENGINE_FAILED)


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
