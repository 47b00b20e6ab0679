"""`vast-intercept rehearse FILE`: an app's recorded calls, made on Vast."""

import sys
from pathlib import Path
from typing import Any, NoReturn

import click

_BAD_INPUT = 2
# As shells have it for a command that SIGINT has ended.
_INTERRUPTED = 130


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--endpoint", metavar="NAME", help="Vast endpoint (option vast_endpoint).")
@click.option("--config", metavar="PATH", help="Configuration file (option vast_config).")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Make the first N calls.")
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(1, 1_000),
    default=4,
    show_default=True,
    help="Calls that run at the same time.",
)
@click.option(
    "--runs",
    metavar="N",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Make each call so often, to tell chance from the move.",
)
@click.option("--yes", is_flag=True, help="Do not ask before calls are made.")
@click.option("--fresh", is_flag=True, help="Forget earlier results, and make all calls anew.")
@click.option(
    "--set", "settings", metavar="NAME=VALUE", multiple=True, help="mitmproxy option to set."
)
def rehearse(*, yes: bool, **given: Any) -> None:
    """Make an app's recorded calls on Vast, and compare the answers with those of its provider.

    FILE is what `vast-intercept record` has written. Says first what it will do, and asks. No call
    is ever sent to the provider. What came of each call is kept in FILE.rehearsal, so that an
    interrupted rehearsal goes on where it was.

    Exits with 2 if it cannot be made, and with 130 if it was interrupted.
    """
    # Not before it is needed: mitmproxy takes half a second.
    from ..rehearsal import rehearse as whole  # noqa: PLC0415

    options = whole.RehearseOptions(**given)
    try:
        config = whole.load(options)
        plan = whole.plan_of(options, config)
        with whole.open_results(options, config) as results:
            left = whole.missing(options, config, results)
            total = plan.calls * plan.runs
            if left:
                click.echo(f"{left} of {total} calls", err=True)
                _ask(yes=yes)
                whole.make_calls(options, config, results, total=total, left=left)
    except (KeyboardInterrupt, click.Abort):
        _fail("Interrupted.", _INTERRUPTED)
    except whole.InterruptedRehearsalError as error:
        _fail(str(error), _INTERRUPTED)
    except whole.FAILURES as error:
        _fail(str(error), _BAD_INPUT)


def _ask(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        _fail("There is no terminal to ask on: pass --yes to make the calls.", _BAD_INPUT)
    click.confirm("Make these calls?", abort=True, err=True)


def _fail(text: str, code: int) -> NoReturn:
    click.echo(f"vast-intercept rehearse: {text}", err=True)
    sys.exit(code)
