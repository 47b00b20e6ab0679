"""An answer of bytes, such as audio, to an app: each piece as soon as it is there."""

from collections.abc import Mapping
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
    """The answer to a call for bytes. Once `out` is there, its head is out: no error can follow.

    Bytes have no place for an error, so that an app can see only by its connection that they are
    not complete.
    """

    _request: web.BaseRequest
    _headers: Mapping[str, str]
    _progress: Progress
    #: What the server is to be given back in the end.
    out: web.StreamResponse | None = field(default=None, init=False)

    async def send(self, started: StartedAnswer) -> None:
        """Sends the bytes on as they come. Raises ApiError if they break off."""
        if not started.first:
            raise _ended_early()
        out = await self._begin(started)
        progress, answer = self._progress, started.answer
        last = progress.first_byte_at or progress.clock()
        chunk = started.first
        try:
            while chunk:
                progress.count(Amounts(bytes=len(chunk)))
                await out.write(chunk)
                chunk = await answer.read()
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

    def cut(self, failure: ApiError) -> None:
        """Ends the answer behind what was sent of it, so that nobody takes it for the whole."""
        self._progress.fail(failure)
        if transport := self._request.transport:
            transport.close()


def _ended_early() -> ApiError:
    early = "The answer ended before it was complete."
    return bad_gateway(early, ErrorCode.VAST_DISCONNECTED)
