"""`vast-intercept run` as a person starts it: with standard input, output and error apart."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from .. import harness

_SECONDS = 60.0
#: What shells and `nohup` ignore for a command in the background.
_IGNORED_BY_NOHUP = (signal.SIGHUP, signal.SIGINT)

#: Says that it runs, then waits for a line, or for its standard input to end.
WAITING = "echo ready; read line; echo got $line"


class Wrapped:
    """A command behind `vast-intercept run`."""

    def __init__(
        self,
        options: Sequence[str],
        command: Sequence[str],
        environ: dict[str, str],
        prefix: Sequence[str] = (),
        verb: str = "run",
    ) -> None:
        with _default_signals():
            self.process = subprocess.Popen(
                [*prefix, harness.tool("vast-intercept"), verb, *options, "--", *command],
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=harness.PROJECT,
            )

    def wait_for_line(self, line: str = "ready") -> None:
        """Waits until the command has printed this."""
        assert self.process.stdout
        read = self.process.stdout.readline()
        assert read == f"{line}\n", read + self.end()[1]

    def tell(self, line: str = "go on") -> None:
        """Writes a line to the command."""
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def children(self) -> list[psutil.Process]:
        """All processes that come from it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, word: str) -> psutil.Process:
        """The one of them that has this word in its command line."""
        found = [each for each in self.children() if word in " ".join(each.cmdline())]
        assert found, [each.cmdline() for each in self.children()]
        return found[0]

    def end(self) -> tuple[str, str]:
        """Closes its standard input, waits for its end, and returns its output and errors."""
        return self.process.communicate(timeout=_SECONDS)

    @property
    def code(self) -> int:
        """Its exit code, or the signal that it died by, negative."""
        assert self.process.returncode is not None
        return self.process.returncode


@contextmanager
def _default_signals() -> Iterator[None]:
    """Has what is started meanwhile find signals as in a terminal, also when the tests ignore them.

    A process inherits that a signal is ignored (as under `nohup`), but no handler.
    """
    ignored = [each for each in _IGNORED_BY_NOHUP if signal.getsignal(each) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def wrapped(
    *command: str,
    options: Sequence[str] = (),
    environ: dict[str, str] | None = None,
    prefix: Sequence[str] = (),
    verb: str = "run",
) -> Iterator[Wrapped]:
    """Starts a command behind `run`. Nothing that came from it may be left in the end."""
    environ = environ or harness.clean_environ(VAST_API_KEY=harness.VAST_KEY)
    started = Wrapped(options, command, environ, prefix, verb)
    try:
        yield started
    finally:
        left = [psutil.Process(started.process.pid), *started.children()] if _runs(started) else []
        for each in left:
            with suppress(psutil.NoSuchProcess):  # the first one took it along
                each.kill()
        started.end()


def _runs(started: Wrapped) -> bool:
    return started.process.poll() is None


def run(
    *command: str,
    options: Sequence[str] = (),
    environ: dict[str, str] | None = None,
    prefix: Sequence[str] = (),
    verb: str = "run",
) -> tuple[int, str, str]:
    """Runs a command behind `run` to its end: exit code, output, errors."""
    with wrapped(*command, options=options, environ=environ, prefix=prefix, verb=verb) as started:
        output, errors = started.end()
        return started.code, output, errors


def gone(*processes: psutil.Process) -> bool:
    """Whether the processes end within some seconds."""
    return not psutil.wait_procs(processes, timeout=10)[1]


def send(process: psutil.Process, number: signal.Signals) -> None:
    """Sends a signal."""
    os.kill(process.pid, number)


def temporary_folders(folder: Path) -> list[Path]:
    """What `run` has left below its TMPDIR."""
    return list(folder.glob("vast-intercept-*"))
