"""Which chat completions are carried by a bridge: only those with old functions."""

import asyncio
import json
from typing import Any

import pytest

from tests.fixtures.prepared import prepared
from vast_intercept.bridges.bridge import Bridge
from vast_intercept.bridges.plain import PlainEvents
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.limits import MAX_BRIDGED, READ_AT_ONCE
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.outline import needs_outline
from vast_intercept.openai_api.requests import outline_of
from vast_intercept.relay.call import Call
from vast_intercept.relay.memory import Memory, Share
from vast_intercept.relay.serving.bridging import bridge_for, convert_response
from vast_intercept.relay.turns import Turns

FUNCTIONS: dict[str, Any] = {"functions": [{"name": "f"}]}
# With the words of old functions, and values enough for an outline.
TOOLS: dict[str, Any] = {"tools": [{"type": "function", "function": {"name": "f"}}] * 10_000}


async def bridge_of(size: int, operation: Operation, **members: Any) -> Bridge | None:
    message = {"role": "user", "content": '"functions"' + "x" * size}
    body = json.dumps({"messages": [message], **members}).encode()
    made = None
    if needs_outline(body):
        work = outline_of(body)
        try:
            while True:
                next(work)
        except StopIteration as done:
            made = done.value
    anything: Any = None
    return await bridge_for(
        operation,
        body,
        made,
        prepared(operation=operation),
        plain=lambda: PlainEvents(lambda: b""),
        stored=anything,
        turns=Turns(),
    )


@pytest.mark.parametrize("size", [0, READ_AT_ONCE, 2_000_000, MAX_BRIDGED])
@pytest.mark.parametrize(
    ("operation", "members"),
    [
        (Operation.CHAT_COMPLETIONS, {}),
        (Operation.CHAT_COMPLETIONS, TOOLS),
        (Operation.COMPLETIONS, FUNCTIONS),
    ],
)
async def test_what_vast_takes_as_it_is_needs_no_bridge(
    operation: Operation, members: dict[str, Any], size: int
) -> None:
    assert await bridge_of(size, operation, **members) is None


@pytest.mark.parametrize("size", [0, READ_AT_ONCE, 2_000_000])
async def test_old_functions_are_found_in_bodies_of_any_size(size: int) -> None:
    bridge = await bridge_of(size, Operation.CHAT_COMPLETIONS, **FUNCTIONS)
    assert bridge
    sent = json.loads(bridge.chat)
    assert len(sent["tools"]) == 1
    assert len(sent["messages"][0]["content"]) == size + len('"functions"')


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        (Operation.CHAT_COMPLETIONS, FUNCTIONS),
        (Operation.RESPONSES, {}),
        (Operation.MESSAGES, {}),
    ],
)
async def test_a_body_that_is_too_large_to_convert_is_refused(
    operation: Operation, members: dict[str, Any]
) -> None:
    with pytest.raises(ApiError) as refused:
        await bridge_of(MAX_BRIDGED, operation, **members)
    assert refused.value.status == 413
    assert "8,388,608 bytes" in refused.value.message
    # Raising mitmproxy's limit would not help.
    assert "stream_large_bodies" not in refused.value.message


class Stored:
    """A store that has these bytes of a conversation, and others of what is referred to."""

    def __init__(self, memory: Memory, history: bytes, item: bytes) -> None:
        self._memory, self._history, self._item = memory, history, item
        #: What the call held when the store was asked for items.
        self.held = 0

    async def history(self, call: Call, previous: str) -> list[bytes]:
        return [self._history]

    async def items(self, call: Call, ids: tuple[str, ...]) -> dict[str, bytes]:
        self.held = self._memory.held
        return dict.fromkeys(ids, self._item)


@pytest.mark.parametrize("most", [250_000, 400_000, 10**6])
async def test_what_is_stored_of_a_conversation_counts_as_held(most: int) -> None:
    memory = Memory(most)
    share = Share(memory)
    message = {"type": "message", "role": "user", "content": "x" * 200_000}
    stored: Any = Stored(memory, json.dumps([message]).encode(), json.dumps(message).encode())
    asked = {"previous_response_id": "resp_1", "input": [{"type": "item_reference", "id": "msg_1"}]}
    call = prepared(share=share)
    converting = convert_response(json.dumps(asked).encode(), call, stored, Turns(), "resp_2")
    if most < 10**6:
        with pytest.raises(ApiError) as refused:
            await converting
        assert refused.value.code == "interceptor_overloaded"
    else:
        made = await converting
        assert memory.held == len(made.chat) > 400_000
    assert stored.held > 200_000
    share.close()
    assert memory.held == 0


async def test_other_calls_have_their_turn_before_a_large_request_is_converted() -> None:
    turns = Turns()
    seen: list[int] = []

    async def take_turns() -> None:
        while not converting.done():
            seen.append(1)
            await asyncio.sleep(0)

    body = json.dumps({"input": "x" * READ_AT_ONCE, "store": False}).encode()
    stored: Any = Stored(Memory(), b"[]", b"{}")
    made = convert_response(body, prepared(), stored, turns, "resp_2")
    converting = asyncio.ensure_future(made)
    await asyncio.gather(take_turns(), converting)
    assert seen
