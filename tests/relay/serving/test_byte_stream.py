"""Bytes on their way to an app: each piece at once, and an end that is none if they break off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from tests.fixtures.prepared import attempted
from tests.relay.played import PlayedAnswer
from vast_intercept.openai_api.errors import ApiError, bad_gateway
from vast_intercept.relay.failures import AttemptFailed
from vast_intercept.relay.progress import Progress
from vast_intercept.relay.retrying.answer_start import StartedAnswer, wait_for_first_bytes
from vast_intercept.relay.serving.byte_stream import ByteStream

WAV = "audio/wav"
BROKEN = AttemptFailed(bad_gateway("It broke off.", "vast_disconnected"))  # type: ignore[arg-type]


@asynccontextmanager
async def answering(
    answer: PlayedAnswer, progress: Progress
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer as it reaches an app."""

    async def handle(request: web.Request) -> web.StreamResponse:
        stream = ByteStream(request, {"x-request-id": "req_1"}, progress, WAV.__eq__)
        started = await wait_for_first_bytes(answer, progress, stream=False)
        try:
            await stream.send(started)
        except ApiError as error:
            await stream.fail(error)
        assert stream.out
        return stream.out

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestClient(TestServer(app)) as client:
        yield await client.get("/")


def got(answer: PlayedAnswer, progress: Progress | None = None) -> tuple[dict[str, str], bytes]:
    async def ask() -> tuple[dict[str, str], bytes]:
        async with answering(answer, progress or attempted()) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return headers, await response.read()

    return asyncio.run(ask())


def test_bytes_arrive_with_the_server_s_content_type() -> None:
    progress = attempted()
    headers, body = got(PlayedAnswer([b"RI", b"FF", b"x" * 100_000], media_type=WAV), progress)
    assert body == b"RIFF" + b"x" * 100_000
    assert (headers["content-type"], headers["x-request-id"]) == (WAV, "req_1")
    assert headers["transfer-encoding"] == "chunked"
    assert progress.amounts.bytes == len(body)
    assert (progress.complete, progress.streamed, progress.error) == (True, True, None)


def test_a_length_that_is_declared_is_passed_on() -> None:
    headers, body = got(PlayedAnswer([b"RIFF"], media_type=WAV, content_length=4))
    assert body == b"RIFF"
    assert headers["content-length"] == "4"
    assert "transfer-encoding" not in headers


@pytest.mark.parametrize("length", [None, 1_000])
@pytest.mark.parametrize(
    "end",
    [
        lambda: {"pieces": [b"RIFF", b"more", BROKEN]},
        lambda: {"pieces": [b"RIFFmore"], "is_cut": True},
    ],
)
def test_bytes_that_break_off_never_look_complete(end: Any, length: int | None) -> None:
    progress = attempted()
    answer = PlayedAnswer(**end(), media_type=WAV, content_length=length)
    with pytest.raises(aiohttp.ClientPayloadError):
        got(answer, progress)
    assert progress.error
    assert progress.error.code == "vast_disconnected"
    assert (progress.complete, progress.amounts.bytes) == (False, 8)


def test_the_first_byte_is_passed_on_before_there_is_another() -> None:
    gate = asyncio.Event()

    class Gated(PlayedAnswer):
        async def read(self) -> bytes:
            if len(self.pieces) == 1:
                await gate.wait()
            return await super().read()

    async def ask() -> bytes:
        answer = Gated([b"R", b"IFF"], media_type=WAV)
        async with answering(answer, attempted()) as response:
            first = await response.content.readany()
            assert first == b"R"
            gate.set()
            return first + await response.read()

    assert asyncio.run(asyncio.wait_for(ask(), 10)) == b"RIFF"


def test_an_app_that_does_not_read_holds_up_the_server() -> None:
    reads = 0

    class Endless(PlayedAnswer):
        async def read(self) -> bytes:
            nonlocal reads
            reads += 1
            return b"x" * 64 * 1024

    async def ask() -> None:
        async with answering(Endless([], media_type=WAV), attempted()):
            for _ in range(5_000):
                await asyncio.sleep(0)

    asyncio.run(ask())
    # Of 320 MB, what sockets hold.
    assert 0 < reads < 1_000


@pytest.mark.parametrize(
    "pieces",
    [
        [b'{"error": {"message": "no", "code": 400}}'],
        [b" ", b"{", b'"error": {"message": "no", "code": 400}}'],
    ],
)
def test_an_error_is_one_although_its_status_says_success(pieces: list[Any]) -> None:
    answer = PlayedAnswer(pieces)
    with pytest.raises(ApiError) as raised:
        asyncio.run(wait_for_first_bytes(answer, attempted(), stream=False))
    assert raised.value.status == 400


def test_an_answer_without_a_byte_is_none() -> None:
    async def send() -> None:
        stream = ByteStream(None, {}, attempted(), WAV.__eq__)  # type: ignore[arg-type]
        await stream.send(StartedAnswer(PlayedAnswer([], media_type=WAV), b""))

    with pytest.raises(ApiError) as raised:
        asyncio.run(send())
    assert raised.value.code == "vast_disconnected"


def test_what_was_cut_before_its_first_byte_is_tried_again() -> None:
    answer = PlayedAnswer([], media_type=WAV, is_cut=True)
    with pytest.raises(AttemptFailed) as raised:
        asyncio.run(wait_for_first_bytes(answer, attempted(), stream=False))
    assert raised.value.lost
