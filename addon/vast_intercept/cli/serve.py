"""`vast-intercept serve`: the interceptor, listening on this machine only."""

import io
import sys
from argparse import ArgumentParser, Namespace

import click
from mitmproxy import ctx
from mitmproxy.options import Options
from mitmproxy.tools import cmdline
from mitmproxy.tools.main import run

from ..engine.masters import FullMaster, InspectingMaster, LeanMaster

_PASS_THROUGH = {"ignore_unknown_options": True}


@click.command(context_settings=_PASS_THROUGH)
@click.option("--config", metavar="PATH", help="Configuration file (option vast_config).")
@click.option("--endpoint", metavar="NAME", help="Vast endpoint (option vast_endpoint).")
@click.option("--web", is_flag=True, help="With mitmweb, to watch the traffic in a browser.")
@click.option("--full", is_flag=True, help="With all of mitmdump's addons and options.")
@click.argument("mitmproxy_options", nargs=-1, type=click.UNPROCESSED)
def serve(
    config: str | None,
    endpoint: str | None,
    web: bool,
    full: bool,
    mitmproxy_options: tuple[str, ...],
) -> None:
    """Take over apps' calls until interrupted, listening on 127.0.0.1:8080.

    MITMPROXY_OPTIONS are mitmproxy's own, such as -p 9000, --mode, --set or -w FILE. Those of
    mitmproxy's addons that are left out for speed need --full.
    """
    if web and full:
        raise click.UsageError("--web has all of mitmproxy's addons already: leave out --full.")
    arguments = ["--listen-host", "127.0.0.1"]
    if config is not None:
        arguments += ["--set", f"vast_config={config}"]
    if endpoint is not None:
        arguments += ["--set", f"vast_endpoint={endpoint}"]
    arguments += mitmproxy_options
    sys.argv[0] = "vast-intercept serve"  # mitmproxy's error messages begin with it
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a journal gets the log as it is written
    if web:
        run(InspectingMaster, cmdline.mitmweb, arguments)
    elif full:
        run(FullMaster, cmdline.mitmdump, arguments, _filters)
    else:
        run(LeanMaster, _lean_parser, arguments, _filters)


def _lean_parser(opts: Options) -> ArgumentParser:
    parser: ArgumentParser = cmdline.mitmdump(opts)
    parser.epilog = "More of mitmdump's options are there with --full."
    return parser


def _filters(arguments: Namespace) -> dict[str, str]:
    """A filter expression at the end of the line means what it means to mitmdump."""
    if not arguments.filter_args:
        return {}
    names = ("save_stream_filter", "readfile_filter", "dumper_filter")
    text = " ".join(arguments.filter_args)
    return {name: text for name in names if name in ctx.options}
