"""mitmproxy with the interceptor built in: lean, as mitmdump, or as mitmweb."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mitmproxy import ctx, exceptions, options

from ..intercept.addon import VastIntercept
from ..mitm.direct_hooks import check_no_types
from ..mitm.master import configure, leave_out_refused_certificates, put_first
from ..mitm.programs import (
    DumpMaster,
    ErrorCheck,
    Master,
    MinimalMaster,
    WebMaster,
    cmdline,
    run,
    transform_pages,
)
from ..mitmweb.page_style import COLUMNS, PageStyle
from .banner import Banner
from .key_variables import hide_variables

type Herald = Callable[[VastIntercept], object]
"""Makes the addon that tells whoever started the interceptor that it listens."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_FILTERS = ("save_stream_filter", "readfile_filter", "dumper_filter")


class _WithInterceptor(Master):
    interceptor: VastIntercept
    #: Options that neither the command line nor mitmproxy's own file of options changes.
    fixed: Mapping[str, Any] = _NOTHING

    def add_interceptor(self, herald: Herald, *, of_run: bool) -> None:
        """Adds the addon in front of all that show flows, and one that tells when it listens."""
        self.interceptor = VastIntercept(of_run=of_run)
        leave_out_refused_certificates()
        self.addons.add(self.interceptor, herald(self.interceptor))
        put_first(self, self.interceptor)

    async def run(self) -> None:
        try:
            self.options.update(**self.fixed)
            configure(self, self.interceptor)
        except exceptions.OptionsError as error:
            print(f"{sys.argv[0]}: {error}", file=sys.stderr)
            sys.exit(1)
        # The apps of whoever runs this can read what /proc shows of it.
        hide_variables(self.interceptor.config.all_key_variables)
        await super().run()


class LeanMaster(MinimalMaster, _WithInterceptor):
    """mitmproxy with just what intercepting needs."""

    def add_interceptor(self, herald: Herald, *, of_run: bool) -> None:
        super().add_interceptor(herald, of_run=of_run)
        check_no_types()
        self.addons.add(ErrorCheck())


class FullMaster(DumpMaster, _WithInterceptor):
    """mitmdump."""


class InspectingMaster(WebMaster, _WithInterceptor):
    """mitmweb."""

    def __init__(self, opts: options.Options) -> None:
        super().__init__(opts)
        opts.update(web_columns=COLUMNS)
        transform_pages(self, PageStyle)


type Kind = type[LeanMaster | FullMaster | InspectingMaster]


def run_master(
    kind: Kind,
    arguments: Sequence[str],
    *,
    herald: Herald = Banner,
    of_run: bool = False,
    fixed: Mapping[str, Any] = _NOTHING,
) -> None:
    """Runs an interceptor in this process until it is told to end.

    `arguments` are mitmproxy's, as on its command line. `of_run` says that it is the interceptor of
    `vast-intercept run`. `fixed` are options that hold whatever is set elsewhere: mitmproxy's own
    file of options would win over the arguments.
    """

    def make(opts: options.Options) -> _WithInterceptor:
        master = kind(opts)
        master.fixed = fixed
        master.add_interceptor(herald, of_run=of_run)
        return master

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
