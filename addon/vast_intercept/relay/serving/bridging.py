"""Chooses the bridge that carries a call, and the events of calls that need none."""

import secrets
import time
from collections.abc import Callable

from ...bridges.bridge import Bridge
from ...bridges.functions.bridge import functions_bridge
from ...bridges.functions.request import with_tools
from ...bridges.plain import PlainEvents
from ...bridges.responses.bridge import ResponsesBridge
from ...bridges.responses.request import read
from ...openai_api.chunks import empty_chunk
from ...openai_api.content_coding import request_too_large
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import bad_request
from ...openai_api.limits import MAX_BRIDGED
from ...openai_api.operations import SERVED_BY_VAST, Operation
from ...openai_api.outline import Buffer, Outline
from ...openai_api.reasoning import with_both_names_in_events
from ..progress import Progress


async def bridge_for(
    operation: Operation,
    body: Buffer,
    made: Outline | None,
    progress: Progress,
    plain: Callable[[], PlainEvents],
) -> Bridge | None:
    """The bridge for a call with this body; None for one that Vast takes as it is.

    `made` is the outline of a large body, and `plain` makes the events of a call without a bridge.
    Raises ApiError (400, 413) for a request that cannot be served.
    """
    if operation is Operation.CHAT_COMPLETIONS:
        return _for_functions(body, made, plain)
    if operation in SERVED_BY_VAST:
        return None
    if len(body) > MAX_BRIDGED:
        raise request_too_large(MAX_BRIDGED)
    if operation is Operation.RESPONSES:
        return _responses_bridge(body, progress)
    raise bad_request(f"{operation} is not served yet.", ErrorCode.UNSUPPORTED_ENDPOINT, status=404)


def _responses_bridge(body: Buffer, progress: Progress) -> ResponsesBridge:
    request = read(body, builtin_tools=progress.call.config.responses.builtin_tools)
    response_id = f"resp_{secrets.token_hex(24)}"
    made = request.convert(response_id)
    now = int(time.time())
    return ResponsesBridge(made.asked, made.chat, made.left_out, response_id, now)


def _for_functions(
    body: Buffer, made: Outline | None, plain: Callable[[], PlainEvents]
) -> Bridge | None:
    # A large body is converted only if its outline shows that it must be.
    if made and with_tools(made.text) is None:
        return None
    if len(body) > MAX_BRIDGED:
        raise request_too_large(MAX_BRIDGED)
    return functions_bridge(body, plain)


def plain_events(operation: Operation, progress: Progress, *, both_names: bool) -> PlainEvents:
    """Vast's own events. `both_names`: with the model's reasoning under both of its names."""
    request_id, model = progress.call.request_id, progress.model

    def keep_alive() -> bytes:
        # With the id that vLLM gives the answer to a call with this request id.
        return empty_chunk(operation, request_id, model, int(time.time()))

    return PlainEvents(keep_alive, with_both_names_in_events if both_names else None)
