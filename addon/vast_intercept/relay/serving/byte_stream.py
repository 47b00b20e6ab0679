"""Bytes to an app as they come, such as audio."""

import contextlib
from collections.abc import Mapping

from aiohttp import web

from ..progress import Progress
from ..retrying.answer_start import StartedAnswer


async def send_bytes(
    request: web.BaseRequest, started: StartedAnswer, progress: Progress, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Sends the body of an answer. Raises AttemptFailed if it is broken off.

    The app must see then that it is not complete: its connection is closed.
    """
    response = web.StreamResponse(status=started.answer.status, headers=headers)
    progress.begin_answer()
    chunk = started.first
    sent = 0
    try:
        await response.prepare(request)
        while chunk:
            await response.write(chunk)
            sent += len(chunk)
            progress.last_byte_at = progress.clock()
            chunk = await started.answer.read()
    except BaseException:
        if request.transport:
            request.transport.abort()
        raise
    progress.end_bytes(sent)
    with contextlib.suppress(ConnectionError):
        await response.write_eof()
    return response
