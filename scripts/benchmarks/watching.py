"""mitmweb with a page open: what watching costs the watched streams."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from .load import Figure, Figures, Job
from .ways import Way

_START_LIMIT = 10  # seconds
_FIGURES = (Figure.FIRST_CHUNK, Figure.CHUNK)


@dataclass(slots=True)
class WatchingResults:
    """Figures of the same mitmweb without a page and with one: one value for each round."""

    unwatched: dict[Figure, list[float]] = field(
        default_factory=lambda: {figure: [] for figure in _FIGURES}
    )
    watched: dict[Figure, list[float]] = field(
        default_factory=lambda: {figure: [] for figure in _FIGURES}
    )
    #: How often a second the page got a longer text of a stream that had not ended.
    refreshes: list[float] = field(default_factory=list)


def measure_watching(
    web: Way, run: Callable[[Job], Figures], job: Job, rounds: int
) -> WatchingResults:
    """Measures mitmweb without a page and with one, by a job with streams."""
    assert web.page_url
    results = WatchingResults()
    job = replace(job, target=web.stream_target)
    for _ in range(rounds):
        unwatched = run(job)
        with _page(web.page_url) as page:
            watched = run(job)
            results.refreshes.append(page.refreshes / page.seconds_with_streams)
        for figure in _FIGURES:
            results.unwatched[figure].append(unwatched[figure])
            results.watched[figure].append(watched[figure])
    return results


class _Page:
    """Does what mitmweb's page does: follows all flows, and reads the content of the selected one.

    A browser would take turns with the proxy on the machine's cores; what is of interest here is
    what the proxy does for it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._selected: str | None = None
        self._shown = 0
        self._first = self._last = 0.0
        self._loop = asyncio.new_event_loop()
        self.open = threading.Event()
        #: How often the selected stream's text has grown while it had not ended.
        self.refreshes = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def seconds_with_streams(self) -> float:
        """Seconds from the first to the last news of a stream."""
        return max(self._last - self._first, 1e-9)

    def run(self) -> None:
        """Follows the flows until `close`."""
        self._task = self._loop.create_task(self._follow())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def close(self) -> None:
        """Closes the page."""
        assert self._task
        self._loop.call_soon_threadsafe(self._task.cancel)

    async def _follow(self) -> None:
        jar = aiohttp.CookieJar(unsafe=True)  # of an address, not of a name
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            async with session.get(self._url) as index:
                index.raise_for_status()
            base = self._url.partition("?")[0]
            async with session.ws_connect(f"{base}updates") as updates:
                self.open.set()
                async for message in updates:
                    payload = json.loads(message.data).get("payload")
                    flow = payload.get("flow") if isinstance(payload, dict) else None
                    if flow and flow.get("response"):
                        await self._see(session, base, flow)

    async def _see(self, session: aiohttp.ClientSession, base: str, flow: dict[str, Any]) -> None:
        response = flow["response"]
        ended = response["timestamp_end"] is not None
        now = self._loop.time()
        if self._selected is None and not ended:
            self._selected, self._shown = flow["id"], 0
            self._first = self._first or now
        if flow["id"] != self._selected:
            return
        self._last = now
        if (length := response["contentLength"] or 0) > self._shown:
            self._shown = length
            self.refreshes += not ended
            url = f"{base}flows/{flow['id']}/response/content/auto.json?lines=513"
            async with session.get(url) as content:
                await content.read()
        if ended:
            self._selected = None


@contextmanager
def _page(url: str) -> Iterator[_Page]:
    page = _Page(url)
    thread = threading.Thread(target=page.run, daemon=True)
    thread.start()
    if not page.open.wait(_START_LIMIT):
        raise RuntimeError(f"mitmweb does not let a page in: {url.partition('?')[0]}")
    try:
        yield page
    finally:
        page.close()
        thread.join()
