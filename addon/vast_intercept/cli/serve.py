"""`vast-intercept serve`: the interceptor, listening on this machine only."""

import io
import sys

import click

from ..engine.masters import FullMaster, InspectingMaster, LeanMaster, run_master
from ..engine.process import interceptor_arguments

_PASS_THROUGH = {"ignore_unknown_options": True}


@click.command(context_settings=_PASS_THROUGH)
@click.option("--config", metavar="PATH", help="Configuration file (option vast_config).")
@click.option("--endpoint", metavar="NAME", help="Vast endpoint (option vast_endpoint).")
@click.option("--record", metavar="FILE", help="Record calls in FILE (option vast_record).")
@click.option("--web", is_flag=True, help="Start mitmweb, to watch the traffic in a browser.")
@click.option("--full", is_flag=True, help="Start mitmdump with all of its addons and options.")
@click.argument("mitmproxy_options", nargs=-1, type=click.UNPROCESSED)
def serve(
    *,
    config: str | None,
    endpoint: str | None,
    record: str | None,
    web: bool,
    full: bool,
    mitmproxy_options: tuple[str, ...],
) -> None:
    """Start the interceptor. It runs until it is interrupted, and listens on 127.0.0.1:8080.

    MITMPROXY_OPTIONS are mitmproxy's own, such as -p 9000, --mode, --set or -w FILE. Some of
    mitmproxy's addons are left out for speed. Their options need --full.
    """
    if web and full:
        raise click.UsageError("--web has all of mitmproxy's addons already: leave out --full.")
    sys.argv[0] = "vast-intercept serve"  # mitmproxy's error messages begin with it
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a journal gets the log as it is written
    kind = InspectingMaster if web else FullMaster if full else LeanMaster
    run_master(kind, [*interceptor_arguments(config, endpoint, record), *mitmproxy_options])
