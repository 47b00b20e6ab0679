"""The addon: the parts that hook into mitmproxy, and what they share."""

from ..config import Config
from ..relay.server import Relay
from ..status import Status, Tally
from .access import AccessControl
from .calls import CallInterceptor
from .hints import Hints
from .settings import Settings
from .shutdown import Shutdown
from .status import StatusPage


class VastIntercept:
    """Takes over the connections to the configured providers, and hands their calls to the relay.

    mitmproxy calls the hooks of the addons in `addons`, in this order.
    """

    name = "vast_intercept"

    def __init__(self) -> None:
        relay = Relay()
        self._settings = Settings(relay)
        tally = Tally()
        self._status_page = StatusPage(self._settings, tally)
        calls = CallInterceptor(self._settings, relay, tally, self._status_page)
        self.addons = [
            self._settings,
            AccessControl(self._settings, relay),
            calls,
            Hints(),
            Shutdown(self._settings, relay, calls),
        ]

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._settings.config

    def status(self) -> Status:
        """What it is, and how its calls did so far."""
        return self._status_page.status()
