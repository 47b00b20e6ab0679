"""`vast-intercept ca`: the CA that apps must trust, and how to have them trust it."""

import os
import shlex
import sys
from pathlib import Path

import click

from ..certificates.own_ca import (
    DEFAULT_CONFDIR,
    CaError,
    CertificateAuthority,
    ca_in,
    make_ca_in,
)
from ..certificates.system_store import SystemTrust

_HOW = """
One app               vast-intercept run -- COMMAND
One shell             eval "$(vast-intercept env)"
This system           vast-intercept ca --install        (as root; undone with --uninstall)

Debian, Ubuntu        sudo cp {path} /usr/local/share/ca-certificates/vast-intercept.crt
                      sudo update-ca-certificates
Fedora, RHEL          sudo cp {path} /etc/pki/ca-trust/source/anchors/vast-intercept.pem
                      sudo update-ca-trust
macOS                 sudo security add-trusted-cert -d -p ssl -p basic \\
                        -k /Library/Keychains/System.keychain {path}
Windows               certutil -addstore root mitmproxy-ca-cert.cer        (as administrator)
Firefox               Settings, Privacy & Security, View Certificates, Authorities, Import:
                      {file}
Chromium, Chrome      vast-intercept run --nss -- COMMAND, or for good, with NSS's certutil:
                      certutil -A -d sql:$HOME/.pki/nssdb -n vast-intercept -t C,, -i {path}
                      (without a folder ~/.pki/nssdb: sql:$HOME/.local/share/pki/nssdb)
Java                  keytool -importcert -cacerts -noprompt -storepass changeit \\
                        -alias vast-intercept -file {path}
Docker                docker run $(vast-intercept env --format docker) IMAGE
                      or in the Dockerfile of a Debian image:
                      COPY mitmproxy-ca-cert.pem /usr/local/share/ca-certificates/vast-intercept.crt
                      RUN update-ca-certificates
Android               Settings, Security, Encryption & credentials, Install a certificate, CA
                      certificate: mitmproxy-ca-cert.cer. Apps that target Android 7 or later trust
                      it only if their network security configuration says so.
"""


@click.command()
@click.option(
    "--confdir",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_CONFDIR,
    show_default=True,
    help="mitmproxy's folder, where the CA is.",
)
@click.option("--install", "change", flag_value="install", help="Have this system trust it.")
@click.option("--uninstall", "change", flag_value="uninstall", help="Undo that.")
def ca(*, confdir: Path, change: str | None) -> None:
    """Show the CA that apps must trust, which is made if there is none, and how to trust it."""
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
            click.echo(_describe(found))
            found.check_validity()
    except CaError as error:
        click.echo(f"vast-intercept: {error}", err=True)
        sys.exit(1)


def _describe(found: CertificateAuthority) -> str:
    how = _HOW.format(path=shlex.quote(str(found.path)), file=found.path)
    return (
        f"CA            {found.path}\n"
        f"SHA-256       {found.fingerprint}\n"
        f"Valid until   {found.expires:%Y-%m-%d}\n"
        "\n"
        "Whoever has the private key beside it can read what apps that trust it send. How to have\n"
        f"them trust it:\n{how}"
    ).rstrip()
