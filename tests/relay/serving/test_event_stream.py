"""The end of a stream whose answer is to be kept."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from tests.bridges.responses.made import bridge, chunk, stream
from tests.fixtures.prepared import attempted
from vast_intercept.bridges.bridge import AppEvents, Record
from vast_intercept.bridges.messages.request import read_messages
from vast_intercept.config.config import defaults
from vast_intercept.openai_api.errors import ApiError, bad_gateway
from vast_intercept.openai_api.sse import EVENT_STREAM
from vast_intercept.relay.call import Call
from vast_intercept.relay.progress import Progress
from vast_intercept.relay.retrying.answer_start import StartedAnswer
from vast_intercept.relay.serving.event_stream import EventStream

RECORD = Record("resp_1", None, b"[]", b"{}")


class Events:
    """Events of an answer that has ended well."""

    record: Record | None = RECORD
    failure: ApiError | None = None

    def feed(self, events: bytes) -> bytes:
        return events

    def end(self, error: ApiError | None = None) -> bytes:
        assert error is None
        return b"event: response.completed\n\n"

    def fail(self, error: ApiError) -> bytes:
        return f"event: response.failed\ndata: {error.code}\n\n".encode()

    def keep_alive(self) -> bytes:
        return b": \n\n"


async def got_of(
    events: AppEvents,
    progress: Progress,
    send: Callable[[EventStream], Awaitable[None]],
    keep: Callable[[Record], Awaitable[None]],
) -> bytes:
    """What an app gets of a stream that is sent like this."""

    async def handle(request: web.Request) -> web.StreamResponse:
        stream = EventStream(request, {}, progress, lambda: events, keep)
        await send(stream)
        assert stream.out
        return stream.out

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/")
        return await answer.read()


async def sent(keep: Any) -> tuple[bytes, Progress]:
    """What an app gets at the end of a stream, and how the call is seen."""
    call = Call(work=None, config=defaults(), request_id="req_1", max_body=1, client=None)
    progress = Progress(call)
    return await got_of(Events(), progress, EventStream.end, keep), progress


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


class Answer:
    """An answer of Vast's that comes in these pieces."""

    media_type = content_type = EVENT_STREAM

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


async def keep_nothing(record: Record) -> None:
    raise AssertionError(record)


def message_events() -> AppEvents:
    asked = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
    return read_messages(asked, "req_1").events()


@pytest.mark.parametrize(
    ("made", "last"),
    [
        (lambda: bridge(store=True).events(), b"event: response.failed"),
        (message_events, b"event: error"),
    ],
    ids=["responses", "messages"],
)
def test_a_stream_that_ends_without_its_answer_is_a_failed_call(
    made: Callable[[], AppEvents], last: bytes
) -> None:
    """Vast says `[DONE]`, but not why the model has stopped."""
    progress = attempted()
    answer: Any = Answer(stream(chunk({"content": "a"})))
    started = StartedAnswer(answer, b"")
    got = asyncio.run(got_of(made(), progress, lambda out: out.send(started), keep_nothing))
    assert got.strip().split(b"\n\n")[-1].startswith(last)
    assert progress.error
    assert progress.error.code == "vast_disconnected"
