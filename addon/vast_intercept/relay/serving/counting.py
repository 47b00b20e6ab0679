"""Estimates how many tokens a call would have, for apps that ask before they call."""

import msgspec

from ...bridges.token_estimate import estimate_tokens
from ...openai_api.content_coding import request_too_large
from ...openai_api.limits import MAX_BRIDGED
from ...openai_api.outline import Buffer
from ..call import Call
from ..stored_responses.stores import StoredResponses
from .bridging import convert_response

#: Says in an answer that the number is an estimate.
ESTIMATED = {"x-vast-estimated": "input_tokens"}


async def count_response_tokens(body: Buffer, call: Call, stored: StoredResponses) -> bytes:
    """The answer to `POST /v1/responses/input_tokens`.

    Raises ApiError for what `POST /v1/responses` would refuse, too.
    https://platform.openai.com/docs/api-reference/responses/input-tokens
    """
    if len(body) > MAX_BRIDGED:
        raise request_too_large(MAX_BRIDGED)
    converted = await convert_response(body, call, stored, "resp_counted")
    count = estimate_tokens(converted.chat)
    return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": count})
