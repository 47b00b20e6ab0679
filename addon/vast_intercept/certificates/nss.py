"""NSS's database, where Chromium looks for CAs: it has ours while an app runs."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .own_ca import CaError, CertificateAuthority

_NICKNAME = "vast-intercept"
_SECONDS = 10.0


@contextmanager
def trusted_in_nss(ca: CertificateAuthority, environ: Mapping[str, str]) -> Iterator[None]:
    """Puts the CA into the user's database until the end of the block, if it is not there already.

    Raises CaError if that cannot be done.
    """
    certutil = _Certutil(_folder(environ), environ)
    if certutil.knows(ca):
        yield  # as the user, or another run, wants it
        return
    certutil.add(ca)
    try:
        yield
    finally:
        certutil.remove()


class _Certutil:
    """NSS's own tool `certutil`, for one database."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        path = shutil.which("certutil", path=environ.get("PATH"))
        if path is None:
            raise CaError(
                "--nss needs certutil. On Debian and Ubuntu: apt-get install libnss3-tools;"
                " on Fedora: dnf install nss-tools."
            )
        self._path = path
        self._folder = folder

    def knows(self, ca: CertificateAuthority) -> bool:
        known = self._run("-L", "-n", _NICKNAME, "-a").stdout
        return bool(known) and "".join(known.split()) == "".join(ca.path.read_text().split())

    def add(self, ca: CertificateAuthority) -> None:
        steps: list[tuple[str, ...]] = [("-A", "-n", _NICKNAME, "-t", "C,,", "-i", str(ca.path))]
        if not (self._folder / "cert9.db").exists():
            steps.insert(0, ("-N", "--empty-password"))
        self.remove()  # one from before, which may be left of a run that was killed
        try:
            self._folder.mkdir(0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._cannot(str(error.strerror)) from None
        for step in steps:
            done = self._run(*step)
            if done.returncode:
                raise self._cannot(done.stderr.strip())

    def remove(self) -> None:
        self._run("-D", "-n", _NICKNAME)

    def _cannot(self, why: str) -> CaError:
        return CaError(f"The CA cannot be put into NSS's database {self._folder}: {why}")

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [self._path, *arguments, "-d", f"sql:{self._folder}"]
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,  # it would ask for a password
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return subprocess.CompletedProcess(command, 1, "", str(error))


def _folder(environ: Mapping[str, str]) -> Path:
    """The folder that Chromium reads: the old one if it is there, else the new one (FACTS C14)."""
    home = Path(environ.get("HOME") or Path.home())
    old = home / ".pki" / "nssdb"
    if old.is_dir():
        return old
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "pki" / "nssdb"
