"""Which process of this machine is at the other end of a connection."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ..certificates.trust_files import CA_VARIABLES
from ..telemetry.wording import printable

_MAX_BUNDLE = 16 * 1024 * 1024
# Some processes overwrite their environment with a title, as Chromium's do.
_MAX_PARENTS = 4
_OURS = "vast-intercept"
# The beginnings of their processes' names.
_CHROMIUM = ("chrom", "google-chrome", "brave", "msedge", "opera", "vivaldi")

type Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Process:
    """What was known of a process when it was looked up."""

    name: str
    pid: int
    #: Whether it is in a jail: what comes out of one comes from the `run` that made it.
    jailed: bool = False
    #: Whether its variables name a file with the interceptor's CA.
    has_our_ca: bool = False

    def __str__(self) -> str:
        name = printable(self.name)  # which is whatever the process wants
        return "The app in the jail" if self.jailed else f"{name} (process {self.pid})"

    @property
    def reads_nss(self) -> bool:
        """Whether it is a browser that is made of Chromium, which reads no variable with CAs."""
        return not self.jailed and self.name.startswith(_CHROMIUM)

    @property
    def is_check(self) -> bool:
        """Whether it is `vast-intercept check`, which looks at certificates without calling."""
        return not self.jailed and self.name == _OURS

    @property
    def identity(self) -> str:
        """A text that is the same for all processes of one app."""
        return f"{self.name} {self.jailed} {self.has_our_ca}"


def _holds(file: Path, ca: bytes) -> bool:
    try:
        with file.open("rb") as opened:
            return ca in opened.read(_MAX_BUNDLE)
    except OSError:
        return False


def find_process(client: Address, proxy: Address, ca: bytes) -> Process | None:
    """The process that has the connection from `client` to `proxy`, if that can be found out.

    `ca` is the interceptor's CA (PEM). This walks through the open files of all processes, which
    takes some milliseconds. An ordinary user sees only their own.
    """
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.pid and (connection.laddr, connection.raddr) == (client, proxy):
                return _describe(psutil.Process(connection.pid), ca)
    return None


def _describe(process: psutil.Process, ca: bytes) -> Process:
    arguments = process.cmdline()
    jailed = "--jail" in arguments and any(
        Path(argument).name == "vast-intercept" for argument in arguments[:3]
    )
    has_our_ca = any(_was_given(each, ca) for each in (process, *process.parents()[:_MAX_PARENTS]))
    return Process(process.name(), process.pid, jailed, has_our_ca)


def _was_given(process: psutil.Process, ca: bytes) -> bool:
    """Whether its variables name a file with the CA (PEM)."""
    try:
        environ = process.environ()
    except (psutil.Error, OSError):
        return False
    files = {environ[name] for name in CA_VARIABLES if name in environ}
    return any(_holds(Path(file), ca.strip()) for file in files)
