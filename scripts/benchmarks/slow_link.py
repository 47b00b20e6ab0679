"""A forwarder that makes a loopback port a distant one: it passes bytes on after a delay.

    python slow_link.py LISTEN_PORT TARGET_PORT DELAY_MS

In both directions, in order, and without a limit to how much is on its way.
"""

import asyncio
import signal
import sys

_PIECE = 1024 * 1024


async def forward(listen_port: int, target_port: int, delay: float) -> None:
    """Forwards until SIGTERM. `delay` is in seconds, for one direction."""
    links: set[asyncio.Task[None]] = set()

    async def link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target_port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_carry(reader, far_writer, delay))
                both.create_task(_carry(far_reader, writer, delay))
        finally:
            writer.close()
            far_writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(link(reader, writer))
        links.add(task)
        task.add_done_callback(links.discard)

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    server = await asyncio.start_server(accept, "127.0.0.1", listen_port)
    await stopped.wait()
    server.close()
    for task in list(links):
        task.cancel()
    await asyncio.gather(*links, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Forwards one direction until it ends: what is read is written when its delay is over."""
    clock = asyncio.get_running_loop().time
    on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def receive() -> None:
        data = b"?"
        while data:
            try:
                data = await reader.read(_PIECE)
            except OSError:
                data = b""  # a connection that was reset has ended, too
            on_its_way.put_nowait((clock() + delay, data))

    async def deliver() -> None:
        while True:
            due, data = await on_its_way.get()
            await asyncio.sleep(due - clock())
            try:
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
            except OSError:
                return  # nobody is there to take it

    async with asyncio.TaskGroup() as group:
        group.create_task(receive())
        group.create_task(deliver())


if __name__ == "__main__":
    listen, target, delay_ms = sys.argv[1:]
    asyncio.run(forward(int(listen), int(target), float(delay_ms) / 1000))
