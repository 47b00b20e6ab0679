"""One call that generates text: from the app's body to the last byte of its answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from ...bridges.bridge import AppEvents, Bridge, Record
from ...bridges.native import NativeEvents, read_native
from ...bridges.plain import PlainEvents
from ...config import Route
from ...openai_api.content_coding import request_too_large
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway
from ...openai_api.operations import BRIDGED, Operation
from ...openai_api.outline import Buffer, needs_outline
from ...openai_api.prompt import beginning_of_prompt
from ...openai_api.reasoning import with_both_names
from ...openai_api.requests import outline_of, read_request
from ...openai_api.sse import EVENT_STREAM
from ..call import Call
from ..failures import internal_error
from ..progress import Progress
from ..retrying.answer_start import StartedAnswer
from ..retrying.dispatch import Dispatcher
from ..stored_responses.stores import StoredResponses
from ..turns import Turns
from ..upstreams.base import UpstreamAnswer, UpstreamRequest
from ..work import AnswerHere, Generating, Refuse, ToProvider
from .app_body import read_body
from .bridging import bridge_for, plain_events
from .event_stream import EventStream
from .whole_answer import JSON, check_content_type, read_whole

type Headers = dict[str, str]

_SLICE = 64 * 1024


@dataclass(slots=True, eq=False)
class Generation:
    """Answers one call, and can be told to end it."""

    _progress: Progress
    _dispatcher: Dispatcher
    _request: web.BaseRequest
    _turns: Turns
    _stored: StoredResponses
    _work: Generating = field(init=False)
    #: The timeout around the current wait, if any. `end` expires it.
    _limit: asyncio.Timeout | None = field(default=None, init=False)
    _ended_with: ApiError | None = field(default=None, init=False)
    _answer: UpstreamAnswer | None = field(default=None, init=False)
    #: What the app speaks, if it is not what Vast does.
    _bridge: Bridge | None = field(default=None, init=False)

    @property
    def _call(self) -> Call:
        """What was prepared: another call, perhaps, while its body comes."""
        return self._progress.call

    def end(self, error: ApiError) -> None:
        """Ends the call where it is: what the app gets next is this error."""
        if self._limit and self._ended_with is None:
            self._ended_with = error
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def answer(self, body: Awaitable[Buffer | None], headers: Headers) -> web.StreamResponse:
        """The answer, or the stream that has been sent. Raises ApiError while nothing was sent.

        `body` is None if it is too large. `headers` are those of the answer, and get some more.
        """
        received = await self._received(body)
        if not isinstance(work := self._call.work, Generating):
            # The call was changed in mitmproxy while its body came.
            return answered_here(self._progress, headers)
        self._work = work
        if self._call.body is not None:
            received = self._call.body
        if received is None:
            raise request_too_large(self._call.max_body)
        sent = await self._read(received)
        total = self._call.config.timeout.total
        deadline = asyncio.get_running_loop().time() + total
        stream = None
        if sent.generation.stream:
            stream = EventStream(self._request, headers, self._progress, self._events(), self._keep)
        try:
            if stream is None:
                async with self._until(deadline):
                    started = await self._start(sent, deadline, headers)
                    whole = await self._whole(started, headers)
                return await self._send(started.answer.status, whole, headers)
            async with self._until(deadline) as limit:
                async with stream.kept_alive(self._call.config.keepalive):
                    started = await self._start(sent, deadline, headers)
                if self._ended_with is None:
                    limit.reschedule(None)  # from now on it only must not fall silent
                self._use(stream, started, headers)
                await stream.send(started)
        except (ApiError, TimeoutError) as error:
            failure = error if isinstance(error, ApiError) else self._out_of_time(total)
            if not (stream and stream.out):
                raise failure from None
            await self._fail(stream, failure)
        except ConnectionError:  # of the app: those of Vast have become an ApiError
            if not (stream and stream.out):
                raise
        except Exception as error:  # whatever happens, a stream ends with an event
            if not (stream and stream.out):
                raise
            await self._fail(stream, internal_error(error, self._call.request_id))
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

    def _use(self, stream: EventStream, started: StartedAnswer, headers: Headers) -> None:
        """Makes the stream one of this answer. Raises ApiError (502) if that is no stream."""
        check_content_type(started.answer, EVENT_STREAM)
        headers["content-type"] = started.answer.content_type
        if self._progress.is_with_provider:
            stream.events = self._events()

    async def _fail(self, stream: EventStream, failure: ApiError) -> None:
        """Ends a stream that has begun."""
        if stream.over:
            await stream.end()  # the app has all that matters, or is about to
        else:
            self._progress.fail(failure)
            await stream.fail(failure)

    @asynccontextmanager
    async def _until(self, deadline: float | None) -> AsyncIterator[asyncio.Timeout]:
        """A wait that `end` can end. Raises TimeoutError at the deadline, and then."""
        async with asyncio.timeout_at(deadline) as limit:
            self._limit = limit
            try:
                yield limit
            finally:
                self._limit = None

    async def _received(self, body: Awaitable[Buffer | None]) -> Buffer | None:
        """The app's body, without a time limit. Raises the ApiError that `end` was given."""
        try:
            async with self._until(None):
                return await body
        except TimeoutError:
            assert self._ended_with
            raise self._ended_with from None

    async def _read(self, body: Buffer) -> UpstreamRequest:
        """Raises ApiError (400, 413) for what cannot go to Vast."""
        headers = self._request.headers
        body, outline = await read_body(body, headers, self._call, self._turns)
        original = body if self._call.provider else b""
        operation = self._work.operation
        if self._is_native:
            wanted = read_native(body)
        else:
            self._bridge = await bridge_for(
                operation,
                body,
                outline,
                self._call,
                plain=self._plain_events,
                stored=self._stored,
                turns=self._turns,
            )
            if self._bridge:
                operation, body = Operation.CHAT_COMPLETIONS, self._bridge.chat
                outline = await self._turns.take(outline_of(body)) if needs_outline(body) else None
            wanted = read_request(operation, body, outline, self._roles_for)
        shown = self._call.config.inspect.show_prompts
        renamed = not self._is_native and bool(self._roles_for(wanted.model))
        self._progress.read(
            model=self._work.model or wanted.model,
            stream=wanted.stream,
            left_out=wanted.left_out + (self._bridge.left_out if self._bridge else ()),
            prompt=beginning_of_prompt(outline.text if outline else body) if shown else None,
            sent=wanted.pieces if self._bridge or renamed else None,
        )
        accept = headers.get("accept") or (EVENT_STREAM if wanted.stream else JSON)
        return UpstreamRequest(self._progress, operation, wanted, original, accept)

    @property
    def _is_native(self) -> bool:
        """Whether the app's provider answers in an API that is not that of chat completions."""
        with_provider = self._progress.is_with_provider or isinstance(self._work, ToProvider)
        return with_provider and self._work.operation in BRIDGED

    def _events(self) -> AppEvents:
        """What makes of the events that come those that the app gets."""
        if self._is_native:
            return NativeEvents(self._work.operation, self._call.request_id)
        if self._bridge and not self._progress.is_with_provider:
            return self._bridge.events()
        return self._plain_events()

    def _plain_events(self) -> PlainEvents:
        both_names = self._both_names_of_reasoning()
        return plain_events(self._work.operation, self._progress, both_names=both_names)

    async def _keep(self, record: Record) -> None:
        """Keeps what the app may come back to. Raises ApiError if that fails."""
        await self._stored.keep(self._call, record)

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

    def _route_for(self, model: str | None) -> Route | None:
        """The configuration's, unless the path names an endpoint: that wins over routes."""
        return None if self._work.endpoint else self._call.config.route_for(model)

    def _both_names_of_reasoning(self) -> bool:
        route = self._route_for(self._progress.model)
        return route is not None and route.reasoning == "both"

    def _roles_for(self, model: str | None) -> Mapping[str, str]:
        route = self._route_for(self._work.model or model)
        return route.roles if route else {}

    async def _whole(self, started: StartedAnswer, headers: Headers) -> Buffer:
        whole = await read_whole(started, self._call, self._turns)
        headers["content-type"] = started.answer.content_type
        self._progress.end_whole(whole.usage, whole.model)
        body = await self._turns.take(self._progress.keys.redact_in_steps(whole.body))
        if self._both_names_of_reasoning() and not self._is_native:
            body = with_both_names(body)
        if self._bridge and not self._progress.is_with_provider:
            answer = self._bridge.answer(body)
            if answer.record:
                await self._keep(answer.record)
            return answer.body
        return body

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

    def _out_of_time(self, total: float) -> ApiError:
        # How attempts failed says more than that there was no time for another one.
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
