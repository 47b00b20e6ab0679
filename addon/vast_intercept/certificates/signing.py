"""Checks of the key and the CA that mitmproxy signs with, before any app gets a certificate."""

from pathlib import Path

from mitmproxy import exceptions
from mitmproxy.options import Options

from .own_ca import CaError, ca_path, cannot_write, read_ca

#: Options of mitmproxy from 12.3.1 on that have it sign with such a key (FACTS M21).
PUBLIC_KEY_OPTIONS = frozenset({"emudhra", "emudhra_old"})


def check_signing_key(options: Options) -> None:
    """Refuses to sign with a key that everybody has. Raises OptionsError."""
    for name in sorted(PUBLIC_KEY_OPTIONS):
        if name in options and getattr(options, name):
            raise exceptions.OptionsError(
                f"The option {name} has mitmproxy sign with the compromised key of a public CA"
                " (eMudhra's), which everybody has: whoever trusts it can be read by anybody on the"
                f" way. Leave {name} out, and have apps trust the CA that mitmproxy has made for"
                " this machine: vast-intercept ca."
            )


def check_authority(confdir: Path) -> None:
    """Checks mitmproxy's folder, before mitmproxy makes or reads the CA in it.

    Raises OptionsError if it cannot be written, or has a CA that is not valid now.
    """
    try:
        ca = ca_path(confdir)
        try:
            ca.parent.mkdir(parents=True, exist_ok=True)
            if ca.exists():
                read_ca(ca).check_validity()
            else:
                probe = ca.with_name(".vast-intercept")
                probe.touch()
                probe.unlink()
        except OSError as error:
            raise cannot_write(ca.parent, error) from None
    except CaError as error:
        raise exceptions.OptionsError(str(error)) from None
