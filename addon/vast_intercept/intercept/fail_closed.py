"""Failures of our own code: the app gets an error, and nothing of its call is sent on.

mitmproxy would go on as if the hook had nothing to say (FACTS M52).
"""

import contextlib
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator
from functools import wraps

from mitmproxy import connection, exceptions, http

from ..config import built_in_providers, find_provider
from ..mitm import other_addons
from ..mitm.http_server import error_response
from ..openai_api.errors import interceptor_failed
from .message_keys import mask_unreadable

logger = logging.getLogger(__name__)


def tell(what: str, error: Exception) -> None:
    """Logs a failure of our own code. `what` is what could not be judged, and is refused."""
    # The place, but not the error's own text: that may quote what must not be seen.
    logger.error(
        "%s could not be judged (%s), which is a bug:\n%s",
        what,
        type(error).__name__,
        "".join(traceback.format_tb(error.__traceback__)),
    )


def fail(flow: http.HTTPFlow, error: Exception) -> None:
    """Answers a request whose hook has failed. Otherwise mitmproxy would send it on."""
    tell("A request", error)
    # mitmproxy cannot do both: send a request on while it comes, and have an addon answer it.
    flow.request.stream = False
    provider = find_provider(built_in_providers().values(), flow.request.host, flow.request.port)
    flow.response = error_response(interceptor_failed(), provider.api if provider else "openai")
    with contextlib.suppress(Exception):
        mask_unreadable(flow.request)


@contextlib.contextmanager
def refused_if_unchecked(peer: connection.Connection) -> Iterator[None]:
    """Refuses a connection if the check of it raises."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        peer.error = "the interceptor failed"
        tell("A connection", error)


def contained[S](hook: Callable[[S, http.HTTPFlow], None]) -> Callable[[S, http.HTTPFlow], None]:
    """Catches what a hook raises. A flow without an answer then gets an error as its answer."""

    @wraps(hook)
    def wrapper(self: S, flow: http.HTTPFlow) -> None:
        try:
            hook(self, flow)
        except exceptions.AddonHalt:
            raise
        except Exception as error:  # noqa: BLE001
            if flow.response or flow.error:
                tell("A flow", error)
            else:
                fail(flow, error)

    return wrapper


def after_others(flow: http.HTTPFlow, then: Callable[[], Awaitable[None] | None]) -> None:
    """Calls `then` after every addon has had the hook. If it raises, the app gets an answer."""

    async def guarded() -> None:
        try:
            result = then()
            if result is not None:
                await result
        except Exception as error:  # noqa: BLE001  (what was not judged is not sent on)
            fail(flow, error)

    other_addons.after_others(flow, guarded)
