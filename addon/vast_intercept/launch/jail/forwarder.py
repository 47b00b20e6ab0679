"""Forwards connections out of the jail: to the interceptor, or to services on the loopback."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Sequence

# linux/netfilter_ipv4.h: the address that a redirected connection was made to.
_SO_ORIGINAL_DST = 80
_CHUNK = 256 * 1024
_CONNECT_SECONDS = 30.0

type Address = tuple[str, int]
type _Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Forwarder:
    """Serves listening sockets of the jail from outside, in a thread of its own, until `close`.

    A redirected connection becomes a `CONNECT` request to the interceptor. A socket stays in the
    network namespace that it was made in, whichever process accepts its connections.
    """

    def __init__(
        self, redirected: socket.socket, interceptor: Address, allowed: Sequence[socket.socket]
    ) -> None:
        """Starts the thread. What is `allowed` is bound to the address outside that it leads to."""
        self._interceptor = interceptor
        self._loop = asyncio.new_event_loop()
        self._closed = asyncio.Event()
        serving = self._serve_all(redirected, allowed)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(serving, loop_factory=lambda: self._loop),
            name="jail forwarder",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and all connections."""
        self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join()

    async def _serve_all(self, redirected: socket.socket, allowed: Sequence[socket.socket]) -> None:
        await self._serve(redirected, self._through_interceptor)
        for each in allowed:
            await self._serve(each, _straight)
        await self._closed.wait()

    async def _serve(
        self, listening: socket.socket, connect: Callable[[socket.socket], Awaitable[_Streams]]
    ) -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                accepted = writer.get_extra_info("socket")
                async with asyncio.timeout(_CONNECT_SECONDS):
                    far_reader, far_writer = await connect(accepted)
            except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
                writer.transport.abort()  # the app sees a refused connection
                return
            try:
                await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
            finally:
                writer.close()
                far_writer.close()

        await asyncio.start_server(handle, sock=listening, limit=_CHUNK, backlog=1024)

    async def _through_interceptor(self, accepted: socket.socket) -> _Streams:
        raw = accepted.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16)
        port, address = struct.unpack_from("!2xH4s", raw)
        target = f"{socket.inet_ntoa(address)}:{port}"
        reader, writer = await asyncio.open_connection(*self._interceptor, limit=_CHUNK)
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
            writer.close()
            raise ConnectionRefusedError
        return reader, writer


async def _straight(accepted: socket.socket) -> _Streams:
    return await asyncio.open_connection(*accepted.getsockname()[:2], limit=_CHUNK)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies all that the reader gets to the writer, and then closes that direction."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
        return
    writer.close()  # the connection is broken
