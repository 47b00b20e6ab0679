"""The beginning and the end: what runs may end well, within `vast.drain` seconds."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader

from ..dashboard.server import Dashboard
from ..mitm.master import add_commands, asked_to_exit_again, is_exiting
from ..mitm.sockets import tell_once_of_refused_connections, unsent_bytes
from ..relay.serving.server import Relay
from ..repeating import repeat
from .flow_commands import FlowCommands
from .passed_on_calls import PassedOnCalls
from .recording import Recording
from .relayed_calls import RelayedCalls
from .settings import Settings

logger = logging.getLogger(__name__)

# How long clients have to take what mitmproxy holds for them, and how often that is looked at.
_FLUSH_SECONDS = 5.0
_LOOK_AGAIN = 0.02
# Seconds between two looks at which port the dashboard is to listen on.
_LOOK_AFTER = 1.0
# mitmproxy closes sockets of UDP in threads of its own, which crash if Python ends meanwhile (M65).
_LAST_MOMENT = 0.1


@dataclass(eq=False)
class Lifecycle:
    """Starts and stops the relay and the dashboard; in the end, lets the running calls end."""

    name = "vast_lifecycle"

    settings: Settings
    relay: Relay
    relayed: RelayedCalls
    passed_on: PassedOnCalls
    recording: Recording
    #: None if there is no page to show.
    dashboard: Dashboard | None
    _background: list[asyncio.Task[None]] = field(default_factory=list, init=False)

    def load(self, loader: Loader) -> None:
        """Adds the commands."""
        del loader
        add_commands(FlowCommands(self.settings))

    def running(self) -> None:
        """Starts the relay, and what runs beside the calls."""
        tell_once_of_refused_connections()
        self._background = [asyncio.create_task(self.relay.start(), name="start relay")]
        if (page := self.dashboard) and ctx.options.server:  # who just reads a file has no calls
            listening = repeat(
                lambda: page.listen_on(self.settings.config.inspect.port),
                _LOOK_AFTER,
                "The dashboard",
            )
            self._background.append(asyncio.create_task(listening, name="dashboard"))

    def done(self) -> asyncio.Task[None]:
        """Stops everything. mitmproxy awaits it at exit, but not when it reloads a script."""
        return asyncio.create_task(self._stop(), name="stop the Vast interceptor")

    async def _stop(self) -> None:
        if is_exiting():
            ctx.options.update(server=False)
        await self._drain()
        await self.recording.close(self.passed_on.running)
        await self.relay.stop()
        for task in self._background:
            task.cancel()
        if self.dashboard:
            await self.dashboard.close()
        await asyncio.sleep(_LAST_MOMENT)

    async def _drain(self) -> None:
        seconds = self.settings.config.drain
        if running := self.relay.running:
            told = "Shutting down: %d running calls have %g s to end. A second signal ends them."
            logger.info(told, running, seconds)
        told_again = asyncio.create_task(asked_to_exit_again())
        drained = asyncio.create_task(self.relay.drain(seconds))
        try:
            await asyncio.wait({told_again, drained}, return_when=asyncio.FIRST_COMPLETED)
            if not drained.done():
                await self.relay.drain(0)
        finally:
            told_again.cancel()
            drained.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self.relayed.ended()
                while unsent_bytes() or self._calls_to_record():  # noqa: ASYNC110  (mitmproxy has no event for it)
                    await asyncio.sleep(_LOOK_AGAIN)

    def _calls_to_record(self) -> int:
        """How many calls have not ended that are recorded when they do."""
        return self.passed_on.running if self.settings.recording else 0
