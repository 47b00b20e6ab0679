"""Reads the body of a call that is an upload, while it arrives."""

from dataclasses import dataclass

from aiohttp import web

from ...listed_operations.listed import ListedCall
from ...listed_operations.reading import upload_reader
from ...openai_api.errors import ApiError
from ...openai_api.operations import Operation
from ...openai_api.outline import Buffer
from ..call import Call
from ..turns import Turns
from .app_body import drop


@dataclass(frozen=True, slots=True)
class Upload:
    """A call that was read, and the body as its provider would get it; empty without one."""

    call: ListedCall
    original: Buffer


async def receive_upload(
    request: web.BaseRequest, operation: Operation, call: Call, turns: Turns
) -> Upload | ApiError:
    """The upload, or why it is refused, which is known before all of it has come.

    No more is held than may be sent on.
    """
    original = bytearray()
    try:
        reader = upload_reader(operation, request.headers.get("content-type", ""))
        while piece := await request.content.readany():
            call.share.take(len(piece))
            await turns.take(reader.feed(piece))
            if call.provider:
                call.share.take(len(piece))
                original += piece
        return Upload(reader.end(), original)
    except ApiError as error:
        await drop(request)
        return error


async def read_upload(
    operation: Operation, content_type: str, body: Buffer, turns: Turns
) -> Upload:
    """The upload in a body that is there. Raises ApiError (400, 413)."""
    reader = upload_reader(operation, content_type)
    await turns.take(reader.feed(body))
    return Upload(reader.end(), body)
