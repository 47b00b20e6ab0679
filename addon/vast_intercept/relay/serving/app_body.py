"""The body of an app's call: received, and read, which is checked, decompressed and outlined."""

import asyncio
import contextlib
from collections.abc import Mapping

from aiohttp import web

from ...openai_api.content_coding import decode_content
from ...openai_api.errors import ApiError
from ...openai_api.limits import MAX_DECOMPRESSED, READ_TOGETHER
from ...openai_api.outline import Buffer, Outline, needs_outline
from ...openai_api.requests import check_content_type, outline_of
from ..call import Call
from ..memory import Share
from ..turns import Turns

# How long the rest of a body that nobody wants is read and dropped: many clients read an answer
# only when they have sent everything, and find a broken pipe if nobody takes it.
_DROP_SECONDS = 30


async def read_body(
    body: Buffer, headers: Mapping[str, str], call: Call, turns: Turns
) -> tuple[Buffer, Outline | None]:
    """The decompressed body, and its outline if it is large. `headers` are the request's.

    Raises ApiError (400, 413) for a body that cannot be read.
    """
    check_content_type(headers.get("content-type", ""))
    coding = headers.get("content-encoding", "")
    if coding:
        # It may become so large while other calls have their turn.
        call.share.take(MAX_DECOMPRESSED)
        body = await turns.take(decode_content(body, coding, call.max_body))
        call.share.give_back(MAX_DECOMPRESSED - min(len(body), MAX_DECOMPRESSED))
    outline = await turns.take(outline_of(body)) if needs_outline(body) else None
    if len(body) > READ_TOGETHER:
        await turns.wait()
    return body, outline


async def receive(request: web.BaseRequest, limit: int, share: Share) -> Buffer | None:
    """The request's body, or None if it is larger than `limit`; no more is held.

    Raises ApiError (503) if calls hold too much already.
    """
    body = bytearray()  # it grows in place: to join many pieces would hold up other calls
    refusal: ApiError | None = None
    while piece := await request.content.readany():
        try:
            if len(body) + len(piece) <= limit:
                share.take(len(piece))
                body += piece
                continue
        except ApiError as error:
            refusal = error
        share.give_back(len(body))
        body.clear()
        await drop(request)
        if refusal:
            raise refusal
        return None
    return body


async def drop(request: web.BaseRequest) -> None:
    """Reads the rest of a body that nobody wants, for a while."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DROP_SECONDS):
            while await request.content.readany():
                pass
