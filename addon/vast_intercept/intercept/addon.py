"""The addon: the parts that hook into mitmproxy, and what they share."""

from collections.abc import Callable

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader

from ..config import Config
from ..dashboard.server import Dashboard
from ..descriptors import Descriptors, raise_limit
from ..hints.hints import Hints
from ..mitm import wire
from ..mitm.direct_hooks import DirectAddonManager, check_types_once
from ..mitm.saving import keep_going, match_asked_urls
from ..mitmweb.live import LiveStreams
from ..mitmweb.notes import MARKERS, original_url
from ..mitmweb.retention import Retention
from ..relay.serving.server import Relay
from ..status import Status
from ..telemetry.monitor import Monitor
from ..telemetry.report import CallReport
from . import masked_log
from .access import AccessControl
from .call_interceptor import CallInterceptor
from .connections import Connections
from .lifecycle import Lifecycle
from .passed_on_calls import PassedOnCalls
from .recording import Recording
from .relayed_calls import RelayedCalls
from .settings import Settings
from .status_page import StatusPage


class VastIntercept:
    """Takes over the connections to the configured providers, and hands their calls to the relay.

    mitmproxy calls the hooks of the addons in `addons`, in this order. `of_run` says that it is
    the interceptor of `vast-intercept run`, which has one app, and no page with numbers.
    """

    name = "vast_intercept"

    def __init__(self, *, of_run: bool = False) -> None:
        relay = Relay()
        self._settings = Settings(relay)
        self._monitor = monitor = Monitor(lambda: self._settings.config, relay.endpoints)
        connections = Connections(self._settings, relay, monitor)
        live = LiveStreams()
        self.recording = Recording(self._settings)
        self._status_page = StatusPage(self._settings, monitor, relay, self.recording)
        descriptors = Descriptors()
        relayed = RelayedCalls(self._settings, relay, monitor)
        passed_on = PassedOnCalls(self._settings, monitor, relayed, connections, self.recording)
        page, calls = self._status_page, (relayed, passed_on)
        dashboard = None if of_run else Dashboard(page.state, monitor.metrics, page.not_ready)
        self.addons = [
            self._settings,
            self.recording,
            connections,
            AccessControl(self._settings, relay, descriptors),
            CallInterceptor(self._settings, monitor, descriptors, live, page, *calls),
            Hints(monitor, of_run=of_run),
            Lifecycle(self._settings, relay, *calls, self.recording, dashboard),
            live,
            Retention(MARKERS.values(), lambda: self._settings.config.inspect),
        ]

    def load(self, loader: Loader) -> None:
        """Changes how mitmproxy finds hooks and recorded answers, what it saves, sends and logs."""
        del loader
        masked_log.install()
        wire.install()
        check_types_once()
        raise_limit()
        DirectAddonManager.take_over(ctx.master.addons)
        match_asked_urls(original_url)
        keep_going(ctx.master.addons)

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._settings.config

    def tell_of_each_call(self, told: Callable[[CallReport], None]) -> None:
        """Has `told` called with the report of each call that ends from now on."""
        self._monitor.listeners.append(told)

    def status(self) -> Status:
        """What it is, and how its calls did so far."""
        return self._status_page.status()
