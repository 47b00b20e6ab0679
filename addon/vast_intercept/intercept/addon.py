"""The addon: the parts that hook into mitmproxy, and what they share."""

from ..config import Config
from ..relay.server import Relay
from .access import AccessControl
from .calls import CallInterceptor
from .settings import Settings
from .shutdown import Shutdown


class VastIntercept:
    """Takes over the connections to the configured providers, and hands their calls to the relay.

    mitmproxy calls the hooks of the addons in `addons`, in this order.
    """

    name = "vast_intercept"

    def __init__(self) -> None:
        relay = Relay()
        self._settings = Settings(relay)
        calls = CallInterceptor(self._settings, relay)
        self.addons = [
            self._settings,
            AccessControl(self._settings, relay),
            calls,
            Shutdown(self._settings, relay, calls),
        ]

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._settings.config
