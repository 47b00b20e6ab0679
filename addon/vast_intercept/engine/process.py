"""Starts an interceptor in another process, waits until it listens, and stops it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from ..status import Recorded, Status, Tally
from .messages import Ended, Order, Ready

_START_SECONDS = 30.0
# How long `stop` waits at most for the message that all calls have ended.
_STOP_SECONDS = 60.0
_LAST_LINES = 12


def interceptor_arguments(
    config: str | None, endpoint: str | None, record: str | None = None
) -> list[str]:
    """mitmproxy's command line for an interceptor that listens on this machine only.

    `config`, `endpoint` and `record` are the values of options that begin with `vast_`.
    """
    arguments = ["--listen-host", "127.0.0.1"]
    given = {"vast_config": config, "vast_endpoint": endpoint, "vast_record": record}
    for name, value in given.items():
        arguments += ["--set", f"{name}={value}"] if value is not None else []
    return arguments


class StartError(Exception):
    """The interceptor did not start. The message has its last lines."""


class InterceptorProcess:
    """An interceptor in a process that ends when this one does, or closes the socket between them.

    `arguments` are mitmproxy's, `web` says whether it is mitmweb, and `environ` is its environment.
    `log` gets each line that it prints, once it listens.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        log: Callable[[str], None],
        *,
        web: bool,
        environ: Mapping[str, str],
    ) -> None:
        #: Known once it listens.
        self.port = 0
        self.web_url: str | None = None
        self._log = log
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._started = False
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vast_intercept.engine.background", str(theirs.fileno())],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                # Signals of the terminal are for the app: the interceptor ends after it.
                start_new_session=True,
            )
        self._socket = ours
        self._messages = ours.makefile("rb")
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()
        # On the socket, since everyone on this machine can read a process's arguments.
        order = Order(list(map(os.fsencode, arguments)), web)
        with contextlib.suppress(OSError):
            ours.sendall(msgspec.json.encode(order) + b"\n")

    def wait_until_ready(self) -> Status:
        """Waits until it listens, and returns its status. Raises StartError if it does not."""
        self._socket.settimeout(_START_SECONDS)
        try:
            line = self._messages.readline()
        except TimeoutError:
            raise StartError(
                f"The interceptor does not listen after {_START_SECONDS:g} s.{self._last_lines()}"
            ) from None
        if not line:
            self._process.wait()
            self._reader.join()
            raise StartError(f"The interceptor did not start.{self._last_lines()}")
        ready = msgspec.json.decode(line, type=Ready)
        self._started = True
        self.port, self.web_url = ready.status.listening[0][1], ready.web_url
        for said in list(self._lines):
            self._log(said)
        return ready.status

    def died(self) -> str | None:
        """Why the interceptor has ended though nobody stopped it, or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        self._reader.join()
        return f"The interceptor has ended ({how}).{self._last_lines()}"

    def stop(self) -> Tally | Recorded | None:
        """Waits for its calls to end, and ends it. Returns the calls' numbers, if it sent them.

        Those are of what was recorded, if calls were to be.

        A KeyboardInterrupt while it waits ends the interceptor at once.
        """
        try:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(_STOP_SECONDS)
            line = self._messages.readline()
            self._process.wait(_STOP_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return None
        else:
            ended = msgspec.json.decode(line, type=Ended) if line else None
            return (ended.recorded or ended.tally) if ended else None
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends the interceptor at once. Calling it again has no effect."""
        self._socket.close()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _read_output(self) -> None:
        # The system would give this thread the signals that the main one waits for.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        assert self._process.stdout
        with self._process.stdout:
            for raw in self._process.stdout:
                line = raw.decode("utf-8", "replace").rstrip()
                self._lines.append(line)
                if self._started:
                    self._log(line)

    def _last_lines(self) -> str:
        lines = "".join(f"\n    {line}" for line in self._lines)
        return f" Its last lines:{lines}" if lines else " It said nothing."
