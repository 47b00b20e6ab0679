"""A console of Vast's, for tests of the relay's parts: over real HTTP, with a test's answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Console:
    """What it answers, by path, and what it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Notes the request, and answers it."""
        self.requests.append((request.method, request.path_qs))
        self.keys.append(request.headers.get("authorization", ""))
        status, body = self.answers.get(request.path, (404, b"Not Found"))
        return web.Response(status=status, body=body)


@asynccontextmanager
async def running_console() -> AsyncIterator[Console]:
    """The console, on a port of its own."""
    console = Console()
    runner = web.ServerRunner(web.Server(console.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    console.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield console
    finally:
        await runner.cleanup()
