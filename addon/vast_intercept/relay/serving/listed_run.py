"""One call of an operation that its endpoint is said to serve: embeddings, speech, images, ..."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from ...bridges.plain import PlainEvents
from ...config import UpstreamKind
from ...listed_operations.listed_call import BytesCall, Delivery, EventsCall, ListedCall, WholeCall
from ...listed_operations.reading import read_json_call
from ...listed_operations.upload_reader import UPLOADS
from ...openai_api.content_coding import request_too_large
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway
from ...openai_api.limits import READ_AT_ONCE
from ...openai_api.outline import Buffer
from ...openai_api.rewriting import Piece
from ...openai_api.shortening import shorten_in_steps
from ...openai_api.sse import EVENT_STREAM
from ...openai_api.usage import usage_of
from ..failures import internal_error
from ..retrying.answer_start import StartedAnswer
from ..retrying.dispatch import destinations
from ..upstreams.base import UpstreamRequest
from .app_body import read_body
from .byte_stream import ByteStream
from .event_stream import EventStream
from .run import Headers, Run
from .upload import Upload, read_upload
from .whole_answer import JSON, check_content_type, read_to_end


@dataclass(slots=True, eq=False)
class ListedRun(Run[Buffer | Upload | ApiError | None]):
    """Answers one call. Its body is None if it is too large, an error if an upload is refused."""

    _listed: ListedCall = field(init=False)

    async def _read(self, received: Buffer | Upload | ApiError | None) -> UpstreamRequest:
        call, operation = self._call, self._work.operation
        headers = self._request.headers
        listed, original = await self._listed_call(received, headers)
        self._listed = listed
        progress = self._progress
        progress.read(
            model=self._work.model or listed.model,
            stream=listed.delivery is Delivery.EVENTS,
            left_out=listed.left_out,
            prompt=None,
        )
        progress.count(listed.amounts)
        form = listed.for_server()
        sent = UpstreamRequest(
            progress,
            operation,
            (),
            listed.cost,
            progress.stream,
            original if call.provider else b"",
            headers.get("accept") or "*/*",
            form,
        )
        there = destinations(sent, self._work.endpoint)
        if form and not any(each.kind is UpstreamKind.SERVERLESS for each in there):
            return sent
        if form:  # before base64 is made of it: four bytes for three
            call.share.take(sum(map(len, form.pieces)) * 4 // 3)
        pieces = await self._turns.take(listed.for_worker())
        if form:
            # All of it, kept to be looked at, would be held twice.
            progress.show_sent((await self._turns.take(shorten_in_steps(pieces)),))
        return sent.with_pieces(pieces)

    async def _listed_call(
        self, received: Buffer | Upload | ApiError | None, headers: Mapping[str, str]
    ) -> tuple[ListedCall, Piece]:
        """The call that the body asks for, and the body as its provider would get it."""
        call, operation = self._call, self._work.operation
        if operation in UPLOADS and call.body is not None:
            received = await read_upload(operation, headers, call.body, self._turns)
        if isinstance(received, Upload):
            return received.call, received.original
        if isinstance(received, ApiError):
            raise received
        body = received if call.body is None else call.body
        if body is None:
            raise request_too_large(call.max_body)
        body, made = await read_body(body, headers, call, self._turns)
        return read_json_call(operation, body, made), body

    def _event_stream(self, headers: Headers) -> EventStream | None:
        if self._listed.delivery is not Delivery.EVENTS:
            return None
        assert isinstance(self._listed, EventsCall)
        events = self._listed.events()
        return EventStream(self._request, headers, self._progress, events)

    def _use(self, stream: EventStream, started: StartedAnswer, headers: Headers) -> None:
        check_content_type(started.answer, EVENT_STREAM)
        headers["content-type"] = EVENT_STREAM
        if self._progress.is_with_provider:  # its events are OpenAI's already
            stream.events = PlainEvents(stream.events.keep_alive)

    async def _without_events(
        self, sent: UpstreamRequest, deadline: float, headers: Headers
    ) -> web.StreamResponse:
        if self._listed.delivery is Delivery.WHOLE:
            # Without an argument, `super` does not know a class with slots.
            return await super(ListedRun, self)._without_events(sent, deadline, headers)
        stream = ByteStream(self._request, headers, self._progress)
        try:
            async with self._until(deadline) as limit:
                started = await self._start(sent, deadline, headers)
                if self._ended_with is None:
                    limit.reschedule(None)  # from now on it only must not fall silent
                if not self._progress.is_with_provider:
                    self._check_kind(started.answer.media_type)
                await stream.send(started)
        except (ApiError, TimeoutError) as error:
            if not stream.out:
                raise
            stream.cut(error if isinstance(error, ApiError) else self._out_of_time())
        except ConnectionError:  # of the app: those of Vast have become an ApiError
            if not stream.out:
                raise
        except Exception as error:  # whatever happens, nobody may take it for the whole
            if not stream.out:
                raise
            stream.cut(internal_error(error, self._call.request_id))
        assert stream.out
        return stream.out

    def _check_kind(self, media_type: str) -> None:
        """Raises ApiError (502) unless bytes are of the kind that was asked for."""
        if isinstance(self._listed, BytesCall) and not self._listed.is_due(media_type):
            raise bad_gateway(
                f"The answer has the content type {media_type!r}, which is not what was asked for.",
                ErrorCode.BAD_UPSTREAM_ANSWER,
            )

    async def _whole(self, started: StartedAnswer, headers: Headers) -> Buffer:
        progress = self._progress
        if progress.is_with_provider:
            return await self._of_provider(started, headers)
        check_content_type(started.answer, JSON)
        assert isinstance(self._listed, WholeCall)
        body = await read_to_end(started, self._call)
        body = await self._turns.take(progress.keys.redact_in_steps(body))
        answer = await self._turns.take(self._listed.answer(body))
        # Numbers that are written out take more than base64.
        self._call.share.take(max(0, len(answer.body) - len(body)))
        headers["content-type"] = answer.content_type
        progress.end_whole(answer.usage, answer.model)
        progress.count(answer.amounts)
        return answer.body

    async def _of_provider(self, started: StartedAnswer, headers: Headers) -> Buffer:
        """The provider's answer, in whatever form the app has asked for."""
        body = await read_to_end(started, self._call)
        headers["content-type"] = started.answer.content_type
        self._progress.end_whole(usage_of(body) if len(body) < READ_AT_ONCE else None, None)
        return await self._turns.take(self._progress.keys.redact_in_steps(body))
