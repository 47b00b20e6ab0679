"""Estimates how many tokens a call would have, for apps that ask before they call."""

from collections.abc import Sequence

import msgspec

from ...bridges.token_estimate import estimate_tokens
from ...openai_api.content_coding import too_large_to_convert
from ...openai_api.limits import MAX_BRIDGED
from ...openai_api.media_parts import MediaName
from ...openai_api.operations import Operation
from ...openai_api.outline import Buffer
from ..call import Call
from ..retrying.modalities import takers
from ..stored_responses.stores import StoredResponses
from ..turns import Turns
from .bridging import convert_response, messages_bridge

#: Says in an answer that the number is an estimate.
ESTIMATED = {"x-vast-estimated": "input_tokens"}


async def count_tokens(
    operation: Operation, body: Buffer, call: Call, stored: StoredResponses, turns: Turns
) -> bytes:
    """The answer to a call that counts the tokens of a call of this operation.

    Raises ApiError for what the call itself would be refused for, too.
    https://platform.openai.com/docs/api-reference/responses/input-tokens and
    https://docs.anthropic.com/en/api/messages-count-tokens
    """
    if len(body) > MAX_BRIDGED:
        raise too_large_to_convert()
    if operation is Operation.MESSAGES:
        bridge = messages_bridge(body, call)
        _check_taken(call, bridge.asked.model, bridge.media)
        return msgspec.json.encode({"input_tokens": bridge.asked.input_tokens})
    converted = await convert_response(body, call, stored, turns, "resp_counted")
    model = msgspec.json.decode(converted.asked.echoed["model"], type=str)
    _check_taken(call, model, converted.media)
    count = estimate_tokens(converted.chat, converted.media)
    return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": count})


def _check_taken(call: Call, model: str | None, media: Sequence[MediaName]) -> None:
    """Raises ApiError (400) for images and audio that the call itself would be refused for."""
    there = call.config.destinations_for(model)
    if media and there:
        takers(there, media, call.config, call.error_api)
        for name in media:
            if name.problem:
                raise name.problem
