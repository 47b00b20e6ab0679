"""The beginning and the end: what runs may end well, within `vast.drain` seconds."""

import asyncio
import contextlib
import logging

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader

from ..dashboard.server import Dashboard
from ..mitm.accepting import tell_once_of_refused_connections
from ..mitm.master import add_commands, asked_to_exit_again, is_exiting
from ..mitm.transports import unsent_bytes
from ..relay.serving.server import Relay
from ..repeating import repeat
from .call_interceptor import CallInterceptor
from .flow_commands import FlowCommands
from .settings import Settings

logger = logging.getLogger(__name__)

# How long clients have to take what mitmproxy holds for them, and how often that is looked at.
_FLUSH_SECONDS = 5.0
_LOOK_AGAIN = 0.02
# Seconds between two looks at which port the dashboard is to listen on.
_LOOK_AFTER = 1.0


class Lifecycle:
    """Starts and stops the relay and the dashboard; in the end, lets the running calls end."""

    name = "vast_lifecycle"

    def __init__(
        self, settings: Settings, relay: Relay, calls: CallInterceptor, dashboard: Dashboard | None
    ) -> None:
        self._settings = settings
        self._relay = relay
        self._calls = calls
        self._dashboard = dashboard
        self._background: list[asyncio.Task[None]] = []

    def load(self, loader: Loader) -> None:
        """Adds the commands."""
        del loader
        add_commands(FlowCommands(self._settings))

    def running(self) -> None:
        """Starts the relay, and what runs beside the calls."""
        tell_once_of_refused_connections()
        self._background = [asyncio.create_task(self._relay.start(), name="start relay")]
        if self._dashboard and ctx.options.server:  # who just reads a file has no calls
            listening = repeat(self._listen, _LOOK_AFTER, "The dashboard")
            self._background.append(asyncio.create_task(listening, name="dashboard"))

    async def _listen(self) -> None:
        """Listens on the port that the configuration has now."""
        if self._dashboard:
            await self._dashboard.listen_on(self._settings.config.inspect.port)

    def done(self) -> asyncio.Task[None]:
        """Stops everything. mitmproxy awaits it at exit, but not when it reloads a script."""
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
