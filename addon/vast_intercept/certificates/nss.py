"""NSS's database, where Chromium looks for CAs: it has ours while an app runs."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .own_ca import CaError, CertificateAuthority
from .system_store import run_tool

_NICKNAME = "vast-intercept"
_SECONDS = 10.0


@contextmanager
def trusted_in_nss(ca: CertificateAuthority, environ: Mapping[str, str]) -> Iterator[None]:
    """Puts the CA into the user's database until the end of the block, if it is not there already.

    Raises CaError if that cannot be done.
    """
    tool = shutil.which("certutil", path=environ.get("PATH"))
    if tool is None:
        raise CaError(
            "--nss needs certutil. On Debian and Ubuntu: apt-get install libnss3-tools;"
            " on Fedora: dnf install nss-tools."
        )
    folder = _folder(environ)

    def certutil(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return run_tool(tool, *arguments, "-d", f"sql:{folder}", seconds=_SECONDS)

    known = certutil("-L", "-n", _NICKNAME, "-a").stdout
    if "".join(known.split()) == "".join(ca.path.read_text().split()):
        yield  # as the user, or another run, wants it
        return
    certutil("-D", "-n", _NICKNAME)  # one from before, which may be left of a run that was killed
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot(folder, str(error.strerror)) from None
    new = [] if (folder / "cert9.db").exists() else [("-N", "--empty-password")]
    for step in (*new, ("-A", "-n", _NICKNAME, "-t", "C,,", "-i", str(ca.path))):
        done = certutil(*step)
        if done.returncode:
            raise _cannot(folder, done.stderr.strip())
    try:
        yield
    finally:
        with suppress(CaError):  # the app has run
            certutil("-D", "-n", _NICKNAME)


def _cannot(folder: Path, why: str) -> CaError:
    return CaError(f"The CA cannot be put into NSS's database {folder}: {why}")


def _folder(environ: Mapping[str, str]) -> Path:
    """The folder that Chromium reads: the old one if it is there, else the new one (FACTS C14)."""
    home = Path(environ.get("HOME") or Path.home())
    old = home / ".pki" / "nssdb"
    if old.is_dir():
        return old
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "pki" / "nssdb"
