"""Reads the body of a call that is an upload, while it arrives."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from aiohttp import web

from ...listed_operations.listed_call import ListedCall
from ...listed_operations.upload_reader import UploadReader
from ...openai_api.content_coding import request_too_large
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_request
from ...openai_api.operations import Operation
from ...openai_api.outline import Buffer
from ...openai_api.rewriting import Piece
from ..call import Call
from ..turns import Turns
from .app_body import drop


@dataclass(frozen=True, slots=True)
class Upload:
    """A call that was read, and the body as its provider would get it."""

    call: ListedCall
    original: Piece


async def receive_upload(
    request: web.BaseRequest, operation: Operation, call: Call, turns: Turns
) -> Upload | ApiError:
    """The upload, or why it is refused, which is known before all of it has come.

    No more is held than may be sent on, and nothing of what is refused.
    """
    try:
        return await _received(request, operation, call, turns)
    except ApiError as error:
        # Another one without a traceback, which would keep what has come.
        refusal = replace(error)
    await drop(request)
    return refusal


async def _received(
    request: web.BaseRequest, operation: Operation, call: Call, turns: Turns
) -> Upload:
    reader, share = _reader(operation, request.headers), call.share
    if size := request.content_length:
        reader.expect(size)
        share.reserve(size + size_as_base64(size))
    taken = 0
    try:
        while piece := await request.content.readany():
            if len(reader.body) + len(piece) > call.max_body:
                raise request_too_large(call.max_body)
            share.take(len(piece))
            taken += len(piece)
            await turns.take(reader.feed(piece))
        return Upload(reader.end(), reader.body)
    except ApiError:
        share.give_back(taken)
        share.give_back_reserved()
        raise


async def read_upload(
    operation: Operation, headers: Mapping[str, str], body: Buffer, turns: Turns
) -> Upload:
    """The upload in a body that is there. Raises ApiError (400, 413)."""
    reader = _reader(operation, headers)
    await turns.take(reader.feed(body))
    return Upload(reader.end(), body)


def size_as_base64(size: int) -> int:
    """How many bytes so many are as base64: four for three."""
    return size * 4 // 3


def _reader(operation: Operation, headers: Mapping[str, str]) -> UploadReader:
    coding = headers.get("content-encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        raise bad_request(
            f"The request body has the content encoding {coding[:100]!r}, which uploads cannot"
            " have: send it as it is.",
            ErrorCode.UNSUPPORTED_ENCODING,
        )
    return UploadReader(operation, headers.get("content-type", ""))
