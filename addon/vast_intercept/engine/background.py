"""The interceptor as another process starts it: `python -m vast_intercept.engine.background FD`.

FD is a socket. The other side sends one line, `{"arguments": [...], "web": bool}`; this side sends
one when it listens (`Ready`) and one when its last call has ended (`Ended`). It ends when the other
side closes its end, for whatever reason.
"""

import asyncio
import json
import socket
import sys
from functools import partial

import msgspec
from mitmproxy import ctx
from mitmproxy.tools import cmdline
from mitmproxy.tools.main import run
from mitmproxy.tools.web.master import WebMaster

from ..intercept.addon import VastIntercept
from .masters import InspectingMaster, LeanMaster
from .process import Ended, Ready


class Reporter:
    """Tells the process that started this one how it is."""

    name = "vast_reporter"

    def __init__(self, interceptor: VastIntercept, connection: socket.socket) -> None:
        self._interceptor = interceptor
        self._connection = connection

    def running(self) -> None:
        """It listens."""
        master = ctx.master
        web_url = master.web_url if isinstance(master, WebMaster) else None
        self._send(Ready(self._interceptor.status(), web_url))
        asyncio.get_running_loop().add_reader(self._connection, self._closed)

    def done(self) -> None:
        """Its calls have ended."""
        self._send(Ended(self._interceptor.status().tally))

    def _closed(self) -> None:
        asyncio.get_running_loop().remove_reader(self._connection)
        ctx.master.shutdown()

    def _send(self, what: Ready | Ended) -> None:
        try:
            self._connection.sendall(msgspec.json.encode(what) + b"\n")
        except OSError:
            ctx.master.shutdown()  # nobody is there any more


def main(descriptor: int) -> None:
    """Runs until the other side of the socket is closed."""
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    with connection.makefile("rb") as words:
        order = json.loads(words.readline() or b"null")
    if order is None:
        return  # gone before it said what it wants
    sys.argv[0] = "vast-intercept"  # mitmproxy's error messages begin with it
    reporter = partial(Reporter, connection=connection)
    if order["web"]:
        web = partial(InspectingMaster, herald=reporter, of_run=True)
        run(web, cmdline.mitmweb, order["arguments"])  # type: ignore[arg-type]
    else:
        lean = partial(LeanMaster, herald=reporter, of_run=True)
        run(lean, cmdline.mitmdump, order["arguments"])  # type: ignore[arg-type]


if __name__ == "__main__":
    main(int(sys.argv[1]))
