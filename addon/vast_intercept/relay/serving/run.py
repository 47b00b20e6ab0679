"""What all calls that a model answers have in common: their deadline, their attempts, their end."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway
from ...openai_api.outline import Buffer
from ..call import Call
from ..failures import internal_error
from ..progress import Progress
from ..retrying.answer_start import StartedAnswer
from ..retrying.dispatch import Dispatcher
from ..turns import Turns
from ..upstreams.base import UpstreamAnswer, UpstreamRequest
from ..work import AnswerHere, Generating, Refuse

type Headers = dict[str, str]

_SLICE = 64 * 1024


class Stream(Protocol):
    """An answer that reaches the app while it comes. Once `out` is there, no other can follow."""

    #: What the server is to be given back in the end.
    out: web.StreamResponse | None

    def kept_alive(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Shows the app in the block that it is to wait, each time so many seconds have passed."""
        ...

    async def send(self, started: StartedAnswer) -> None:
        """Sends the answer as it comes. Raises ApiError if it is none, or breaks off."""

    async def fail(self, failure: ApiError) -> None:
        """Ends what was sent of an answer that has failed."""


@dataclass(slots=True, eq=False)
class Run[Received](ABC):
    """Answers one call, and can be told to end it. `Received` is the app's body, as it was read."""

    _progress: Progress
    _dispatcher: Dispatcher
    _request: web.BaseRequest
    _turns: Turns
    _work: Generating = field(init=False)
    #: The timeout around the current wait, if any. `end` expires it.
    _limit: asyncio.Timeout | None = field(default=None, init=False)
    _ended_with: ApiError | None = field(default=None, init=False)
    _answer: UpstreamAnswer | None = field(default=None, init=False)

    @abstractmethod
    async def _read(self, received: Received) -> UpstreamRequest:
        """What is sent on. Raises ApiError (400, 413) for what cannot be served."""

    @abstractmethod
    def _stream(self, headers: Headers) -> Stream | None:
        """What the answer is sent with while it comes; None if it is sent when all of it came."""

    @abstractmethod
    async def _whole(self, started: StartedAnswer, headers: Headers) -> Buffer:
        """The whole answer as the app gets it. Raises ApiError (502) for what is none."""

    @property
    def _call(self) -> Call:
        """What was prepared: another call, perhaps, while its body comes."""
        return self._progress.call

    def end(self, error: ApiError) -> None:
        """Ends the call where it is: what the app gets next is this error."""
        if self._limit and self._ended_with is None:
            self._ended_with = error
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def answer(self, body: Awaitable[Received], headers: Headers) -> web.StreamResponse:
        """The answer, or the stream that has been sent. Raises ApiError while nothing was sent.

        `headers` are those of the answer, and get some more.
        """
        received = await self._received(body)
        if not isinstance(work := self._call.work, Generating):
            # The call was changed in mitmproxy while its body came.
            return answered_here(self._progress, headers)
        self._work = work
        sent = await self._read(received)
        deadline = asyncio.get_running_loop().time() + self._call.config.timeout.total
        stream = self._stream(headers)
        keepalive = self._call.config.keepalive
        try:
            async with self._until(deadline) as limit:
                async with stream.kept_alive(keepalive) if stream else nullcontext():
                    started = await self._start(sent, deadline, headers)
                if stream and not stream.out and self._is_whole(started):
                    stream = None
                if stream:
                    if self._ended_with is None:
                        limit.reschedule(None)  # from now on it only must not fall silent
                    await stream.send(started)
                else:
                    whole = await self._whole(started, headers)
            if stream is None:
                return await self._send(started.answer.status, whole, headers)
        except (ApiError, TimeoutError) as error:
            failure = error if isinstance(error, ApiError) else self._out_of_time()
            if not (stream and stream.out):
                raise failure from None
            await stream.fail(failure)
        except ConnectionError:  # of the app: those of Vast have become an ApiError
            if not (stream and stream.out):
                raise
        except Exception as error:  # whatever happens, nobody may take it for the whole
            if not (stream and stream.out):
                raise
            await stream.fail(internal_error(error, self._call.request_id))
        finally:
            # The connection was given back if the answer was read to its end. If the answer is not
            # complete, it is closed: the worker then stops generating.
            if self._answer:
                if self._progress.complete:
                    self._answer.finish()
                else:
                    self._answer.close()
        assert stream.out
        return stream.out

    def _is_whole(self, started: StartedAnswer) -> bool:
        """Whether an answer is sent in one piece although the app has asked for a stream."""
        return False

    @asynccontextmanager
    async def _until(self, deadline: float | None) -> AsyncIterator[asyncio.Timeout]:
        """A wait that `end` can end. Raises TimeoutError at the deadline, and then."""
        async with asyncio.timeout_at(deadline) as limit:
            self._limit = limit
            try:
                yield limit
            finally:
                self._limit = None

    async def _received(self, body: Awaitable[Received]) -> Received:
        """The app's body, without a time limit. Raises the ApiError that `end` was given."""
        try:
            async with self._until(None):
                return await body
        except TimeoutError:
            assert self._ended_with
            raise self._ended_with from None

    async def _start(
        self, sent: UpstreamRequest, deadline: float, headers: Headers
    ) -> StartedAnswer:
        progress = self._progress
        try:
            started = await self._dispatcher.start(sent, self._work.endpoint, deadline)
        finally:
            # Names that a header cannot hold are those of paths, not of endpoints.
            endpoint = progress.endpoint_name
            if endpoint and endpoint.isascii() and endpoint.isprintable():
                headers["x-vast-endpoint"] = endpoint
            headers["x-vast-attempts"] = str(progress.attempts)
        self._answer = started.answer
        return started

    async def _send(self, status: int, body: Buffer, headers: Headers) -> web.StreamResponse:
        """Sends a whole answer; a large one in slices, since one go would hold up other calls."""
        if len(body) <= _SLICE:
            return web.Response(status=status, body=bytes(body), headers=headers)
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = len(body)
        with contextlib.suppress(ConnectionError):  # the app has left
            await response.prepare(self._request)
            for start in range(0, len(body), _SLICE):
                await response.write(memoryview(body)[start : start + _SLICE])
        return response

    def _out_of_time(self) -> ApiError:
        # How attempts failed says more than that there was no time for another one.
        total = self._call.config.timeout.total
        said = f"There was no answer within {total:g} s (vast.timeout.total)."
        late = bad_gateway(said, ErrorCode.VAST_TIMEOUT, 504)
        return self._ended_with or self._progress.failure or late


def answered_here(progress: Progress, headers: Headers) -> web.Response:
    """The answer to a call that is not for Vast. Raises ApiError if that is what it gets."""
    work = progress.call.work
    if isinstance(work, Refuse):
        raise work.error
    assert isinstance(work, AnswerHere)
    progress.begin_answer()
    return web.Response(status=work.status, body=work.body, headers={**headers, **work.headers})
