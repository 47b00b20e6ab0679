"""`vast-intercept env`: what to set so that an app uses a running interceptor."""

import os
import sys

import click

from ..certificates.own_ca import CaError
from ..engine.running import NotRunningError
from ..launch.exports import FORMS, exports
from .options import interceptor_port


@click.command(short_help="Print the variables that lead apps to the running interceptor.")
@interceptor_port
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    default=FORMS[0],
    show_default=True,
    help="Output format.",
)
def env(*, port: int, form: str) -> None:
    """Print the variables that make an app use and trust the running interceptor.

    \b
    sh, bash, zsh   eval "$(vast-intercept env)"
    fish            vast-intercept env --format fish | source
    PowerShell      vast-intercept env --format powershell | Out-String | Invoke-Expression
    Compose         vast-intercept env --format dotenv >vast.env, and env_file: vast.env
    docker          docker run $(vast-intercept env --format docker) IMAGE
    """
    try:
        click.echo(exports(port, form, os.environ))
    except (NotRunningError, CaError) as error:
        click.echo(f"vast-intercept: {error}", err=True)
        sys.exit(1)
