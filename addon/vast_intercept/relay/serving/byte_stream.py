"""An answer of bytes, such as audio, to an app: each piece as soon as it is there."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from aiohttp import web

from ...openai_api.amounts import Amounts
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway
from ..failures import AttemptFailed
from ..progress import Progress
from ..retrying.answer_start import StartedAnswer


@dataclass(slots=True, eq=False)
class ByteStream:
    """The answer to a call for bytes: a `Stream` of these.

    Bytes have no place for an error, so that an app can see only by its connection that they are
    not complete. `is_due` says whether bytes of a content type are what was asked for.
    """

    _request: web.BaseRequest
    _headers: Mapping[str, str]
    _progress: Progress
    _is_due: Callable[[str], bool]
    #: What the server is to be given back in the end.
    out: web.StreamResponse | None = field(default=None, init=False)

    def kept_alive(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Sends nothing: whatever is sent would be taken for a part of the answer."""
        return nullcontext()

    async def send(self, started: StartedAnswer) -> None:
        """Sends the bytes on as they come. Raises ApiError if they are others, or break off."""
        media_type = started.answer.media_type
        if not (self._progress.is_with_provider or self._is_due(media_type)):
            raise bad_gateway(
                f"The answer has the content type {media_type!r}, which is not what was asked for.",
                ErrorCode.BAD_UPSTREAM_ANSWER,
            )
        if not started.first:
            raise _ended_early()
        out = await self._begin(started)
        progress, answer = self._progress, started.answer
        last = progress.first_byte_at or progress.clock()
        try:
            chunk = started.mask.feed(started.first) or await started.read()
            while chunk:
                progress.count(Amounts(bytes=len(chunk)))
                await out.write(chunk)
                chunk = await started.read()
                if chunk:
                    progress.last_byte_at = now = progress.clock()
                    progress.longest_gap = max(progress.longest_gap, now - last)
                    last = now
        except AttemptFailed as failed:
            raise failed.error from None
        if answer.is_cut:
            raise _ended_early()
        progress.end_bytes()
        await out.write_eof()

    async def _begin(self, started: StartedAnswer) -> web.StreamResponse:
        """Sends the head, which leaves together with the first bytes."""
        answer = started.answer
        headers = {**self._headers, "content-type": answer.content_type}
        out = self.out = web.StreamResponse(status=answer.status, headers=headers)
        if answer.content_length is None:
            out.enable_chunked_encoding()
        else:
            out.content_length = answer.content_length
        self._progress.begin_stream()
        await out.prepare(self._request)
        return out

    async def fail(self, failure: ApiError) -> None:
        """Ends the answer behind what was sent of it, so that nobody takes it for the whole."""
        self._progress.fail(failure)
        if transport := self._request.transport:
            transport.close()


def _ended_early() -> ApiError:
    early = "The answer ended before it was complete."
    return bad_gateway(early, ErrorCode.VAST_DISCONNECTED)
