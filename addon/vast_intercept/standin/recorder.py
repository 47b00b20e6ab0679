"""Records each request as a call: reads it, has it answered, and notes how it ended."""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from .answering import Answering, HangUp, Refusal, receive
from .received_calls import ReceivedCall, ReceivedCalls

# Where the answer to a request finds the call that was noted of it.
CALL = web.RequestKey("call", ReceivedCall)


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records the calls to one server: the stand-in's main port, or a worker's."""

    calls: ReceivedCalls
    answer: Answering
    worker: int | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handles one request of aiohttp's server."""
        received = bytearray()
        try:
            try:
                await receive(request, received)
            finally:
                # The call is noted only now, so that whoever waits for it finds all of its body.
                call = self.calls.begin(
                    request.method, request.raw_path, request.raw_headers, received, self.worker
                )
            request[CALL] = call
            response = await self.answer(request, bytes(received))
        except Refusal as refusal:
            response = refusal.answer()
        except (HangUp, ConnectionError) as end:
            self.calls.end(call, "done" if isinstance(end, HangUp) else "cancelled")
            _cut_connection(request)
            # aiohttp must not answer. When the connection ends, it cancels this coroutine.
            await asyncio.Event().wait()
            raise
        except BaseException:
            self.calls.end(call, "cancelled")
            raise
        self.calls.end(call, "done", response.status)
        return response


def _cut_connection(request: web.BaseRequest) -> None:
    """Ends a connection without an end of the HTTP message and without TLS's close_notify."""
    if transport := request.transport:
        # What was sent should arrive: abort drops what is still in the write buffer.
        end = transport.close if transport.get_write_buffer_size() else transport.abort
        end()
