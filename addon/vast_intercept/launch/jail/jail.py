"""The jail from outside: its parts, in the order in which they need each other."""

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
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..app import cannot_run, find_command, forward_signals
from .network import Network, bare_environment
from .problems import JailError, why_forbidden
from .redirect import RELAY_ADDRESS, redirect_command
from .relay import Address, Relay

_INSIDE = Path(__file__).with_name("inside.py")
_MAX_MESSAGE = 64 * 1024
_MAX_SOCKETS = 64
_STEP_SECONDS = 20.0
# How long an app has to end that was asked to.
_LAST_SECONDS = 5.0
# Where tools for networks are, though not on everyone's PATH.
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


class Jail:
    """Namespaces with a way out, in which one command can be run.

    Everything in it ends when this process does, however: the jail's first process sees the socket
    between them closed, and the kernel ends all others with it.
    """

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], allowed: Sequence[Address]
    ) -> None:
        """Raises JailError. `allowed` are services on the host's loopback that it may reach."""
        if not hasattr(os, "unshare"):
            raise JailError("The jail is made of Linux's namespaces: there is none elsewhere.")
        self._command = list(command)
        self._network: Network | None = None
        self._relay: Relay | None = None
        self._listening: list[socket.socket] = []
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_STEP_SECONDS)
        self._link = ours
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_INSIDE), str(theirs.fileno()), *command],
                env=bare_environment(environ),
                pass_fds=[theirs.fileno()],
            )
        try:
            self._hear("unshared")
            self._write_maps()
            self._say(listen=[RELAY_ADDRESS, *allowed])
            self._listening = self._hear_sockets()
            self._network = Network(self._process.pid, _find_tool)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start(
        self,
        interceptor: Address,
        ports: Iterable[int],
        mounts: Sequence[tuple[str, str]],
        environ: Mapping[str, str],
    ) -> None:
        """Starts the command. Raises JailError, or CannotRunError.

        `ports` are those of the providers; `mounts`, pairs of a file and the one that it replaces;
        `environ` is the app's environment.
        """
        redirect = redirect_command(ports, _find_tool)
        redirected, *allowed = self._listening
        self._listening = []
        self._relay = Relay(redirected, interceptor, allowed)
        path = find_command(self._command[0], environ)
        # An environment may be larger than a message.
        with open(os.memfd_create("environment"), "wb+", buffering=0) as file:  # noqa: PTH123
            file.write(b"\0".join(os.fsencode(f"{name}={environ[name]}") for name in environ))
            order = {"redirect": redirect, "mounts": list(mounts), "path": path}
            socket.send_fds(self._link, [json.dumps(order).encode()], [file.fileno()])
        self._hear("started")

    def wait(self, look: Callable[[], None]) -> int:
        """Passes signals on until the app has ended, and returns how, as `os.waitpid` does."""
        forward_signals(self._process.pid, self._send_signal, look)
        self._process.returncode = 0  # it has been waited for
        self._link.settimeout(0)
        try:
            message = self._hear("ended")
        except JailError:
            return int(signal.SIGKILL)  # which is what ended the jail, with all that was in it
        status: int = message["ended"]
        return status

    def end_soon(self) -> None:
        """Asks the app to end, and ends it if it does not."""
        self._send_signal(signal.SIGTERM)
        timer = threading.Timer(_LAST_SECONDS, self._link.shutdown, [socket.SHUT_RDWR])
        timer.daemon = True
        timer.start()

    def died(self) -> str | None:
        """What of it has ended though it should not have, or None."""
        return self._network.died() if self._network else None

    def _send_signal(self, number: int) -> None:
        with suppress(OSError):
            self._say(signal=number)

    def close(self) -> None:
        """Ends all that is in it, and what was made for it outside."""
        self._link.close()
        if self._process.poll() is None:
            self._process.wait()
        for each in self._listening:
            each.close()
        if self._network:
            self._network.close()
        if self._relay:
            self._relay.close()

    def _write_maps(self) -> None:
        """Who is who in the jail: root all ids as they are, everyone else is root there."""
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

    def _hear(self, expected: str) -> Any:
        return self._understand(self._receive(0)[0], expected)

    def _hear_sockets(self) -> list[socket.socket]:
        message, descriptors = self._receive(_MAX_SOCKETS)
        self._understand(message, "listening")
        return [socket.socket(fileno=descriptor) for descriptor in descriptors]

    def _receive(self, sockets: int) -> tuple[bytes, list[int]]:
        try:
            message, descriptors, _, _ = socket.recv_fds(self._link, _MAX_MESSAGE, sockets)
        except OSError as error:
            raise JailError(f"The jail does not answer: {error}.") from None
        return message, descriptors

    def _understand(self, message: bytes, expected: str) -> Any:
        """The message, if it is the one that was due. Raises what it says otherwise."""
        if not message:
            raise JailError("The jail has ended before its time.")
        said = json.loads(message)
        if expected in said:
            return said
        step, number = said["failed"], said["errno"]
        if step == "exec":
            raise cannot_run(self._command[0], OSError(number, os.strerror(number)))
        if (
            number in {errno.EPERM, errno.ENOSPC, errno.EUSERS}
            or "not permitted" in said["message"]
        ):
            raise JailError(why_forbidden(step, number))
        raise JailError(f"The jail cannot be made. {step}: {said['message']}")


def _same_ids(name: str) -> str:
    """All ids that there are in this namespace, each as itself: pairs that root may map."""
    lines = Path("/proc/self", name).read_text("ascii").splitlines()
    columns = [line.split() for line in lines]
    return "".join(f"{inside} {inside} {count}\n" for inside, _, count in columns)


def _find_tool(name: str) -> str | None:
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=f"{path}:{_SYSTEM_PATH}")
