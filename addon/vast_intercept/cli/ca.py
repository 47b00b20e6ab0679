"""`vast-intercept ca`: the CA that apps must trust, and how to have them trust it."""

import os
import sys
from pathlib import Path

import click

from ..certificates.how_to_trust import description
from ..certificates.own_ca import DEFAULT_CONFDIR, CaError, ca_in, make_ca_in
from ..certificates.system_store import SystemTrust


@click.command()
@click.option(
    "--confdir",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_CONFDIR,
    show_default=True,
    help="mitmproxy's folder, which has the CA.",
)
@click.option("--install", "change", flag_value="install", help="Make this system trust the CA.")
@click.option("--uninstall", "change", flag_value="uninstall", help="Undo --install.")
def ca(*, confdir: Path, change: str | None) -> None:
    """Show the CA that apps must trust, and how to trust it. Creates the CA if there is none."""
    try:
        # There is nothing to undo for a CA that would have to be made.
        found = ca_in(confdir) if change == "uninstall" else make_ca_in(confdir)
        if change == "install":
            found.check_validity()
            click.echo(f"This system trusts the CA now: {SystemTrust(os.environ).install(found)}")
        elif change == "uninstall":
            removed = SystemTrust(os.environ).uninstall(found)
            click.echo(f"Removed: {removed}" if removed else "This system did not trust the CA.")
        else:
            click.echo(description(found))
            found.check_validity()
    except CaError as error:
        click.echo(f"vast-intercept: {error}", err=True)
        sys.exit(1)
