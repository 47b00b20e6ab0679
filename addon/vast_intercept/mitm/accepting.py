"""mitmproxy's listening sockets, and what they do when no file descriptors are left (M42, M63)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..descriptors import LOCAL_ERRORS
from ..warn_once import WarnOnce
from .transports import proxy_server

logger = logging.getLogger(__name__)

_LOOK_AGAIN = 0.05  # seconds


class Accepting:
    """mitmproxy's listening sockets, from which nothing is taken while there is no room.

    Clients that connect meanwhile wait, instead of being refused. asyncio accepts up to a hundred
    connections at a time, and offers no way to pause that (FACTS M42, M63).
    """

    def __init__(self, has_room: Callable[[], bool]) -> None:
        self._has_room = has_room
        self._paused: set[asyncio.Server] = set()

    def pause(self) -> None:
        """Takes no connections until there is room."""
        if self._paused:
            return
        loop = asyncio.get_running_loop()
        self._paused = set(_servers())
        for server in self._paused:
            for listening in server.sockets:
                loop.remove_reader(listening.fileno())
        loop.call_later(_LOOK_AGAIN, self._resume)

    def _resume(self) -> None:
        if not self._has_room():
            asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._resume)
            return
        paused, self._paused = self._paused, set()
        for server in paused:
            if server.sockets:  # it was not closed meanwhile
                server._serving = False  # type: ignore[attr-defined]  # noqa: SLF001
                server._start_serving()  # type: ignore[attr-defined]  # noqa: SLF001


def _servers() -> list[asyncio.Server]:
    addon = proxy_server()
    return [
        server
        for instance in (addon.servers if addon else ())
        for server in getattr(instance, "_servers", ())
        if isinstance(server, asyncio.Server)
    ]


def listening() -> list[tuple[str, int]]:
    """Host and port of each socket that mitmproxy listens on."""
    addon = proxy_server()
    return [(str(host), port) for host, port, *_ in addon.listen_addrs()] if addon else []


def tell_once_of_refused_connections() -> None:
    """Logs once that asyncio cannot accept connections, instead of each time (FACTS M42)."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    warn = WarnOnce(logger)

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if (
            isinstance(error, OSError)
            and error.errno in LOCAL_ERRORS
            and str(context.get("message", "")).startswith("socket.accept()")
        ):
            warn("accept", f"A connection cannot be taken now: {error.strerror}.")
        elif before:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
