"""Chooses the bridge that carries a call, and the events of calls that need none."""

import time

from ...bridges.bridge import Bridge
from ...bridges.plain import PlainEvents
from ...openai_api.chunks import empty_chunk
from ...openai_api.content_coding import request_too_large
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import bad_request
from ...openai_api.limits import MAX_BRIDGED
from ...openai_api.operations import SERVED_BY_VAST, Operation
from ...openai_api.outline import Buffer
from ...openai_api.reasoning import with_both_names_in_events
from ..progress import Progress


async def bridge_for(operation: Operation, body: Buffer, progress: Progress) -> Bridge | None:
    """The bridge for a call with this body; None for one that Vast takes as it is.

    Raises ApiError (400, 413) for a request that cannot be served.
    """
    if operation in SERVED_BY_VAST:
        return None
    if len(body) > MAX_BRIDGED:
        raise request_too_large(MAX_BRIDGED)
    raise bad_request(f"{operation} is not served yet.", ErrorCode.UNSUPPORTED_ENDPOINT, status=404)


def plain_events(operation: Operation, progress: Progress, *, both_names: bool) -> PlainEvents:
    """Vast's own events. `both_names`: with the model's reasoning under both of its names."""
    request_id, model = progress.call.request_id, progress.model

    def keep_alive() -> bytes:
        # With the id that vLLM gives the answer to a call with this request id.
        return empty_chunk(operation, request_id, model, int(time.time()))

    return PlainEvents(keep_alive, with_both_names_in_events if both_names else None)
