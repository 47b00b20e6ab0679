"""Chooses the bridge that carries a call, and the events of calls that need none."""

import secrets
import time
from collections.abc import Callable

from ...bridges.bridge import Bridge
from ...bridges.functions.bridge import functions_bridge
from ...bridges.functions.request import with_tools
from ...bridges.messages.bridge import MessagesBridge
from ...bridges.messages.request import read_messages
from ...bridges.plain import PlainEvents
from ...bridges.responses.bridge import ResponsesBridge
from ...bridges.responses.request import Converted, read
from ...openai_api.chunks import empty_chunk
from ...openai_api.content_coding import too_large_to_convert
from ...openai_api.limits import MAX_BRIDGED, READ_TOGETHER
from ...openai_api.operations import SERVED_BY_VAST, Operation
from ...openai_api.outline import Buffer, Outline
from ...openai_api.reasoning import with_both_names_in_events
from ..call import Call
from ..progress import Progress
from ..stored_responses.stores import StoredResponses
from ..turns import Turns
from ..work import CountTokens


async def bridge_for(
    operation: Operation,
    body: Buffer,
    made: Outline | None,
    call: Call,
    *,
    plain: Callable[[], PlainEvents],
    stored: StoredResponses,
    turns: Turns,
) -> Bridge | None:
    """The bridge for a call with this body; None for one that Vast takes as it is.

    Its chat completion counts in the call's share of memory. `made` is the outline of a large
    body, `plain` makes the events of a call without a bridge, `stored` has what the app may refer
    to, and in `turns` other calls have their turn. Raises ApiError (400, 413; 503 if calls hold too
    much).
    """
    if operation is Operation.CHAT_COMPLETIONS:
        return _counted(_for_functions(body, made, plain), call)
    if operation in SERVED_BY_VAST:
        return None
    if len(body) > MAX_BRIDGED:
        raise too_large_to_convert()
    if operation is Operation.RESPONSES:
        return await _responses_bridge(body, call, stored, turns)
    assert operation is Operation.MESSAGES
    return _counted(messages_bridge(body, call), call)


def _counted[B: Bridge](bridge: B | None, call: Call) -> B | None:
    if bridge:
        call.share.take(len(bridge.chat))
    return bridge


async def _responses_bridge(
    body: Buffer, call: Call, stored: StoredResponses, turns: Turns
) -> ResponsesBridge:
    response_id = f"resp_{secrets.token_hex(24)}"
    made = await convert_response(body, call, stored, turns, response_id)
    if made.asked.store:
        await stored.check(call)  # before tokens are spent on an answer that cannot be kept
    now = int(time.time())
    return ResponsesBridge(made.asked, made.chat, made.left_out, response_id, now, media=made.media)


async def convert_response(
    body: Buffer, call: Call, stored: StoredResponses, turns: Turns, response_id: str
) -> Converted:
    """The chat completion of a Responses request, with the conversation that it continues.

    It counts in the call's share of memory, and what is stored of the conversation until it is
    made. Raises ApiError (400, 404, 413; 500, 503 if the store fails, or calls hold too much).
    """
    request = read(body, builtin_tools=call.config.responses.builtin_tools)
    history = await stored.history(call, request.previous) if request.previous else []
    size = sum(map(len, history))
    call.share.take(size)
    referenced = await stored.items(call, request.references)
    more = sum(map(len, referenced.values()))
    call.share.take(more)
    if len(body) > READ_TOGETHER:
        await turns.wait()  # converting a large one takes about as long as reading it
    converted = request.convert(response_id, history, referenced)
    call.share.give_back(size + more)
    call.share.take(len(converted.chat))
    return converted


def messages_bridge(body: Buffer, call: Call) -> MessagesBridge:
    """The bridge for a Messages request, or for one whose tokens are only to be counted."""
    return read_messages(
        body,
        call.request_id,
        purpose="count" if isinstance(call.work, CountTokens) else "answer",
        reject_built_in_tools=call.config.responses.builtin_tools == "reject",
    )


def _for_functions(
    body: Buffer, made: Outline | None, plain: Callable[[], PlainEvents]
) -> Bridge | None:
    # A large body is converted only if its outline shows that it must be.
    if made and with_tools(made.text) is None:
        return None
    if len(body) > MAX_BRIDGED:
        raise too_large_to_convert()
    return functions_bridge(body, plain)


def plain_events(operation: Operation, progress: Progress, *, both_names: bool) -> PlainEvents:
    """Vast's own events. `both_names`: with the model's reasoning under both of its names."""
    request_id, model = progress.call.request_id, progress.model

    def keep_alive() -> bytes:
        # With the id that vLLM gives the answer to a call with this request id.
        return empty_chunk(operation, request_id, model, int(time.time()))

    return PlainEvents(keep_alive, with_both_names_in_events if both_names else None)
