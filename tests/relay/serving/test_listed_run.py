"""A call of a listed operation in the relay: what it holds."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from tests.fixtures.prepared import prepared
from tests.listed_operations.uploads import file, form, read
from vast_intercept.config import Endpoint, UpstreamKind
from vast_intercept.config.config import defaults
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.operations import Operation
from vast_intercept.relay.memory import Memory, Share
from vast_intercept.relay.progress import Progress
from vast_intercept.relay.serving.listed_run import ListedRun
from vast_intercept.relay.serving.upload import Upload
from vast_intercept.relay.turns import Turns
from vast_intercept.relay.work import ToVast

MIB = 1024 * 1024


class CountedTurns(Turns):
    """Counts how much work was begun."""

    taken = 0

    async def take(self, work: Any) -> Any:
        self.taken += 1
        return await super().take(work)


def test_there_is_room_for_base64_before_it_is_made() -> None:
    body = form(file(b"RIFF1234WAVE" + bytes(3 * MIB)))
    endpoint = Endpoint(name="one", serves=frozenset({Operation.AUDIO_TRANSCRIPTIONS}))
    config = replace(
        defaults(),
        endpoint="one",
        interface=UpstreamKind.SERVERLESS,
        known_endpoints={"one": endpoint},
    )
    work, memory = ToVast(Operation.AUDIO_TRANSCRIPTIONS), Memory(most=6 * MIB)
    share = Share(memory)
    share.take(len(body))
    progress, turns = Progress(prepared(work=work, config=config, share=share)), CountedTurns()
    request: Any = SimpleNamespace(headers={})
    run = ListedRun(progress, SimpleNamespace(), request, turns)  # type: ignore[arg-type]
    run._work = work
    upload = Upload(read(body), memoryview(body))
    with pytest.raises(ApiError) as caught:
        asyncio.run(run._read(upload))
    assert (caught.value.status, caught.value.code) == (503, "interceptor_overloaded")
    assert turns.taken == 0
    memory.most = 8 * MIB
    assert asyncio.run(run._read(upload)).pieces
    assert memory.held > 7 * MIB
