"""mitmproxy's programs, and what a leaner one is made of (FACTS M62)."""

from mitmproxy import http
from mitmproxy.addons import (
    core,
    disable_h2c,
    dns_resolver,
    next_layer,
    proxyserver,
    save,
    savehar,
    script,
    termlog,
    tlsconfig,
    update_alt_svc,
    upstream_auth,
)
from mitmproxy.addons.errorcheck import ErrorCheck
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.tools import cmdline
from mitmproxy.tools.dump import DumpMaster
from mitmproxy.tools.main import run
from mitmproxy.tools.web.master import WebMaster
from tornado.web import OutputTransform

from .log import leave_out_connections

__all__ = [
    "DumpMaster",
    "ErrorCheck",
    "Master",
    "MinimalMaster",
    "WebMaster",
    "cmdline",
    "run",
    "transform_pages",
]


class MinimalMaster(Master):
    """Has just the addons that intercepting needs: each one that mitmproxy asks costs time (M12).

    ErrorCheck is left to whoever adds the last addon: it must come after all others.
    """

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        # A check of types that mitmproxy makes for every message unless Python runs with -O.
        http.MessageData.__post_init__ = lambda self: None  # type: ignore[method-assign]
        leave_out_connections()
        self._termlog_addon = termlog.TermLog()
        self.addons.add(
            self._termlog_addon,
            core.Core(),
            disable_h2c.DisableH2C(),
            proxyserver.Proxyserver(),
            script.ScriptLoader(),
            dns_resolver.DnsResolver(),
            next_layer.NextLayer(),
            save.Save(),
            savehar.SaveHar(),
            tlsconfig.TlsConfig(),
            update_alt_svc.UpdateAltSvc(),
            upstream_auth.UpstreamAuth(),
        )


def transform_pages(master: WebMaster, transform: type[OutputTransform]) -> None:
    """Passes each page that mitmweb sends through `transform`, before it is compressed."""
    master.app.transforms.insert(0, transform)
