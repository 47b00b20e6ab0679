"""The app as a child process, which finds everything as if it were started directly."""

import errno
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

# Signals that are passed on to the app. The terminal sends SIGTSTP and SIGCONT to both itself.
_FORWARDED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
# Python ignores these signals. The app starts with their default action, as any program does.
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")


def _signals(*names: str) -> set[signal.Signals]:
    """The signals of these names that this system has: Windows lacks some."""
    return {each for each in signal.Signals if each.name in names}


_AWAITED = _signals(*_FORWARDED, "SIGCHLD")


class CannotRunError(Exception):
    """The command does not exist, or may not be run. `code` is a shell's exit code for that."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def hold_signals() -> None:
    """Holds signals back until `forward_signals` reads them, so that none is lost before."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a process that ignores it gets none
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)


def start_app(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Starts a command with the environment. Returns the process ID. Raises CannotRunError.

    Call `hold_signals` before, and `forward_signals` afterwards.
    """
    path = find_command(command[0], environ)
    try:
        return _spawn(path, command, environ)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise cannot_run(command[0], error) from None
        # A script without `#!`: the shell runs it, as with execvp.
        return _spawn("/bin/sh", ["/bin/sh", path, *command[1:]], environ)


def forward_signals(pid: int, send: Callable[[int], None], look: Callable[[], None]) -> int:
    """Gives each signal to `send` until the child `pid` has ended. Returns `os.waitpid`'s status.

    `look` is called when another child may have ended.
    """
    while True:
        number, from_terminal = _next_signal()
        if number == signal.SIGCHLD:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
            look()
        elif not from_terminal:  # the terminal has sent it to the app, too
            send(number)


def _spawn(path: str, command: Sequence[str], environ: Mapping[str, str]) -> int:
    return os.posix_spawn(
        path, list(command), environ, setsigmask=(), setsigdef=_signals(*_IGNORED_BY_PYTHON)
    )


def find_command(name: str, environ: Mapping[str, str]) -> str:
    """The path of a command, found as `execvp` does. Raises CannotRunError."""
    folders = [""] if "/" in name else os.get_exec_path(environ)
    there = [path for folder in folders if (path := Path(folder, name)).exists()]
    for path in there:
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    if there:
        raise CannotRunError(f"{name}: {os.strerror(errno.EACCES)}", 126)
    raise CannotRunError(f"{name}: command not found", 127)


def cannot_run(name: str, error: OSError) -> CannotRunError:
    """The error that tells the user why `exec` has failed for the command `name`."""
    code = 127 if isinstance(error, FileNotFoundError | NotADirectoryError) else 126
    return CannotRunError(f"{name}: {error.strerror}", code)


def _next_signal() -> tuple[int, bool]:
    """The next signal, and whether the terminal sent it."""
    if hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(_AWAITED)
        return info.si_signo, info.si_code > 0  # SI_USER, for one, is not above 0
    number = signal.sigwait(_AWAITED)
    return number, number in {signal.SIGINT, signal.SIGQUIT} and os.isatty(0)


def exit_like(status: int) -> NoReturn:
    """Ends this process as the app has ended: with the app's exit code, or by the same signal."""
    if os.WIFSIGNALED(status):
        import resource  # noqa: PLC0415  (there is none on Windows)

        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the app's core dump is the one to keep
        with suppress(OSError):  # SIGKILL's handler cannot be set
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))
