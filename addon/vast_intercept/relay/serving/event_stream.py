"""A stream of events to an app: something while it waits, what the worker says, and an end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from ...bridges.bridge import AppEvents, Record
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway
from ...openai_api.sse import EVENT_STREAM
from ..failures import AttemptFailed
from ..http_client import read_rest
from ..progress import Progress
from ..retrying.answer_start import LOOK, StartedAnswer
from .whole_answer import check_content_type

# How long `[DONE]` waits for the end of Vast's stream, in seconds.
_MOMENT = 0.15


@dataclass(slots=True, eq=False)
class EventStream:
    """The answer to a streamed call: a `Stream` of events.

    `new_events` gives what makes of the events that come those that the app gets. It is asked in
    the beginning, and again if it is the app's own provider that answers. `keep` is awaited with
    what is to be kept of a complete answer, before the app has the end of it; None if nobody comes
    back to it.
    """

    _request: web.BaseRequest
    _headers: Mapping[str, str]
    _progress: Progress
    _new_events: Callable[[], AppEvents]
    _keep: Callable[[Record], Awaitable[None]] | None = None
    #: What the server is to be given back in the end.
    out: web.StreamResponse | None = field(default=None, init=False)
    #: All of the answer has come; of it, `_last` is still to be sent.
    _over: bool = field(default=False, init=False)
    _last: bytes = field(default=b"", init=False)
    _events: AppEvents = field(init=False)

    def __post_init__(self) -> None:
        self._events = self._new_events()

    async def _begin(self, content_type: str = EVENT_STREAM) -> web.StreamResponse:
        if self.out is None:
            headers = {"content-type": content_type, **self._headers}
            out = self.out = web.StreamResponse(headers=headers)
            out.enable_chunked_encoding()
            self._progress.begin_stream()
            await out.prepare(self._request)
        return self.out

    @asynccontextmanager
    async def kept_alive(self, seconds: float) -> AsyncIterator[None]:
        """Sends something to the app each time that so many seconds have passed in the block.

        Nothing is sent, and not even the head, if the block is faster than that, or `seconds` is 0.
        """
        if not seconds:
            yield
            return
        finished = asyncio.Event()
        senders: list[asyncio.Task[None]] = []

        def begin() -> None:
            senders.append(
                asyncio.create_task(self._repeat(seconds, self._events.keep_alive(), finished))
            )

        timer = asyncio.get_running_loop().call_later(seconds, begin)
        try:
            yield
        except asyncio.CancelledError:
            # The app has left, or the time is up: what is being written need not get there.
            for task in senders:
                task.cancel()
            raise
        finally:
            timer.cancel()
            finished.set()
            for task in senders:
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await task

    async def _repeat(self, seconds: float, chunk: bytes, finished: asyncio.Event) -> None:
        out = await self._begin()
        while not finished.is_set():
            await out.write(chunk)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await finished.wait()

    async def send(self, started: StartedAnswer) -> None:
        """Sends the events on as they arrive. Raises ApiError if they are none, or break off.

        Only whole events are sent, so that `fail` can add one of its own.
        """
        check_content_type(started.answer, EVENT_STREAM)
        if self._progress.is_with_provider:
            self._events = self._new_events()
        out = await self._begin(started.answer.content_type)
        feed = self._events.feed
        stream = started.stream
        read = started.read
        ready, rest = started.first, started.rest
        progress = self._progress
        clock = progress.clock
        last = progress.first_byte_at or clock()
        while not stream.over:
            if ready:
                if for_app := feed(ready):
                    await out.write(for_app)
                progress.events = stream.events
            if rest:
                chunk = rest
                await asyncio.sleep(0)  # other calls have their turn
            else:
                try:
                    chunk = await read()
                except AttemptFailed as failed:
                    self._ended(started, failed.error)
                    break
                progress.last_byte_at = now = clock()
                progress.longest_gap = max(progress.longest_gap, now - last)
                last = now
                if not chunk:
                    self._ended(started)
                    break
            rest = chunk[LOOK:]
            ready = stream.feed(chunk[:LOOK] if rest else chunk)
        else:
            await self._hold(out, started, ready)
        await self.end()

    def _ended(self, started: StartedAnswer, failure: ApiError | None = None) -> None:
        """Raises ApiError if the bytes end, or break off with a failure, before the answer does."""
        stream = started.stream
        last = stream.end()
        if not stream.over and (failure or not stream.finished):
            early = "The stream ended before the answer was complete."
            raise failure or bad_gateway(early, ErrorCode.VAST_DISCONNECTED)
        # What a failure took of the last event is the blank line.
        self._note(started, last + b"\n\n" if failure else last)

    async def _hold(self, out: web.StreamResponse, started: StartedAnswer, last: bytes) -> None:
        """Keeps `[DONE]`, or another last event, back until the stream ends, for a moment at most.

        Apps leave as soon as they have it (FACTS M40). If Vast has ended the stream by then, the
        next call finds the connection free. An error, and what comes with it, is kept back as well.
        """
        stream = started.stream
        text = stream.end_begins(last)
        self._note(started, last[text:])
        if text and (for_app := self._events.feed(last[:text])):
            await out.write(for_app)
        rest = await read_rest(started.read, _MOMENT)
        if not stream.done:
            self._last += stream.feed(rest)  # `[DONE]` behind an error

    def _note(self, started: StartedAnswer, last: bytes) -> None:
        """All of the answer has come, and these bytes of it are still to be sent."""
        stream = started.stream
        error = started.explain(stream.error) if stream.error is not None else None
        self._progress.end_stream(stream.usage, stream.events, error)
        self._last = last
        self._over = True

    async def end(self) -> None:
        """Sends what is still to be sent of an answer that is over."""
        out = await self._begin()
        last, self._last = self._last, b""
        last = self._events.feed(last) if last else b""
        ended = self._events.end(self._progress.error)
        if self._events.failure and self._progress.error is None:
            self._progress.fail(self._events.failure)  # the app has got it as well
        try:
            if self._keep and (record := self._events.record):
                await self._keep(record)
        except ApiError as error:  # the app must not come back to what is not kept
            self._progress.fail(error)
            ended = self._events.fail(error)
        last += ended
        with contextlib.suppress(ConnectionError):
            if last:
                await out.write(last)
            await out.write_eof()

    async def fail(self, failure: ApiError) -> None:
        """Ends the stream with the error, or with the rest of an answer that is over."""
        if self._over:
            await self.end()  # the app has all that matters, or is about to
            return
        self._progress.fail(failure)
        out = await self._begin()
        with contextlib.suppress(ConnectionError):
            await out.write(self._events.fail(failure))
            await out.write_eof()
