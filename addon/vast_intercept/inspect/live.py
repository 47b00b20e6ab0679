"""Streams that mitmproxy's user interface shows while they grow."""

import asyncio
import sys
import time
from collections.abc import Callable

from mitmproxy import ctx, hooks, http

# How often a stream is shown anew, in seconds, and which part of all time that may take: what is
# more waits for the next turn, so that watching many streams does not slow them.
_INTERVAL = 0.25
_SHARE = 0.05


class LiveStreams:
    """Gives flows the part of their answer that has arrived, again and again.

    The app gets its bytes on another way, at once. Where nobody watches, nothing is done.
    """

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}

    def began(self, flow: http.HTTPFlow, body: Callable[[], bytes | None]) -> None:
        """A stream has begun; `body` gives what has arrived so far."""
        self._streams[flow.id] = _Stream(flow, body)

    def ended(self, flow: http.HTTPFlow) -> None:
        """It has ended."""
        self._streams.pop(flow.id, None)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL)
            if self._streams and _is_watched():
                self._show()

    def _show(self) -> None:
        """Those that were not shown for the longest time first, while there is time."""
        end = time.perf_counter() + _INTERVAL * _SHARE
        for name in list(self._streams):
            stream = self._streams.pop(name)
            self._streams[name] = stream
            stream.show()
            if time.perf_counter() > end:
                return


class _Stream:
    def __init__(self, flow: http.HTTPFlow, body: Callable[[], bytes | None]) -> None:
        self._flow = flow
        self._body = body
        self._shown = 0

    def show(self) -> None:
        body = self._body()
        if not self._flow.response or body is None or len(body) == self._shown:
            return
        self._shown = len(body)
        self._flow.response.data.content = body
        ctx.master.addons.trigger(hooks.UpdateHook([self._flow]))


def _is_watched() -> bool:
    """Whether a page of mitmweb is open, or it is mitmproxy's console."""
    if not hasattr(ctx.master, "view"):
        return False  # mitmdump
    web = sys.modules.get("mitmproxy.tools.web.app")
    return not hasattr(ctx.master, "web_url") or bool(web and web.ClientConnection.connections)
