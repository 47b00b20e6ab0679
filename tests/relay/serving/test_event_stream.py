"""The end of a stream whose answer is to be kept."""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from vast_intercept.bridges.bridge import Record
from vast_intercept.config.config import defaults
from vast_intercept.openai_api.errors import ApiError, bad_gateway
from vast_intercept.relay.call import Call
from vast_intercept.relay.progress import Progress
from vast_intercept.relay.serving.event_stream import EventStream

RECORD = Record("resp_1", None, b"[]", b"{}")


class Events:
    """Events of an answer that has ended well."""

    record: Record | None = RECORD

    def feed(self, events: bytes) -> bytes:
        return events

    def end(self, error: ApiError | None = None) -> bytes:
        assert error is None
        return b"event: response.completed\n\n"

    def fail(self, error: ApiError) -> bytes:
        return f"event: response.failed\ndata: {error.code}\n\n".encode()

    def keep_alive(self) -> bytes:
        return b": \n\n"


async def sent(keep: Any) -> tuple[bytes, Progress]:
    """What an app gets at the end of a stream, and how the call is seen."""
    call = Call(work=None, config=defaults(), request_id="req_1", max_body=1, client=None)
    progress = Progress(call)

    async def handle(request: web.Request) -> web.StreamResponse:
        stream = EventStream(request, {}, progress, Events(), keep)
        await stream.end()
        assert stream.out
        return stream.out

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/")
        return await answer.read(), progress


def test_a_response_is_kept_before_the_app_has_its_end() -> None:
    kept = []

    async def keep(record: Record) -> None:
        await asyncio.sleep(0)
        kept.append(record)

    got, progress = asyncio.run(sent(keep))
    assert got == b"event: response.completed\n\n"
    assert kept == [RECORD]
    assert progress.error is None


def test_a_response_that_could_not_be_kept_is_not_complete() -> None:
    failure = bad_gateway("The disk is full.", "response_store_failed", 503)  # type: ignore[arg-type]

    async def keep(record: Record) -> None:
        raise failure

    got, progress = asyncio.run(sent(keep))
    assert got == b"event: response.failed\ndata: response_store_failed\n\n"
    assert progress.error is failure
