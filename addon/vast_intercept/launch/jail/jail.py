"""The jail from outside: starts its parts, in the order in which they need each other."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from ..app import cannot_run, find_command, forward_signals
from .forwarder import Address, Forwarder
from .network import Network, bare_environment
from .problems import JailError, why_forbidden
from .rules import FORWARDER_ADDRESS, redirect_command

_INSIDE = Path(__file__).with_name("inside.py")
_MAX_MESSAGE = 64 * 1024
_MAX_SOCKETS = 64
_STEP_SECONDS = 20.0
_FORBIDDEN = {errno.EPERM, errno.ENOSPC, errno.EUSERS}
# How long an app that was asked to end may take.
_LAST_SECONDS = 5.0
# Folders of network tools, which are not on every user's PATH.
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


class Jail(AbstractContextManager["Jail"]):
    """Namespaces with a way out, in which one command can be run.

    Everything in the jail ends when this process does, whatever ends it: the jail's first process
    sees the socket between them closed and exits, and the kernel kills all others in its namespace.
    """

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], allowed: Sequence[Address]
    ) -> None:
        """Makes the namespaces and their network, but does not start the command yet.

        `environ` is this process's environment. `allowed` are addresses on the host's loopback that
        the app may reach. Raises JailError.
        """
        if not hasattr(os, "unshare"):
            raise JailError("The jail is made of Linux's namespaces: there is none elsewhere.")
        self._command = list(command)
        self._network: Network | None = None
        self._forwarder: Forwarder | None = None
        self._listening: list[socket.socket] = []
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.settimeout(_STEP_SECONDS)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_INSIDE), str(theirs.fileno()), *command],
                env=bare_environment(environ),
                pass_fds=[theirs.fileno()],
            )
        try:
            self._hear("unshared")
            self._write_maps()
            self._say(listen=[FORWARDER_ADDRESS, *allowed])
            _, descriptors = self._hear("listening", _MAX_SOCKETS)
            self._listening = [socket.socket(fileno=each) for each in descriptors]
            self._network = Network(self._process.pid, _find_tool)
        except BaseException:
            self.__exit__()
            raise

    def start(
        self,
        interceptor: Address,
        ports: Iterable[int],
        mounts: Sequence[tuple[str, str]],
        environ: Mapping[str, str],
    ) -> None:
        """Starts the command, with the environment `environ`. Raises JailError or CannotRunError.

        `interceptor` is the proxy's address, `ports` are the providers' ports, and `mounts` are
        pairs of a file and the path at which the app finds it.
        """
        redirect = redirect_command(ports, _find_tool)
        redirected, *allowed = self._listening
        self._listening = []
        self._forwarder = Forwarder(redirected, interceptor, allowed)
        path = find_command(self._command[0], environ)
        # An environment may be larger than a message.
        with open(os.memfd_create("environment"), "wb+", buffering=0) as file:  # noqa: PTH123
            file.write(b"\0".join(os.fsencode(f"{name}={environ[name]}") for name in environ))
            order = {"redirect": redirect, "mounts": list(mounts), "path": path}
            socket.send_fds(self._link, [json.dumps(order).encode()], [file.fileno()])
        self._hear("started")

    def wait(self, look: Callable[[], None]) -> int:
        """Passes signals on until the app has ended (see `forward_signals`). Returns its status."""
        forward_signals(self._process.pid, self._send_signal, look)
        self._process.returncode = 0  # it has been waited for
        self._link.settimeout(0)
        try:
            message, _ = self._hear("ended")
        except JailError:
            return int(signal.SIGKILL)  # which is what ended the jail, with all that was in it
        return int(message["ended"])

    def end_soon(self) -> None:
        """Asks the app to end, and kills it if it has not ended after five seconds."""
        self._send_signal(signal.SIGTERM)
        timer = threading.Timer(_LAST_SECONDS, self._link.shutdown, [socket.SHUT_RDWR])
        timer.daemon = True
        timer.start()

    def died(self) -> str | None:
        """Why the jail's network has ended though it should run, or None."""
        return self._network.died() if self._network else None

    def _send_signal(self, number: int) -> None:
        with suppress(OSError):
            self._say(signal=number)

    def __exit__(self, *_: object) -> None:
        """Ends everything in the jail, and what was started for it outside."""
        self._link.close()
        if self._process.poll() is None:
            self._process.wait()
        for each in self._listening:
            each.close()
        if self._network:
            self._network.close()
        if self._forwarder:
            self._forwarder.close()

    def _write_maps(self) -> None:
        """Maps user and group ids: root's jail has all ids, and any other user is root in it."""
        root = os.geteuid() == 0
        folder = Path("/proc", str(self._process.pid))
        try:
            if not root:
                (folder / "setgroups").write_text("deny", "ascii")
            for name, own in (("uid_map", os.geteuid()), ("gid_map", os.getegid())):
                (folder / name).write_text(_same_ids(name) if root else f"0 {own} 1", "ascii")
        except OSError as error:
            raise JailError(why_forbidden("mapping ids", error.errno or 0)) from None

    def _say(self, **message: Any) -> None:
        self._link.send(json.dumps(message).encode())

    def _hear(self, expected: str, sockets: int = 0) -> tuple[Any, list[int]]:
        """Waits for the message with the expected key, and for sockets that may come with it.

        Raises JailError or CannotRunError if another message says what has failed.
        """
        try:
            message, descriptors, _, _ = socket.recv_fds(self._link, _MAX_MESSAGE, sockets)
        except OSError as error:
            raise JailError(f"The jail does not answer: {error}.") from None
        if not message:
            raise JailError("The jail has ended before its time.")
        said = json.loads(message)
        if expected in said:
            return said, descriptors
        step, number = said["failed"], said["errno"]
        if step == "exec":
            raise cannot_run(self._command[0], OSError(number, os.strerror(number)))
        if number in _FORBIDDEN or "not permitted" in said["message"]:
            raise JailError(why_forbidden(step, number))
        raise JailError(f"The jail cannot be made. {step}: {said['message']}")


def _same_ids(name: str) -> str:
    """The map that keeps every id of this namespace as it is. `name` is uid_map or gid_map."""
    lines = Path("/proc/self", name).read_text("ascii").splitlines()
    return "".join(f"{inside} {inside} {count}\n" for inside, _, count in map(str.split, lines))


def _find_tool(name: str) -> str | None:
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=f"{path}:{_SYSTEM_PATH}")
