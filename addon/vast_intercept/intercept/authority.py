"""The CA whose certificates apps get: one that cannot serve is told at once, not by every app."""

from pathlib import Path

from mitmproxy import exceptions

from ..launch.ca import CA_CERT, CaError, cannot_write, read_ca


def check_authority(confdir: Path) -> None:
    """Checks mitmproxy's folder, before mitmproxy makes, or reads, the CA in it.

    Raises OptionsError if it cannot be written, or has a CA that is not valid now.
    """
    folder = confdir.absolute()
    ca = folder / CA_CERT
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if ca.exists():
                read_ca(ca).check_validity()
            else:
                probe = folder / ".vast-intercept"
                probe.touch()
                probe.unlink()
        except OSError as error:
            raise cannot_write(folder, error) from None
    except CaError as error:
        raise exceptions.OptionsError(str(error)) from None
