"""One call of an operation that its endpoint is said to serve: embeddings, speech, images, ..."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...bridges.bridge import AppEvents
from ...bridges.plain import PlainEvents
from ...config import UpstreamKind
from ...listed_operations.listed_call import BytesCall, EventsCall, ListedCall, WholeCall
from ...listed_operations.reading import read_json_call
from ...listed_operations.upload_reader import UPLOADS
from ...openai_api.content_coding import request_too_large
from ...openai_api.errors import ApiError
from ...openai_api.limits import READ_AT_ONCE
from ...openai_api.outline import Buffer
from ...openai_api.rewriting import Piece
from ...openai_api.shortening import shorten_in_steps
from ...openai_api.sse import EVENT_STREAM
from ...openai_api.usage import usage_of
from ..retrying.answer_start import StartedAnswer
from ..retrying.dispatch import destinations
from ..upstreams.base import UpstreamRequest
from .app_body import read_body
from .byte_stream import ByteStream
from .event_stream import EventStream
from .run import Headers, Run, Stream
from .upload import Upload, read_upload, size_as_base64
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
            stream=isinstance(listed, EventsCall),
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
        if not form:
            return sent.with_pieces(await self._turns.take(listed.for_worker()))
        there = destinations(sent, self._work.endpoint)
        if not any(each.kind is UpstreamKind.SERVERLESS for each in there):
            call.share.give_back_reserved()  # no base64 is made
            return sent
        # Before base64 is made of it.
        call.share.take(size_as_base64(sum(map(len, form.pieces))))
        pieces = await self._turns.take(listed.for_worker())
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

    def _stream(self, headers: Headers) -> Stream | None:
        listed, progress = self._listed, self._progress

        def events() -> AppEvents:
            assert isinstance(listed, EventsCall)
            # A provider's are OpenAI's already.
            return PlainEvents(bytes) if progress.is_with_provider else listed.events()

        if isinstance(listed, EventsCall):
            return EventStream(self._request, headers, progress, events)
        if isinstance(listed, BytesCall):
            return ByteStream(self._request, headers, progress, listed.is_due)
        return None

    def _is_whole(self, started: StartedAnswer) -> bool:
        # OpenAI's whisper-1 ignores that it is to stream.
        is_as_asked = isinstance(self._listed, BytesCall) or (
            started.answer.media_type == EVENT_STREAM
        )
        return self._progress.is_with_provider and not is_as_asked

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
