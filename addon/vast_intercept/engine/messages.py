"""What passes between an interceptor in the background and the process that started it.

Each message is a line of JSON on the socket between them.
"""

import os
from collections.abc import Sequence
from typing import Self

import msgspec

from ..status import Status, Tally


class Order(msgspec.Struct):
    """The first message to the interceptor: what it shall be."""

    #: mitmproxy's command line. In bytes, since JSON holds no path that is not UTF-8.
    encoded: list[bytes]
    #: Whether it is mitmweb.
    web: bool

    @classmethod
    def of(cls, arguments: Sequence[str], *, web: bool) -> Self:
        """An order for an interceptor with mitmproxy's command-line arguments."""
        return cls([os.fsencode(argument) for argument in arguments], web)

    @property
    def arguments(self) -> list[str]:
        """mitmproxy's command-line arguments."""
        return [os.fsdecode(argument) for argument in self.encoded]


class Ready(msgspec.Struct):
    """The interceptor's first message: it listens."""

    status: Status
    #: mitmweb's URL, with its token.
    web_url: str | None = None


class Ended(msgspec.Struct):
    """The interceptor's last message: all of its calls have ended."""

    tally: Tally
