"""The jail from inside: `python -I -S inside.py FD CMD [ARGUMENTS]`.

This is a script that imports nothing but the standard library, so that it starts at once and no
Python variable of the app's affects it. FD is a socket over which both sides take turns to send
messages in JSON:

    inside                                    outside
    {"unshared": true}                        writes the maps of ids
                                              {"listen": [[address, port], ...]}
    {"listening": true}, with the sockets     starts the network and the interceptor
                                              {"redirect", "mounts", "path"}, with a file:
                                              the environment, NUL between the variables
    {"started": true}                         {"signal": number}, any number of times
    {"ended": status}

When a step fails, {"failed": step, "errno": number, "message": text} is sent instead.
"""

import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from typing import Any, NoReturn

# linux/mount.h and linux/if.h
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_SLAVE = 0x80000
_MS_NOSUID_NODEV_NOEXEC = 0x2 | 0x4 | 0x8
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1

_MAX_MESSAGE = 4 * 1024 * 1024
_BACKLOG = 1024

# Python ignores these signals. The app starts with their default action, as any program does.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
# A terminal sends these to all of its foreground processes. The jail leaves them to the app.
_FOR_THE_APP = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


class StepError(Exception):
    """A step has failed. `report` is the message that tells it outside."""

    def __init__(self, step: str, error: OSError | str) -> None:
        number = error.errno or 0 if isinstance(error, OSError) else 0
        self.report = {"failed": step, "errno": number, "message": str(error)}


class Link:
    """The socket over which the two sides talk."""

    def __init__(self, descriptor: int) -> None:
        self.socket = socket.socket(fileno=descriptor)
        self.socket.set_inheritable(False)  # the app must not have it

    def say(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        """Sends a message, with files or sockets if `descriptors` are given."""
        socket.send_fds(self.socket, [json.dumps(message).encode()], descriptors or [])

    def hear(self) -> tuple[Any, list[int]]:
        """Waits for the next message, and for a file that may come with it.

        Ends this process if the other side has gone.
        """
        message, files, _, _ = socket.recv_fds(self.socket, _MAX_MESSAGE, 1)
        if not message:
            os._exit(1)
        return json.loads(message), files


def main() -> None:
    """Makes the namespaces, and waits until all that runs in them has ended."""
    link = Link(int(sys.argv[1]))
    command = sys.argv[2:]
    ids = os.geteuid(), os.getegid()
    ours = {number for number in _FOR_THE_APP if signal.getsignal(number) != signal.SIG_IGN}
    for number in ours:
        signal.signal(number, signal.SIG_IGN)
    try:
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS | os.CLONE_NEWNET | os.CLONE_NEWPID)
    except OSError as error:
        link.say(StepError("unshare", error).report)
        return
    link.say({"unshared": True})
    order, _ = link.hear()
    init = os.fork()  # the new namespace's first process: all others end with it
    if init:
        link.socket.close()
        os.waitpid(init, 0)
        return
    try:
        _open(link, order)
        _run(link, command, ids, ours)
    except StepError as failed:
        link.say(failed.report)
    os._exit(0)


def _open(link: Link, order: dict[str, Any]) -> None:
    """Brings up the jail's loopback, and opens the sockets that the outside listens on."""
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    listening = [_listen(*address) for address in order["listen"]]
    link.say({"listening": True}, [each.fileno() for each in listening])
    for each in listening:
        each.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise StepError(f"listening at {host}:{port}", error) from None


def _run(link: Link, command: list[str], ids: tuple[int, int], ours: set[signal.Signals]) -> None:
    """Starts the app, and stays its init process until it has ended."""
    order, files = link.hear()
    environ = _read_environment(*files)
    arguments, text = order["redirect"]
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StepError(arguments[0], done.stderr.strip())
    for source, target in order["mounts"]:
        _mount(source, target, None, _MS_BIND)
    # /proc shows the new process ids then. A container that hides parts of /proc forbids this.
    with suppress(StepError):
        _mount("proc", "/proc", "proc", _MS_NOSUID_NODEV_NOEXEC)
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    app = os.fork()
    if not app:
        _be_as_outside(ids, ours)
        _become(link, order["path"], command, environ)
    link.say({"started": True})
    while True:
        readable, _, _ = select.select([link.socket.fileno(), awake], [], [])
        if awake in readable:
            os.read(awake, 4096)
            if (status := _reap(app)) is not None:
                link.say({"ended": status})
                return
        if link.socket.fileno() in readable:
            order, _ = link.hear()
            os.kill(app, order["signal"])


def _read_environment(descriptor: int) -> dict[bytes, bytes]:
    with open(descriptor, "rb") as file:
        file.seek(0)
        variables = file.read().split(b"\0")
    return dict(each.partition(b"=")[::2] for each in variables if each)


def _reap(app: int) -> int | None:
    """Reaps all processes that have ended. Returns the app's status if it is among them."""
    status = None
    with suppress(ChildProcessError):  # no child is left
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            if ended[0] == app:
                status = ended[1]
    return status


def _be_as_outside(ids: tuple[int, int], ours: set[signal.Signals]) -> None:
    """Gives the process the ids and signals it has outside, and no power over the jail."""
    if ids[0] != 0:
        os.unshare(os.CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{ids[0]} 0 1")
        _write("/proc/self/gid_map", f"{ids[1]} 0 1")
    signal.set_wakeup_fd(-1)
    for number in (*ours, *_IGNORED_BY_PYTHON, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def _become(link: Link, path: str, command: list[str], environ: dict[bytes, bytes]) -> NoReturn:
    """Replaces this process by the app."""
    try:
        try:
            os.execve(path, command, environ)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            # A script without `#!`: the shell runs it, as with execvp.
            os.execve("/bin/sh", ["/bin/sh", path, *command[1:]], environ)
    except OSError as error:
        link.say(StepError("exec", error).report)
        os._exit(127)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    encoded = [each and os.fsencode(each) for each in (source, target, kind)]
    if libc.mount(*encoded, ctypes.c_ulong(flags), None):
        number = ctypes.get_errno()
        raise StepError(f"mounting {target}", OSError(number, os.strerror(number)))


if __name__ == "__main__":
    main()
