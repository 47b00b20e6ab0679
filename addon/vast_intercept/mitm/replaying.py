"""Sends the request of a flow as mitmproxy's own replay does (FACTS M69)."""

import asyncio
import logging
import sys
import traceback
from typing import Any

from mitmproxy import ctx, http
from mitmproxy.addons.clientplayback import ReplayHandler

logger = logging.getLogger(__name__)


async def replay(flow: http.HTTPFlow) -> None:
    """Sends the flow's request, and returns once it has its answer or its error.

    All hooks are called as for an app's request, with `flow.is_replay` set. mitmproxy's own command
    `replay.client` sends one flow at a time, or any number. Whoever cancels this closes the flow's
    connections, and then there may be neither answer nor error.
    """
    flow.is_replay = "request"
    flow.response = flow.error = None
    handler = _Replay(flow, ctx.options)
    try:
        await handler.replay()
    finally:
        await handler.close()


class _Replay(ReplayHandler):
    async def close(self) -> None:
        """Closes what is still open: nothing, if the flow has ended."""
        open_ones = [each.handler for each in self.transports.values() if each.handler]
        for handler in open_ones:
            handler.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    def log(self, message: str, level: int = logging.INFO, exc_info: Any = None) -> None:
        super().log(message, level, exc_info)
        if exc_info:
            # mitmproxy has crashed over the flow: no hook will come any more.
            where = "".join(traceback.format_tb(sys.exc_info()[2]))
            logger.error("A replay has crashed, which is a bug:\n%s", where)
            self.done.set()
