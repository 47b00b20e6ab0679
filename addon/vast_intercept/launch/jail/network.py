"""The jail's way out: slirp4netns or pasta, a process outside of the jail."""

import os
import select
import subprocess
from collections.abc import Callable, Mapping

from .problems import JailError, missing_tool, no_tun_device
from .replaced_files import RESOLVER

_READY_SECONDS = 10.0
_END_SECONDS = 5.0
_MTU = "65520"
_OWN_VARIABLES = ("PATH", "LD_LIBRARY_PATH")
# pasta would run on if the process that started it were killed.
_UNTIL_STDIN_ENDS = '"$0" "$@" </dev/null & read -r end; kill $!; wait'


class Network:
    """The way out of a process's network namespace, until `close`.

    Neither tool lets the jail reach the host's loopback, and both end when this process does.
    """

    def __init__(self, pid: int, find: Callable[[str], str | None]) -> None:
        """Starts the first tool that `find` has a path for, and waits for the network of `pid`.

        Raises JailError.
        """
        try:
            os.close(os.open("/dev/net/tun", os.O_RDWR))
        except OSError as error:
            raise JailError(no_tun_device(error.errno or 0)) from None
        # pasta that is started as root gives root up, and with it the right to this (FACTS C9).
        instead = "" if os.geteuid() == 0 else "pasta"
        ready, ready_theirs = os.pipe()
        # The tool has one end of a pipe as its standard input, and ends when the other is closed.
        end_theirs, self._held = os.pipe()
        with os.fdopen(ready), os.fdopen(ready_theirs) as theirs, os.fdopen(end_theirs):
            if path := find("slirp4netns"):
                self._tool = "slirp4netns"
                command = [
                    *(path, "--configure", f"--mtu={_MTU}", "--disable-host-loopback"),
                    *(f"--ready-fd={ready_theirs}", "--exit-fd=0", str(pid), "tap0"),
                ]
            elif instead and (path := find(instead)):
                self._tool = instead
                command = [
                    *("/bin/sh", "-c", _UNTIL_STDIN_ENDS, path),
                    *("--foreground", "--quiet", "--config-net", "--no-map-gw", "--ipv4-only"),
                    *("-I", "tap0", "-t", "none", "-u", "none", "-T", "none", "-U", "none"),
                    *("-a", "10.0.2.100", "-n", "24", "-g", "10.0.2.2", "--dns-forward", RESOLVER),
                    *("--pid", f"/proc/self/fd/{ready_theirs}", str(pid)),
                ]
            else:
                os.close(self._held)
                raise JailError(missing_tool("slirp4netns", "slirp4netns", instead))
            self._process = subprocess.Popen(
                command,
                pass_fds=[ready_theirs],
                stdin=end_theirs,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=bare_environment(os.environ),
                start_new_session=True,
            )
            theirs.close()
            readable, _, _ = select.select([ready], [], [], _READY_SECONDS)
            if not readable or not os.read(ready, 1):
                raise JailError(f"The jail has no network: {self.close()}")

    def died(self) -> str | None:
        """Why the tool has ended though nobody stopped it, or None while it runs."""
        if self._process.poll() is None:
            return None
        return f"The jail's network has ended: {self.close()}"

    def close(self) -> str:
        """Ends the tool, and returns the last line that it printed."""
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
    """What the jail's own processes get of the environment, since an app can read it in /proc."""
    return {name: environ[name] for name in _OWN_VARIABLES if name in environ}
