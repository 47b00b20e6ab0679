"""An upload in the relay: what it holds while it comes, and when it is refused."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fixtures.prepared import prepared
from tests.listed_operations.uploads import CONTENT_TYPE, file, form
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.operations import Operation
from vast_intercept.relay.memory import Memory, Share
from vast_intercept.relay.serving.upload import Upload, receive_upload
from vast_intercept.relay.turns import Turns

MIB = 1024 * 1024
PIECE = 64 * 1024
BODY = form(file(bytes(MIB)))


class Content:
    """A body that comes in pieces. Between two of them, others have their turn."""

    def __init__(self, body: bytes, memory: Memory) -> None:
        self._pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)]
        self._memory = memory
        #: What all calls held, each time that a piece was asked for.
        self.held: list[int] = []

    async def readany(self) -> bytes:
        self.held.append(self._memory.held)
        await asyncio.sleep(0)
        return self._pieces.pop(0) if self._pieces else b""


async def received(content: Content, share: Share, **head: Any) -> Upload | ApiError:
    request: Any = SimpleNamespace(
        headers={"content-type": CONTENT_TYPE}, content_length=head.get("length"), content=content
    )
    call = prepared(share=share, max_body=head.get("most", 100 * MIB))
    return await receive_upload(request, Operation.AUDIO_TRANSCRIPTIONS, call, Turns())


def test_of_uploads_that_come_at_once_some_are_served() -> None:
    """There is room for the bytes of three, and for two with what is made of them."""
    memory = Memory(most=5 * MIB)
    shares = [Share(memory) for _ in range(10)]

    async def all_at_once() -> list[Upload | ApiError]:
        return await asyncio.gather(
            *(received(Content(BODY, memory), share, length=len(BODY)) for share in shares)
        )

    came = asyncio.run(all_at_once())
    assert sum(isinstance(each, Upload) for each in came) == 2
    refused = [each for each in came if isinstance(each, ApiError)]
    assert {(each.status, each.code) for each in refused} == {(503, "interceptor_overloaded")}


@pytest.mark.parametrize("length", [None, len(BODY)])
def test_a_refused_one_gives_back_what_it_held_before_its_rest_has_come(
    length: int | None,
) -> None:
    memory = Memory()
    content = Content(BODY, memory)
    came = asyncio.run(received(content, Share(memory), length=length, most=4 * PIECE))
    assert isinstance(came, ApiError)
    assert came.status == 413
    assert content.held[4] > 0
    assert len(content.held) > 10
    assert set(content.held[5:]) == {0}
