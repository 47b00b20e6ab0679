"""Backpressure over HTTP/2: an answer is read no faster than the app takes it.

mitmproxy reads on whatever an app's window is, and keeps what it may not send yet (FACTS M36).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from h2.config import H2Configuration
from mitmproxy.connection import Client, Connection
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._http1 import Http1Client
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection, SendH2Data

from .sockets import handler_of

# Bytes that may wait for one stream's window, and for all of a connection where an answer comes
# over HTTP/2 itself, so that it is not known for which of its streams it comes.
_MOST_OF_STREAM = 256 * 1024
_MOST_OF_CONNECTION = 4 * 1024 * 1024


class AppH2Connection(BufferedH2Connection):
    """An app's HTTP/2 connection, on which others can wait until less data is buffered."""

    def __init__(self, config: H2Configuration) -> None:
        super().__init__(config)
        self._less = asyncio.Event()

    def send_data(
        self,
        stream_id: int,
        data: bytes | memoryview,
        end_stream: bool = False,
        pad_length: int | None = None,
    ) -> None:
        """Sends data, or joins it to the last buffered frame, since each frame costs time."""
        waiting = self.stream_buffers.get(stream_id)
        if waiting:
            last = waiting[-1]
            if not last.end_stream and len(last.data) + len(data) <= self.max_outbound_frame_size:
                waiting[-1] = SendH2Data(last.data + bytes(data), end_stream)
                return
        super().send_data(stream_id, bytes(data), end_stream)

    def receive_data(self, data: bytes) -> Any:
        """Reads frames, which may open windows or reset streams, and returns their events."""
        events = super().receive_data(data)
        self._less.set()
        return events

    async def wait_for_room(self, stream_id: int | None) -> None:
        """Waits until little enough is buffered for the stream; for all streams if it is None."""
        while self._is_full(stream_id):
            self._less.clear()
            await self._less.wait()

    def _is_full(self, stream_id: int | None) -> bool:
        if stream_id is None:
            return sum(map(_size, self.stream_buffers.values())) > _MOST_OF_CONNECTION
        return _size(self.stream_buffers.get(stream_id, ())) > _MOST_OF_STREAM


def hold_back(client: Client, layer: HttpLayer, connection: AppH2Connection) -> None:
    """Has mitmproxy read no more of an answer than the app takes.

    It reads on from a server when it has drained what it writes: that takes longer now.
    """
    handler = handler_of(client)
    if handler is None:
        return  # mitmproxy's own replay
    drain: Callable[[], Awaitable[None]] = handler.drain_writers

    async def drain_writers() -> None:
        await drain()
        if not connection.stream_buffers:
            return
        task = asyncio.current_task()
        for server, transport in handler.transports.items():
            if transport.handler is task and server is not client:
                await connection.wait_for_room(_stream_of(layer, server))
                return

    handler.drain_writers = drain_writers  # type: ignore[method-assign]


def _stream_of(layer: HttpLayer, server: Connection) -> int | None:
    """The stream of the app whose answer comes from `server`; None if that is not known."""
    http = layer.connections.get(server)
    last = http.context.layers[-1] if http else None
    return last.stream_id if isinstance(last, Http1Client) else None


def _size(waiting: Any) -> int:
    return sum(len(each.data) for each in waiting)
