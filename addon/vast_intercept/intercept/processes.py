"""Which process of this machine is at the other end of a connection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ..inspect.wording import printable
from ..launch.environment import CA_VARIABLES

_MAX_BUNDLE = 16 * 1024 * 1024

type Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Process:
    """A process, as it was when it was looked at."""

    name: str
    pid: int
    jailed: bool = False
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        name = printable(self.name)  # which is whatever the process wants
        return "The app in the jail" if self.jailed else f"{name} (process {self.pid})"

    def was_given(self, ca: bytes) -> bool:
        """Whether its variables name a file with this certificate (PEM)."""
        files = {self.environ[name] for name in CA_VARIABLES if name in self.environ}
        return any(_holds(Path(file), ca.strip()) for file in files)


def _holds(file: Path, ca: bytes) -> bool:
    try:
        with file.open("rb") as opened:
            return ca in opened.read(_MAX_BUNDLE)
    except OSError:
        return False


def find_process(client: Address, proxy: Address) -> Process | None:
    """Whose end of a connection `client` is, if that can be known.

    It walks through the processes' open files, which takes some milliseconds, and shows an ordinary
    user nothing but their own.
    """
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.pid and (connection.laddr, connection.raddr) == (client, proxy):
                return _describe(psutil.Process(connection.pid))
    except (psutil.Error, OSError):
        pass
    return None


def _describe(process: psutil.Process) -> Process:
    arguments = process.cmdline()
    # What comes out of a jail comes from the `run` that made it.
    jailed = "--jail" in arguments and any(
        Path(argument).name == "vast-intercept" for argument in arguments[:3]
    )
    try:
        environ = process.environ()
    except (psutil.Error, OSError):
        environ = {}
    return Process(process.name(), process.pid, jailed, environ)
