"""Adds our CA to the system's own list of CAs, and removes it."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .own_ca import CaError, CertificateAuthority

_SECONDS = 120.0
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class _System:
    """How a family of systems adds CAs: a folder, and a command that reads it again."""

    folder: Path
    suffix: str
    command: tuple[str, ...]
    #: What the command needs in addition after a file was removed from the folder.
    after_removal: tuple[str, ...] = ()


_DEBIAN_STYLE = ("update-ca-certificates",)
_FEDORA_STYLE = ("update-ca-trust", "extract")
_SYSTEMS = (
    # openSUSE, whose update-ca-certificates(8) is another one
    _System(Path("/etc/pki/trust/anchors"), ".pem", _DEBIAN_STYLE),
    # Debian, Ubuntu, Alpine: update-ca-certificates(8)
    _System(Path("/usr/local/share/ca-certificates"), ".crt", _DEBIAN_STYLE, ("--fresh",)),
    # Fedora, RHEL, Arch: update-ca-trust(8)
    _System(Path("/etc/pki/ca-trust/source/anchors"), ".pem", _FEDORA_STYLE),
    _System(Path("/etc/ca-certificates/trust-source/anchors"), ".pem", _FEDORA_STYLE),
)


def run_tool(*command: str, seconds: float) -> "subprocess.CompletedProcess[str]":
    """Runs a program that would ask nobody. Raises CaError if it cannot run, or takes longer."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CaError(f"{Path(command[0]).name} does not work: {error}") from None


class SystemTrust:
    """The list of CAs of this system. Raises CaError where it has neither of the two commands."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        path = f"{environ.get('PATH', os.defpath)}:{_SYSTEM_PATH}"
        for system in _SYSTEMS:
            tool = shutil.which(system.command[0], path=path)
            if tool and system.folder.parent.exists():
                self._system, self._tool = system, tool
                return
        raise CaError(
            "This system has neither update-ca-certificates nor update-ca-trust. `vast-intercept"
            " ca` says how its CA can be trusted by hand."
        )

    def _file(self, ca: CertificateAuthority) -> Path:
        # One name for each CA: that of another folder stays as it is.
        name = "vast-intercept-" + ca.fingerprint.replace(":", "")[:8].lower()
        return self._system.folder / f"{name}{self._system.suffix}"

    def install(self, ca: CertificateAuthority) -> Path:
        """Adds the CA, and returns the file that was added. Raises CaError if that fails."""
        file = self._file(ca)
        was_there = file.exists()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(ca.path.read_bytes())
            file.chmod(0o644)
        except OSError as error:
            raise _needs_root(file, error) from None
        try:
            self._update()
        except CaError:
            if not was_there:
                file.unlink()  # or the system's next update would add it, whoever starts that
            raise
        return file

    def uninstall(self, ca: CertificateAuthority) -> Path | None:
        """Removes the CA, and returns the file that was removed, or None if there was none."""
        file = self._file(ca)
        try:
            file.unlink()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _needs_root(file, error) from None
        self._update(*self._system.after_removal)
        return file

    def _update(self, *more: str) -> None:
        name, *arguments = self._system.command
        done = run_tool(self._tool, *arguments, *more, seconds=_SECONDS)
        if done.returncode:
            raise CaError(f"{name} failed:\n{(done.stdout + done.stderr).rstrip()}")


def _needs_root(file: Path, error: OSError) -> CaError:
    return CaError(
        f"{file} cannot be changed: {error.strerror}. That takes root, and HOME (or --confdir) must"
        " still name the folder of your CA: sudo --preserve-env=HOME vast-intercept ca ..."
    )
