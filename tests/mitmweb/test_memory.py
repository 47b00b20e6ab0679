"""How much memory mitmweb needs when it runs for long."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from .. import harness
from ..harness import Interceptor, StandIn

PASSWORD = "of-the-page"
CLIENTS = 8
FIRST, CALLS = 2_000, 20_000
MOST_GROWTH = 30  # MB
HOST = "llm.lab.example"
BODY = b'{"model":"gpt-4o","messages":[{"role":"user","content":"What is the capital of France?"}]}'
REQUEST = (
    b"POST http://%b/v1/chat/completions HTTP/1.1\r\nhost: %b\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
) % (HOST.encode(), HOST.encode(), len(BODY), BODY)


@pytest.fixture
def mitmweb(tmp_path: Path) -> Iterator[tuple[Interceptor, str]]:
    """With a page's URL. Nothing is encrypted: that would be measured, too, and take its time."""
    standin = StandIn()
    port = harness.unused_port()
    config = {
        "vast": harness.vast_section(standin, timeout={}),
        "providers": [{"name": "lab", "host": HOST, "port": 80, "scheme": "http"}],
    }
    sets = ("web_open_browser=false", f"web_port={port}", f"web_password={PASSWORD}")
    options = [word for each in sets for word in ("--set", each)]
    with harness.intercept(tmp_path, config, *options, kind="mitmweb") as running:
        running.wait_for("Web server listening")
        yield running, f"http://127.0.0.1:{port}/"
    standin.stop()


class Page:
    """What mitmweb's page does: it follows all flows, and reads the content of one."""

    def __init__(self) -> None:
        self.added = self.removed = 0
        self._selected = ""

    async def follow(self, session: aiohttp.ClientSession, url: str) -> None:
        """Until it is cancelled."""
        async with session.ws_connect(f"{url}updates") as updates:
            async for message in updates:
                told = json.loads(message.data)
                if told["type"] == "flows/add":
                    self.added += 1
                elif told["type"] == "flows/remove":
                    self.removed += 1
                elif told["type"] == "flows/update":
                    await self._read(session, url, told["payload"]["flow"])

    async def _read(self, session: aiohttp.ClientSession, url: str, flow: dict[str, Any]) -> None:
        if self.added % 100 or not flow.get("response"):
            return
        path = f"flows/{flow['id']}/response/content/auto.json?lines=513"
        async with session.get(f"{url}{path}") as content:
            assert content.status in {200, 404}


@asynccontextmanager
async def opened_page(url: str) -> Any:
    """A page that is open."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        async with session.get(f"{url}?token={PASSWORD}") as index:
            assert index.status == 200
        page = Page()
        task = asyncio.create_task(page.follow(session, url))
        yield page
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def make_calls(port: int, count: int) -> None:
    """So many, over connections that are kept."""
    left = iter(range(count))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            assert b'"choices"' in await reader.readexactly(int(length))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*[client() for _ in range(CLIENTS)])


def resident(process: psutil.Process) -> float:
    """Megabytes."""
    return float(process.memory_info().rss / 1_000_000)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_does_not_grow(
    mitmweb: tuple[Interceptor, str], capsys: pytest.CaptureFixture[str]
) -> None:
    interceptor, url = mitmweb
    process = psutil.Process(interceptor.process.pid)
    async with opened_page(url) as page:
        await make_calls(interceptor.port, FIRST)
        before = resident(process)
        await make_calls(interceptor.port, CALLS - FIRST)
        async with asyncio.timeout(30):
            while page.removed < CALLS - FIRST:  # noqa: ASYNC110  (the other side is a process)
                await asyncio.sleep(0.1)
        after = resident(process)
    assert page.added == CALLS
    with capsys.disabled():
        print(f"\nmitmweb: {before:.1f} MB after {FIRST:,} calls, {after:.1f} after {CALLS:,}")
    assert after - before < MOST_GROWTH
