"""A stream of events to an app: empty chunks while it waits, the worker's bytes, and an end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from ..openai_api.errors import ApiError, bad_gateway
from ..openai_api.sse import complete_events_end, error_event, says_done
from ..openai_api.usage import TAIL, model_at_start, usage_at_end
from .answer import EVENT_STREAM
from .call import Outcome
from .dispatch import Begun
from .failures import describe_failure

# The longest piece of an event that is held back until the rest of it is there.
_MAX_HELD = 64 * 1024


class EventStream:
    """The answer to a streamed call. `begun` once its head is out: no other answer can follow.

    `rewrite`, if there is one, makes of Vast's events those that the app gets.
    """

    def __init__(
        self,
        request: web.BaseRequest,
        headers: Mapping[str, str],
        outcome: Outcome,
        rewrite: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._request = request
        self._headers = headers
        self._outcome = outcome
        self._rewrite = rewrite
        self._out: web.StreamResponse | None = None
        #: What was sent last; at first, the start of a line.
        self._tail = b"\n"

    @property
    def begun(self) -> bool:
        """Whether the head is out."""
        return self._out is not None

    async def _begin(self) -> web.StreamResponse:
        if self._out is None:
            headers = {"content-type": EVENT_STREAM, **self._headers}
            out = self._out = web.StreamResponse(headers=headers)
            out.enable_chunked_encoding()
            self._outcome.answered = self._outcome.streamed = True
            await out.prepare(self._request)
        return self._out

    @asynccontextmanager
    async def kept_alive(self, seconds: float, chunk: Callable[[], bytes]) -> AsyncIterator[None]:
        """Sends `chunk` each time that so many seconds have passed in the block; never if 0.

        Nothing is done, and the head is not sent, if the block is faster than that.
        """
        if not seconds:
            yield
            return
        finished = asyncio.Event()
        senders: list[asyncio.Task[None]] = []

        def begin() -> None:
            senders.append(asyncio.create_task(self._repeat(seconds, chunk(), finished)))

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

    async def send(self, answer: Begun) -> None:
        """Sends the events on as they arrive, byte for byte. Raises ApiError if they break off.

        For `fail` to be able to add an event of its own then, the piece of an event that ends a
        chunk is held back until the rest of it has come.
        """
        out = await self._begin()
        rewrite = self._rewrite
        read = answer.upstream.content.readany
        host = answer.upstream.url.host or "Vast"
        chunk = answer.first
        held = b""
        self._outcome.response_model = model_at_start(chunk)
        clock = time.perf_counter
        timing = self._outcome.timing
        last = timing.first_byte or clock()
        try:
            while chunk:
                if held:
                    chunk = held + chunk
                end = complete_events_end(chunk)
                if len(chunk) - end > _MAX_HELD:
                    end = len(chunk)  # a huge event: on with what is there
                ready, held = chunk[:end], chunk[end:]
                if ready:
                    await out.write(rewrite(ready) if rewrite else ready)
                    self._tail = ready[-TAIL:] if end >= TAIL else (self._tail + ready)[-TAIL:]
                    timing.events += ready.count(b"\n\n")
                chunk = await read()
                timing.last_byte = now = clock()
                timing.longest_gap = max(timing.longest_gap, now - last)
                last = now
        except (aiohttp.ClientError, TimeoutError) as error:
            raise describe_failure(error, host) from None
        if not says_done(self._tail + held):
            raise bad_gateway(
                "Vast ended the stream before the answer was complete.", "vast_disconnected"
            )
        if held:
            await out.write(rewrite(held) if rewrite else held)
        self._outcome.usage = usage_at_end(self._tail + held)
        await out.write_eof()

    async def fail(self, error: ApiError) -> None:
        """Ends the stream with the error as its last event, if the app is still there."""
        out = await self._begin()
        whole = self._tail == b"\n" or self._tail.endswith((b"\n\n", b"\r\r", b"\r\n\r\n"))
        with contextlib.suppress(ConnectionError):
            await out.write((b"" if whole else b"\n\n") + error_event(error))
            await out.write_eof()

    @property
    def response(self) -> web.StreamResponse:
        """What the server is to be given back in the end."""
        assert self._out
        return self._out
