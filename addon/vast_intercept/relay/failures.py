"""How attempts fail, and what an app is told when the interceptor itself is why."""

import logging
import traceback
from dataclasses import KW_ONLY, dataclass

from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, bad_gateway, bad_request, interceptor_failed

logger = logging.getLogger(__name__)

#: What a worker says that takes its caller for gone (FACTS V6): a drop in disguise.
GAVE_UP_STATUS = 499

#: Statuses that are worth another attempt.
RETRIED_STATUSES = frozenset({408, 429, GAVE_UP_STATUS, 500, 502, 503, 504})

#: Of these, what says that there is too much to do, not that something is wrong.
BUSY_STATUSES = frozenset({408, 429})

#: The code of errors for want of something on this machine.
NO_ROOM = ErrorCode.INTERCEPTOR_OVERLOADED


@dataclass(eq=False)
class AttemptFailed(Exception):  # noqa: N818  (the call may well succeed)
    """An attempt that brought no byte of an answer, and that may be repeated."""

    #: What the app gets if the attempt is not repeated.
    error: ApiError
    _: KW_ONLY
    #: For how many seconds the upstream asks to be left alone.
    retry_after: float | None = None
    #: A kept connection may just have been closed when it was used again (RFC 9112, section 9.3.1):
    #: nothing is wrong with a new one.
    at_once: bool = False
    #: The upstream is well, and only has too much to do.
    busy: bool = False
    #: The upstream had the whole call, and was gone before it answered: the call may be why.
    lost: bool = False
    #: The upstream was not reached for want of something on this machine.
    local: bool = False


@dataclass(eq=False)
class EndpointFailed(Exception):  # noqa: N818  (the call may well succeed)
    """Nothing more can be tried at this endpoint. `error` is for the app, if there is no other."""

    error: ApiError


def no_room() -> ApiError:
    """For a call that would take the last file descriptors."""
    message = "The interceptor has as many calls at once as it may open files for."
    return bad_gateway(message, NO_ROOM, 503, retry_after=1)


def not_rehearsed(where: str) -> ApiError:
    """For a recorded call that would not go to Vast. `where` begins with "to"."""
    return bad_request(
        f"The call would go {where}. In a rehearsal it is not made.",
        ErrorCode.NOT_REHEARSED,
        status=403,
    )


def internal_error(error: Exception, request_id: str) -> ApiError:
    """What an app is told when our own code fails, which is logged."""
    # The place, but not the error's own text: that may quote what must not be seen.
    logger.error(
        "The call %s failed with %s, which is a bug:\n%s",
        request_id,
        type(error).__name__,
        "".join(traceback.format_tb(error.__traceback__)),
    )
    return interceptor_failed()
