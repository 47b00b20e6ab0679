"""mitmproxy with the interceptor built in: lean, as mitmdump, or as mitmweb."""

import logging
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import partial

from mitmproxy import ctx, exceptions, hooks, http, master, options
from mitmproxy.addons import (
    core,
    disable_h2c,
    dns_resolver,
    errorcheck,
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
from mitmproxy.tools import cmdline
from mitmproxy.tools.dump import DumpMaster
from mitmproxy.tools.main import run
from mitmproxy.tools.web.master import WebMaster

from ..intercept.addon import VastIntercept
from ..mitmweb.page_style import COLUMNS, PageStyle
from .banner import Banner
from .key_variables import hide_variables

type Herald = Callable[[VastIntercept], object]
"""Makes the addon that tells whoever started the interceptor that it listens."""

_FILTERS = ("save_stream_filter", "readfile_filter", "dumper_filter")


class _WithInterceptor(master.Master):
    interceptor: VastIntercept

    def add_interceptor(self, herald: Herald, *, of_run: bool) -> None:
        """Puts the addon in front of all that show flows, so that no key gets past it (FACTS M7).

        But for mitmproxy's check of who may use it, which needs such a key.
        """
        self.interceptor = VastIntercept(of_run=of_run)
        logging.getLogger("mitmproxy.proxy.server").addFilter(_is_not_hinted_at)
        self.addons.add(self.interceptor, herald(self.interceptor))
        chain = self.addons.chain
        chain.remove(self.interceptor)
        check = self.addons.get("proxyauth")
        chain.insert(chain.index(check) + 1 if check else 0, self.interceptor)

    async def run(self) -> None:
        # mitmproxy calls `configure` only for options that were set; the addon needs it once,
        # before the proxy listens.
        everything = hooks.ConfigureHook(set(self.options.keys()))
        try:
            self.addons.invoke_addon_sync(self.interceptor, everything)
        except exceptions.OptionsError as error:
            print(f"{sys.argv[0]}: {error}", file=sys.stderr)
            sys.exit(1)
        # The apps of whoever runs this can read what /proc shows of it.
        hide_variables(self.interceptor.config.key_variables)
        await super().run()


def _is_not_hinted_at(record: logging.LogRecord) -> bool:
    """mitmproxy's line for each connection whose client refuses the certificate.

    The hints say it once for each app, with its name and what helps.
    """
    return not record.getMessage().startswith("Client TLS handshake failed. The client")


class LeanMaster(_WithInterceptor):
    """Just what intercepting needs: every addon that mitmproxy asks costs time (FACTS M12)."""

    def __init__(self, opts: options.Options, herald: Herald, *, of_run: bool) -> None:
        super().__init__(opts)
        # A check of types that mitmproxy makes for every message unless Python runs with -O.
        http.MessageData.__post_init__ = lambda self: None  # type: ignore[method-assign]
        # A line for every connection would be made, and thrown away.
        logging.getLogger("mitmproxy.proxy").setLevel(logging.WARNING)
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
        self.add_interceptor(herald, of_run=of_run)
        self.addons.add(errorcheck.ErrorCheck())


class FullMaster(DumpMaster, _WithInterceptor):
    """mitmdump."""

    def __init__(self, opts: options.Options, herald: Herald, *, of_run: bool) -> None:
        super().__init__(opts)
        self.add_interceptor(herald, of_run=of_run)


class InspectingMaster(WebMaster, _WithInterceptor):
    """mitmweb."""

    def __init__(self, opts: options.Options, herald: Herald, *, of_run: bool) -> None:
        super().__init__(opts)
        opts.update(web_columns=COLUMNS)
        self.app.transforms.insert(0, PageStyle)
        self.add_interceptor(herald, of_run=of_run)


type Kind = type[LeanMaster | FullMaster | InspectingMaster]


def run_master(
    kind: Kind, arguments: Sequence[str], *, herald: Herald = Banner, of_run: bool = False
) -> None:
    """Runs an interceptor in this process until it is told to end.

    `arguments` are mitmproxy's, as on its command line. `of_run` says that it is the interceptor of
    `vast-intercept run`.
    """
    make = partial(kind, herald=herald, of_run=of_run)
    if kind is InspectingMaster:
        run(make, cmdline.mitmweb, arguments)  # type: ignore[arg-type]
    else:
        parser = _lean_parser if kind is LeanMaster else cmdline.mitmdump
        run(make, parser, arguments, _filters)  # type: ignore[arg-type]


def _lean_parser(opts: options.Options) -> ArgumentParser:
    parser: ArgumentParser = cmdline.mitmdump(opts)
    parser.epilog = "More of mitmdump's options are there with --full."
    return parser


def _filters(arguments: Namespace) -> dict[str, str]:
    """A filter expression at the end of the line means what it means to mitmdump."""
    text = " ".join(arguments.filter_args)
    return {name: text for name in _FILTERS if name in ctx.options} if text else {}
