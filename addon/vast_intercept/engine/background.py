"""The interceptor as another process starts it: `python -m vast_intercept.engine.background FD`.

FD is a socket. The other side sends an `Order`; this side answers with `Ready` once it listens, and
with `Ended` once its last call has ended. It ends when the other side closes its end of the socket,
for whatever reason.
"""

import asyncio
import os
import socket
import sys
from functools import partial

import msgspec
from mitmproxy import ctx

from ..intercept.addon import VastIntercept
from ..mitm.master import page_url
from .masters import InspectingMaster, LeanMaster, run_master
from .messages import Ended, Order, Ready


class Reporter:
    """Tells the process that started this one how the interceptor is."""

    name = "vast_reporter"

    def __init__(self, interceptor: VastIntercept, connection: socket.socket) -> None:
        self._interceptor = interceptor
        self._connection = connection

    def running(self) -> None:
        """Reports that the proxy listens, and watches for the other side's end from then on."""
        self._send(Ready(self._interceptor.status(), page_url()))
        asyncio.get_running_loop().add_reader(self._connection, self._closed)

    def done(self) -> None:
        """Reports the numbers of all calls, which have ended by now."""
        interceptor = self._interceptor
        self._send(Ended(interceptor.status().tally, interceptor.recording.recorded))

    def _closed(self) -> None:
        asyncio.get_running_loop().remove_reader(self._connection)
        ctx.master.shutdown()

    def _send(self, message: Ready | Ended) -> None:
        try:
            self._connection.sendall(msgspec.json.encode(message) + b"\n")
        except OSError:
            ctx.master.shutdown()  # the other process has ended


def main(descriptor: int) -> None:
    """Runs an interceptor until the other side of the socket is closed."""
    sys.argv[0] = "vast-intercept"  # mitmproxy's error messages begin with it
    with socket.socket(fileno=descriptor) as connection:
        connection.set_inheritable(False)
        with connection.makefile("rb") as lines:
            line = lines.readline()
        if not line:
            return  # the other process has ended before it sent its order
        order = msgspec.json.decode(line, type=Order)
        run_master(
            InspectingMaster if order.web else LeanMaster,
            [os.fsdecode(argument) for argument in order.arguments],
            herald=partial(Reporter, connection=connection),
            of_run=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]))
