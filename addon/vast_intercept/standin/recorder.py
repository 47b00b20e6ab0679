"""One request: it is read, noted as a call, answered, and what became of it is noted."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from . import errors
from .calls import Call, Calls
from .exchange import HangUp, whole

type Answering = Callable[[web.BaseRequest, bytes], Awaitable[web.StreamResponse]]
"""Answers a request with this body."""

_MAX_BODY = 100 * 1024 * 1024


class Recorder:
    """Notes the calls to one server: the stand-in's own, or a worker's."""

    def __init__(self, calls: Calls, answer: Answering, worker: int | None = None) -> None:
        self._calls = calls
        self._answer = answer
        self._worker = worker

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """What aiohttp calls."""
        received = bytearray()
        try:
            await receive(request, received)
        except errors.Refusal as refusal:
            self._calls.end(self._begin(request, received), "done")
            return refused(refusal)
        except BaseException:
            self._calls.end(self._begin(request, received), "cancelled")
            raise
        # Noted only now, so that whoever waits for the call finds all of its body.
        call = self._begin(request, received)
        try:
            response = await self._answer(request, bytes(received))
        except errors.Refusal as refusal:
            response = refused(refusal)
        except (HangUp, ConnectionError) as end:
            self._calls.end(call, "done" if isinstance(end, HangUp) else "cancelled")
            _cut_connection(request)
            # aiohttp must not answer. The end of the connection cancels this.
            await asyncio.Event().wait()
            raise
        except BaseException:
            self._calls.end(call, "cancelled")
            raise
        self._calls.end(call, "done", response.status)
        return response

    def _begin(self, request: web.BaseRequest, body: bytearray) -> Call:
        return self._calls.begin(
            request.method, request.raw_path, request.raw_headers, body, self._worker
        )


async def receive(request: web.BaseRequest, received: bytearray) -> None:
    """Reads the body into `received`. Raises Refusal if there is too much of it."""
    while piece := await request.content.readany():
        received += piece
        if len(received) > _MAX_BODY:
            raise errors.too_large()


def refused(refusal: errors.Refusal) -> web.Response:
    """The answer that a refusal is."""
    return whole(refusal.body, refusal.status, headers=refusal.headers)


def _cut_connection(request: web.BaseRequest) -> None:
    """No end of the HTTP message, no farewell of TLS."""
    if transport := request.transport:
        # What was sent is to arrive: abort would drop what the system has not taken yet.
        end = transport.close if transport.get_write_buffer_size() else transport.abort
        end()
