"""The limit of file descriptors: raised, and watched so that calls are refused before it is met."""

import errno
import logging
import os
import sys
import time
from collections import deque

from .warn_once import WarnOnce

if sys.platform != "win32":
    import resource

logger = logging.getLogger(__name__)

#: Errors of this machine, which say nothing about the server that was called.
LOCAL_ERRORS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)

# Descriptors that a call opens besides the app's connection: two for the way to the relay, one for
# the way to Vast, and with Vast's own protocol one for the way to its router.
_OF_A_CALL = 4
# What calls leave free for new connections, and what new connections leave free for everything
# else, such as the dashboard: a part of the limit (1/4, 1/8), but no more than so many.
_FOR_CONNECTIONS = 4, 1_024
_FOR_ALL_ELSE = 8, 512
# With so many more than that free, open descriptors are not counted.
_PLENTY = 512
# Seconds after which a call has opened its descriptors.
_OPENED = 1.0
# The part of the time that may be spent on counting.
_SHARE = 0.05
# The soft limit where there is no hard one: more would only make the system's tables large.
_MOST = 1_048_576


def raise_limit() -> None:
    """Raises the soft limit, which is meant for programs that use `select`, to the hard one."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            return  # macOS has a limit of its own below that


class Descriptors:
    """Says whether there is room for another call, and for another connection."""

    def __init__(self) -> None:
        self._limit = 0
        #: How many are free at least, as of the last count; less what was let in since then.
        self._free = 0
        self._count_again = 0.0
        #: When calls were let in that may not have opened theirs yet.
        self._let_in: deque[float] = deque()
        self._warn = WarnOnce(logger)

    def admit_call(self) -> bool:
        """Whether a call may begin. It is taken to have begun then."""
        now = time.monotonic()
        if self._room(now) - _OF_A_CALL < self._part(*_FOR_CONNECTIONS):
            self._warn(
                "calls",
                "There are more calls at once than this process may open files for: those that"
                " are too many are refused. Raise its limit (ulimit -n, LimitNOFILE).",
            )
            return False
        self._free -= _OF_A_CALL
        self._let_in.append(now)
        return True

    def connected(self) -> bool:
        """Notes a connection. Says whether there is room for more."""
        room = self.has_room()
        self._free -= 1
        return room

    def has_room(self) -> bool:
        """Whether more connections may be accepted."""
        return self._room(time.monotonic()) >= self._part(*_FOR_ALL_ELSE)

    def _part(self, share: int, most: int) -> int:
        return min(self._limit // share, most)

    def _room(self, now: float) -> int:
        while self._let_in and self._let_in[0] < now - _OPENED:
            self._let_in.popleft()
        if self._free < self._part(*_FOR_CONNECTIONS) + _PLENTY and now >= self._count_again:
            self._limit, free = _count()
            self._free = free - _OF_A_CALL * len(self._let_in)
            counted = time.monotonic()
            self._count_again = counted + (counted - now) / _SHARE
        return self._free


def _count() -> tuple[int, int]:
    """The limit, and how many of it are free. Where that cannot be told, there are plenty."""
    if sys.platform == "win32":
        return _MOST, _MOST
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return _MOST, _MOST
    try:
        return limit, limit - len(os.listdir("/dev/fd"))  # noqa: PTH208  (several times as fast)
    except OSError as error:
        return limit, 0 if error.errno in LOCAL_ERRORS else limit
