"""mitmproxy's programs, and what a leaner one is made of (FACTS M62)."""

import logging

from mitmproxy.addons import default_addons
from mitmproxy.addons.errorcheck import ErrorCheck
from mitmproxy.addons.termlog import TermLog
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.tools import cmdline
from mitmproxy.tools.dump import DumpMaster
from mitmproxy.tools.main import run
from mitmproxy.tools.web.master import WebMaster
from tornado.web import OutputTransform

# What is mitmproxy's own, for whoever makes and runs a master.
__all__ = ["DumpMaster", "ErrorCheck", "Master", "WebMaster", "cmdline", "run"]

# Of mitmproxy's addons, by the names of their classes.
_NEEDED = {
    *("Core", "DisableH2C", "DnsResolver", "NextLayer", "Proxyserver", "Save", "SaveHar"),
    *("ScriptLoader", "TlsConfig", "UpdateAltSvc", "UpstreamAuth"),
}


class MinimalMaster(Master):
    """Has just the addons that intercepting needs: each one that mitmproxy asks costs time (M12).

    ErrorCheck is left to whoever adds the last addon: it must come after all others.
    """

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        # Not a line for each connection that begins or ends (FACTS M60).
        logging.getLogger("mitmproxy.proxy").setLevel(logging.WARNING)
        self._termlog_addon = TermLog()
        needed = (each for each in default_addons() if type(each).__name__ in _NEEDED)
        self.addons.add(self._termlog_addon, *needed)


def transform_pages(master: WebMaster, transform: type[OutputTransform]) -> None:
    """Passes each page that mitmweb sends through `transform`, before it is compressed."""
    master.app.transforms.insert(0, transform)
