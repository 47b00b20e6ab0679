"""`vast-intercept rehearse FILE`: an app's recorded calls, made on Vast and compared."""

import sys
from pathlib import Path
from typing import Any

import click

# As shells have it for a command that SIGINT has ended.
_INTERRUPTED = 130

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Make recorded calls on Vast, and compare the answers.")
@click.argument("file", type=_PATH)
@click.option("--endpoint", metavar="NAME", help="Vast endpoint (option vast_endpoint).")
@click.option("--config", metavar="PATH", help="Configuration file (option vast_config).")
@click.option("--limit", metavar="N", type=click.IntRange(1), help="Make the first N calls only.")
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(1, 1_000),
    default=4,
    show_default=True,
    help="How many calls run at once.",
)
@click.option(
    "--runs",
    metavar="N",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Make each call N times, to tell chance from the move.",
)
@click.option("--yes", is_flag=True, help="Do not ask before calls are made.")
@click.option("--fresh", is_flag=True, help="Forget earlier results, and make all calls again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for machines.")
@click.option("--output", metavar="PATH", type=_PATH, help="The page. Default: FILE.html.")
@click.option("--prices", metavar="PATH", type=_PATH, help="Prices of providers (YAML).")
@click.option("--per-hour", metavar="DOLLARS", help="What all workers cost an hour, together.")
@click.option("--judge", metavar="ENDPOINT", help="Have a model there compare the answers.")
@click.option(
    "--fail-under", "gates", metavar="GATES", help="Exit with 1 below these: served=0.99,json=1."
)
@click.option(
    "--set", "settings", metavar="NAME=VALUE", multiple=True, help="mitmproxy option to set."
)
def rehearse(**given: Any) -> None:
    """Make an app's recorded calls on Vast, and compare the answers with those of its provider.

    FILE is what `vast-intercept record` has written, a HAR file, or has a request body on each
    line. Says first what it will do, and asks. No call is sent to the provider. What came of each
    call is kept in FILE.rehearsal: started again, it goes on where it was.

    Exits with 0, with 1 if a gate fell, with 2 if it cannot be made, and with 130 if it was
    interrupted.
    """
    try:
        # Not before it is needed: mitmproxy takes half a second.
        from .rehearsing import rehearse_and_exit  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)  # click would exit with 1, which is for gates that fell
    rehearse_and_exit(**given)
