"""The jail's way out, a process outside of it: slirp4netns, or pasta."""

import os
import select
import subprocess
from collections.abc import Callable, Mapping, Sequence

from .files import RESOLVER
from .problems import JailError, missing_tool, no_tun_device

_READY_SECONDS = 10.0
_END_SECONDS = 5.0
_MTU = "65520"
_TUN = "/dev/net/tun"
_OWN_VARIABLES = ("PATH", "LD_LIBRARY_PATH")
# pasta does not end by itself when the one who has started it is killed.
_UNTIL_STDIN_ENDS = '"$0" "$@" </dev/null & read -r end; kill $!; wait'


class Network:
    """The way out of a process's network namespace, until `close`.

    Neither lets the jail reach the host's loopback. Both end when this process does.
    """

    def __init__(self, pid: int, find: Callable[[str], str | None]) -> None:
        """Raises JailError. Returns when the network is there."""
        #: Whose other end the tool has: it ends when this one is closed, however that comes.
        self._held: int
        self._process: subprocess.Popen[bytes]
        _check_tun()
        # pasta that is started as root gives root up, and with it the right to this (FACTS C9).
        instead = "" if os.geteuid() == 0 else "pasta"
        if slirp4netns := find("slirp4netns"):
            self._tool = "slirp4netns"
            self._slirp4netns(slirp4netns, pid)
        elif instead and (pasta := find(instead)):
            self._tool = instead
            self._pasta(pasta, pid)
        else:
            raise JailError(missing_tool("slirp4netns", "slirp4netns", instead))

    def _slirp4netns(self, tool: str, pid: int) -> None:
        exit_theirs, self._held = os.pipe()
        with os.fdopen(exit_theirs):
            self._start(
                lambda ready: [
                    *(tool, "--configure", f"--mtu={_MTU}", "--disable-host-loopback"),
                    *(f"--ready-fd={ready}", f"--exit-fd={exit_theirs}", str(pid), "tap0"),
                ],
                pass_fds=[exit_theirs],
            )

    def _pasta(self, tool: str, pid: int) -> None:
        stdin_theirs, self._held = os.pipe()
        with os.fdopen(stdin_theirs):
            self._start(
                lambda ready: [
                    *("/bin/sh", "-c", _UNTIL_STDIN_ENDS, tool),
                    *("--foreground", "--quiet", "--config-net", "--no-map-gw", "--ipv4-only"),
                    *("-I", "tap0", "-t", "none", "-u", "none", "-T", "none", "-U", "none"),
                    *("-a", "10.0.2.100", "-n", "24", "-g", "10.0.2.2"),
                    *("--dns-forward", RESOLVER, "--pid", f"/proc/self/fd/{ready}", str(pid)),
                ],
                stdin=stdin_theirs,
            )

    def _start(
        self,
        command: Callable[[int], list[str]],
        stdin: int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Starts the tool, and waits until it writes to the descriptor that `command` is given."""
        ready, ready_theirs = os.pipe()
        with os.fdopen(ready), os.fdopen(ready_theirs) as theirs:
            self._process = subprocess.Popen(
                command(ready_theirs),
                pass_fds=[ready_theirs, *pass_fds],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=bare_environment(os.environ),
                start_new_session=True,
            )
            theirs.close()
            readable, _, _ = select.select([ready], [], [], _READY_SECONDS)
            if not readable or not os.read(ready, 1):
                raise JailError(f"The jail has no network: {self._last_words()}")

    def died(self) -> str | None:
        """Why it has ended though nobody stopped it, or None while it runs."""
        if self._process.poll() is None:
            return None
        return f"The jail's network has ended: {self._last_words()}"

    def close(self) -> None:
        """Ends it."""
        self._last_words()

    def _last_words(self) -> str:
        """Has it end, and returns the last line that it printed."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1
        try:
            output, _ = self._process.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return f"{self._tool} does not answer."
        lines = output.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"{self._tool} does not say why."


def bare_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """All that the jail's own processes get: apps can read what /proc shows of them."""
    return {name: environ[name] for name in _OWN_VARIABLES if name in environ}


def _check_tun() -> None:
    try:
        os.close(os.open(_TUN, os.O_RDWR))
    except OSError as error:
        raise JailError(no_tun_device(error.errno or 0)) from None
