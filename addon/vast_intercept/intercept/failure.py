"""What happens when our own code fails: the app gets an answer, and nothing of its call goes on."""

import contextlib
import logging
import traceback
import uuid
from collections.abc import Awaitable, Callable

from mitmproxy import http

from ..mitm import turns
from ..openai_api.errors import ApiError
from .masking import mask_unreadable

logger = logging.getLogger(__name__)


def fail(flow: http.HTTPFlow, error: Exception) -> None:
    """Answers a request whose hook has failed. mitmproxy would send it on as it is otherwise."""
    # The place, but not the error's own text: that may quote what must not be seen.
    logger.error(
        "A request could not be judged (%s), which is a bug:\n%s",
        type(error).__name__,
        "".join(traceback.format_tb(error.__traceback__)),
    )
    answer = ApiError(
        500, "The interceptor failed. Its log says more.", "server_error", "internal_error"
    )
    # mitmproxy cannot do both: send a request on while it comes, and have an addon answer it.
    flow.request.stream = False
    flow.response = http.Response.make(
        answer.status,
        answer.body(),
        {**answer.response_headers(), "x-request-id": f"req_{uuid.uuid4().hex}"},
    )
    with contextlib.suppress(Exception):
        mask_unreadable(flow.request)


def after_others(flow: http.HTTPFlow, then: Callable[[], Awaitable[None] | None]) -> None:
    """Calls `then` after every addon has had the hook. If it raises, the app gets an answer."""

    async def guarded() -> None:
        try:
            result = then()
            if result is not None:
                await result
        except Exception as error:  # noqa: BLE001  (nothing goes on that was not judged)
            fail(flow, error)

    turns.after_others(flow, guarded)
