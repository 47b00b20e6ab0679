"""What passes between an interceptor in the background and the process that started it.

Each message is a line of JSON on the socket between them.
"""

import msgspec

from ..status import Recorded, Status, Tally


class Order(msgspec.Struct):
    """The first message to the interceptor: what it shall be."""

    #: mitmproxy's command line. In bytes, since JSON holds no path that is not UTF-8.
    arguments: list[bytes]
    #: Whether it is mitmweb.
    web: bool


class Ready(msgspec.Struct):
    """The interceptor's first message: it listens."""

    status: Status
    #: mitmweb's URL, with its token.
    web_url: str | None = None


class Ended(msgspec.Struct):
    """The interceptor's last message: all of its calls have ended."""

    tally: Tally
    #: None unless it was to record them.
    recorded: Recorded | None = None
