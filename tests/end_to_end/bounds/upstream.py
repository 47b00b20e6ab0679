"""A server that plays Vast with bytes that a test has made up."""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Upstream:
    """Answers every request, once its body is there, with the pieces of `answer`."""

    def __init__(self) -> None:
        self.answer: Iterable[bytes] = ()
        #: Sizes of the bodies that came.
        self.bodies: list[int] = []
        self.sent = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                rest = length
                while rest:
                    piece = await reader.read(min(rest, 2**20))
                    if not piece:
                        return  # it is cut
                    rest -= len(piece)
                self.bodies.append(length)
                for piece in self.answer:
                    writer.write(piece)
                    await writer.drain()
                    self.sent += len(piece)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@contextmanager
def serving() -> Iterator[Upstream]:
    """An upstream in a thread of its own."""
    upstream = Upstream()
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(upstream.serve, "127.0.0.1", 0))
    upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def whole(body: bytes) -> list[bytes]:
    """An answer with this body."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return [head % len(body), body]


def stream(*events: bytes) -> list[bytes]:
    """A stream of events, as they are, in one chunk each."""
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return [head, *[b"%x\r\n%b\r\n" % (len(each), each) for each in events], b"0\r\n\r\n"]
