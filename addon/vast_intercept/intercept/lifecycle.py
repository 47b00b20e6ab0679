"""What runs beside the calls, and the end: what runs may end well, within `vast.drain` seconds."""

import asyncio
import contextlib
import logging

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.flow import Flow

from ..dashboard.server import Dashboard
from ..mitm.accepting import tell_once_of_refused_connections
from ..mitm.master import add_commands, asked_to_exit_again, is_exiting
from ..mitm.transports import unsent_bytes
from ..mitmweb.live import LiveStreams
from ..mitmweb.retention import Retention
from ..relay.serving.server import Relay
from .call_interceptor import CallInterceptor
from .flow_commands import Commands
from .settings import Settings

logger = logging.getLogger(__name__)

# How long clients have to take what mitmproxy holds for them, and how often that is looked at.
_FLUSH_SECONDS = 5.0
_LOOK_AGAIN = 0.02
# How often the port and the flows are looked after.
_LOOK_AFTER = 1.0


class Lifecycle:
    """Keeps the dashboard and what is shown going; in the end, lets the running calls end."""

    name = "vast_lifecycle"

    def __init__(
        self,
        settings: Settings,
        relay: Relay,
        calls: CallInterceptor,
        *,
        live: LiveStreams,
        retention: Retention,
        dashboard: Dashboard | None,
    ) -> None:
        self._settings = settings
        self._relay = relay
        self._calls = calls
        self._live = live
        self._retention = retention
        self._dashboard = dashboard
        self._background: list[asyncio.Task[None]] = []

    def load(self, loader: Loader) -> None:
        """Adds the commands."""
        del loader
        add_commands(Commands(self._settings))

    def running(self) -> None:
        """Starts what runs beside the calls."""
        tell_once_of_refused_connections()
        if not ctx.options.server:  # who just reads a file has no calls
            self._dashboard = None
        self._background = [
            asyncio.create_task(self._look_after(), name="look after dashboard and flows"),
            asyncio.create_task(self._live.run(), name="show streams"),
        ]

    async def _look_after(self) -> None:
        well = True
        while True:
            limits = self._settings.config.inspect
            try:
                if self._dashboard:
                    await self._dashboard.listen_on(limits.port)
                self._retention.enforce(limits)
            except Exception:
                if well:  # told once: it comes again every second
                    logger.exception("The dashboard or the list of flows, which is a bug:")
                well = False
            else:
                well = True
            await asyncio.sleep(_LOOK_AFTER)

    def tcp_start(self, flow: Flow) -> None:
        """A flow begins that is no HTTP."""
        self._retention.came_through(flow)

    udp_start = dns_request = tcp_start

    def done(self) -> asyncio.Task[None]:
        """Does it. mitmproxy awaits it at exit, but not when it reloads a script."""
        return asyncio.create_task(self._stop(), name="stop the Vast interceptor")

    async def _stop(self) -> None:
        if is_exiting():
            ctx.options.update(server=False)
        await self._drain()
        await self._relay.stop()
        for task in self._background:
            task.cancel()
        if self._dashboard:
            await self._dashboard.close()

    async def _drain(self) -> None:
        seconds = self._settings.config.drain
        if self._relay.running:
            logger.info(
                "Shutting down: %d running calls have %g s to end. Once more, and they end now.",
                self._relay.running,
                seconds,
            )
        told_again = asyncio.create_task(asked_to_exit_again())
        drained = asyncio.create_task(self._relay.drain(seconds))
        try:
            await asyncio.wait({told_again, drained}, return_when=asyncio.FIRST_COMPLETED)
            if not drained.done():
                await self._relay.drain(0)
        finally:
            told_again.cancel()
            drained.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._calls.ended()
                while unsent_bytes():  # noqa: ASYNC110  (mitmproxy has no event for it)
                    await asyncio.sleep(_LOOK_AGAIN)
