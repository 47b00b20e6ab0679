"""`vast-intercept record -- CMD`: an app with its own provider, and a file of its calls."""

import time
from typing import Any

import click

from ..launch.run import RunOptions
from .run import IN_FRONT_OF_A_COMMAND, app_command, start

_DEFAULT_NAME = "calls-%Y%m%d-%H%M%S.flows"


@click.command(context_settings=IN_FRONT_OF_A_COMMAND)
@click.option(
    "-w",
    "file",
    metavar="FILE",
    help="File to record in; +FILE appends. Default: calls-DATE-TIME.flows in this folder.",
)
@app_command
def record(*, file: str | None, dry_run: bool, **given: Any) -> None:
    """Run a command, and record its calls of providers' APIs. They reach the providers as ever.

    Neither a Vast account nor a configuration is needed. Exits as `run` does.
    """
    path = file or time.strftime(_DEFAULT_NAME)
    start(RunOptions(record=path, **given), dry_run=dry_run)
