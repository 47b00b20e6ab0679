"""`vast-intercept env`: what to set so that an app uses a running interceptor."""

import os
import sys
from pathlib import Path

import click

from ..certificates.own_ca import CaError, read_ca
from ..certificates.trust_files import write_trust_files
from ..engine.running import NotRunningError, ask_status
from ..launch.docker import docker_flags
from ..launch.environment import app_variables
from ..launch.shells import FORMATS

#: Beside mitmproxy's CA: where apps that outlive a run find the CAs.
FOLDER = "vast-intercept"


@click.command()
@click.option(
    "-p",
    "--port",
    type=click.IntRange(1, 65535),
    default=8080,
    show_default=True,
    help="Where the interceptor listens.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([*FORMATS, "docker"]),
    default="sh",
    show_default=True,
    help="In whose words.",
)
def env(*, port: int, form: str) -> None:
    """Print the variables that have an app use and trust the running interceptor.

    \b
    sh, bash, zsh   eval "$(vast-intercept env)"
    fish            vast-intercept env --format fish | source
    PowerShell      vast-intercept env --format powershell | Out-String | Invoke-Expression
    Compose         vast-intercept env --format dotenv >vast.env, and env_file: vast.env
    docker          docker run $(vast-intercept env --format docker) IMAGE
    """
    try:
        status = ask_status(port)
        ca = read_ca(Path(status.ca_file))
        ca.check_validity()
        folder = ca.path.parent / FOLDER
        files = write_trust_files(folder, ca, os.environ)
        proxy = f"http://127.0.0.1:{port}"
        if form == "docker":
            # This shell's own variables are not the container's.
            text = docker_flags(app_variables(proxy, files, {}), files)
        else:
            text = FORMATS[form](app_variables(proxy, files, os.environ))
    except (NotRunningError, CaError) as error:
        click.echo(f"vast-intercept: {error}", err=True)
        sys.exit(1)
    click.echo(text)
