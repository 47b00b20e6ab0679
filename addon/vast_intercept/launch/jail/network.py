"""The jail's way out, a process outside of it: slirp4netns, or pasta."""

import os
import select
import subprocess
from collections.abc import Callable

from .files import RESOLVER
from .problems import JailError, missing_tool, no_tun_device

_READY_SECONDS = 10.0
_MTU = "65520"
_TUN = "/dev/net/tun"


class Network:
    """The way out of a process's network namespace, until `close`.

    Neither lets the jail reach the host's loopback. Both end when this process does.
    """

    def __init__(self, pid: int, find: Callable[[str], str | None]) -> None:
        """Raises JailError. Returns when the network is there."""
        _check_tun()
        if tool := find("slirp4netns"):
            self._tool = "slirp4netns"
            self._slirp4netns(tool, pid)
        elif tool := find("pasta"):
            self._tool = "pasta"
            self._pasta(tool, pid)
        else:
            raise JailError(missing_tool("slirp4netns", "slirp4netns", "pasta"))

    def _slirp4netns(self, tool: str, pid: int) -> None:
        ready, ready_theirs = os.pipe()
        exit_theirs, self._exit = os.pipe()
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            [
                *(tool, "--configure", f"--mtu={_MTU}", "--disable-host-loopback"),
                *(f"--ready-fd={ready_theirs}", f"--exit-fd={exit_theirs}", str(pid), "tap0"),
            ],
            pass_fds=[ready_theirs, exit_theirs],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.close(ready_theirs)
        os.close(exit_theirs)
        try:
            readable, _, _ = select.select([ready], [], [], _READY_SECONDS)
            if not readable or not os.read(ready, 1):
                raise JailError(f"The jail has no network: {self._last_words()}")
        finally:
            os.close(ready)

    def _pasta(self, tool: str, pid: int) -> None:
        self._exit = -1
        self._process = subprocess.Popen(
            [
                *(tool, "--foreground", "--config-net", "--no-map-gw", "--quiet"),
                *("-t", "none", "-u", "none", "-T", "none", "-U", "none"),
                *("-a", "10.0.2.100", "-n", "24", "-g", "10.0.2.2", "--dns-forward", RESOLVER),
                *("-I", "tap0", str(pid)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def died(self) -> str | None:
        """Why it has ended though nobody stopped it, or None while it runs."""
        if self._process.poll() is None:
            return None
        return f"The jail's network has ended: {self._last_words()}"

    def close(self) -> None:
        """Ends it."""
        if self._exit >= 0:
            os.close(self._exit)
            self._exit = -1
        self._last_words()

    def _last_words(self) -> str:
        self._process.terminate()
        try:
            output, _ = self._process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, _ = self._process.communicate()
        lines = output.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"{self._tool} does not answer."


def _check_tun() -> None:
    try:
        os.close(os.open(_TUN, os.O_RDWR))
    except OSError as error:
        raise JailError(no_tun_device(error.errno or 0)) from None
