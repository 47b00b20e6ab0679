"""The relay by itself, with real HTTP on both sides: time-outs, kept connections, its end."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from tests.fixtures.prepared import prepared
from vast_intercept.config import Config, TimeoutSection, load_config
from vast_intercept.openai_api.answer_stream import AnswerStream
from vast_intercept.openai_api.errors import bad_request
from vast_intercept.relay.progress import Progress
from vast_intercept.relay.serving.server import TOKEN_HEADER, Relay
from vast_intercept.relay.work import AnswerHere
from vast_intercept.standin.server import StandIn, StandInConfig

KEY = "vast-0123456789abcdef"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello there"}]}


def config_for(url: str, **timeout: float) -> Config:
    config = load_config(None, {"VAST_API_KEY": KEY, "VAST_ENDPOINT": "demo"})
    return replace(config, openai_url=url, timeout=TimeoutSection(**timeout))


#: Silence is noticed soon, and there is no time for a second attempt.
IMPATIENT = {"connect": 0.3, "first_byte": 0.3, "between_bytes": 0.3, "total": 0.4}


def call_for(config: Config, work: Any = None) -> Progress:
    more = {"work": work} if work else {}
    return Progress(prepared(config=config, **more))


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Callable[..., Awaitable[tuple[int, Any]]]]:
    """The relay, and a function that has it carry out a call."""
    await relay.start()
    assert relay.address
    url = f"http://127.0.0.1:{relay.address[1]}/"

    async with aiohttp.ClientSession() as session:

        async def post(call: Progress, **options: Any) -> tuple[int, Any]:
            headers = {TOKEN_HEADER: relay.prepare(call)}
            async with session.post(url, json={**BODY, **options}, headers=headers) as answer:
                return answer.status, await answer.read()

        try:
            yield post
        finally:
            await relay.stop()


@asynccontextmanager
async def standin() -> AsyncIterator[StandIn]:
    async with StandIn(StandInConfig(api_key=KEY, endpoints=("demo",))) as server:
        yield server


async def test_a_failure_of_our_own_within_a_stream_is_its_last_event(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    feed = AnswerStream.feed

    def fail_once_it_has_begun(stream: AnswerStream, chunk: bytes) -> bytes:
        if stream.events > 5:
            raise KeyError(KEY)
        return feed(stream, chunk)

    monkeypatch.setattr(AnswerStream, "feed", fail_once_it_has_begun)
    async with standin() as vast, running(Relay()) as post:
        call = call_for(config_for(vast.url))
        status, body = await post(call, stream=True, standin={"chunks": 20, "delay": 0.01})
    assert status == 200
    *events, last, nothing = body.decode().split("\n\n")
    assert (len(events) > 5, nothing) == (True, "")
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "internal_error"
    assert call.error
    assert "which is a bug" in caplog.text
    assert KEY not in caplog.text


class TestSilence:
    async def test_before_the_answer_is_a_504(self) -> None:
        async with standin() as vast, running(Relay()) as post:
            call = call_for(config_for(vast.url, **IMPATIENT))
            status, body = await post(call, standin={"fault": "hang"})
        assert status == 504
        assert json.loads(body)["error"]["code"] == "vast_timeout"

    async def test_in_a_stream_is_an_error_event(self) -> None:
        async with standin() as vast, running(Relay()) as post:
            call = call_for(config_for(vast.url, **IMPATIENT))
            told = {"fault": "stall", "chunks": 10, "after": 3}
            status, body = await post(call, stream=True, standin=told)
        assert status == 200
        events = body.decode().split("\n\n")
        assert events[-1] == ""
        assert json.loads(events[-2].removeprefix("data: "))["error"]["code"] == "vast_timeout"
        assert call.error
        assert call.error.code == "vast_timeout"

    async def test_has_limits_of_its_own_before_and_within_an_answer(self) -> None:
        async with standin() as vast, running(Relay()) as post:
            config = config_for(vast.url, first_byte=30, between_bytes=0.3)
            told = {"fault": "stall", "chunks": 10, "after": 3}
            _, body = await post(call_for(config), stream=True, standin=told)
            assert b"was silent for too long" in body
            config = config_for(vast.url, first_byte=0.3, between_bytes=30, total=0.4)
            status, _ = await post(call_for(config), standin={"first_delay": 2})
            assert status == 504
            config = config_for(vast.url, first_byte=2, between_bytes=0.2)
            status, _ = await post(call_for(config), standin={"first_delay": 0.5})
            assert status == 200

    async def test_while_connecting_is_a_504(self) -> None:
        """A listener whose queue is full does not answer at all."""
        import socket  # noqa: PLC0415

        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            waiting = [socket.socket() for _ in range(4)]
            for client in waiting:
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
            async with running(Relay()) as post:
                status, body = await post(
                    call_for(config_for(f"http://127.0.0.1:{port}", **IMPATIENT))
                )
            for client in waiting:
                client.close()
        assert status == 504
        assert json.loads(body)["error"]["code"] == "vast_timeout"


class TestKeptConnections:
    async def test_one_that_vast_closed_meanwhile_is_replaced_unnoticed(self) -> None:
        """The server closes each connection when a second request comes on it."""
        requests_seen = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal requests_seen
            await read_request(reader)
            requests_seen += 1
            answer = b'{"ok":true}'
            head = (
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n"
            )
            writer.write(head + answer)
            await read_request(reader)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, running(Relay()) as post:
            for _ in range(4):
                status, body = await post(call_for(config_for(url)))
                assert (status, body) == (200, b'{"ok":true}')
            server.close()
        assert requests_seen == 4

    async def test_one_that_is_always_dropped_is_an_error(self) -> None:
        connections = 0

        async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await read_request(reader)
            writer.close()

        server = await asyncio.start_server(drop, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, running(Relay()) as post:
            call = call_for(config_for(url, total=1))
            status, body = await post(call)
            server.close()
        assert status == 502
        assert json.loads(body)["error"]["code"] == "vast_disconnected"
        assert connections == call.attempts > 1

    async def test_that_have_all_gone_stale_lose_no_call(self) -> None:
        """A call is sent twice at most, so that its second attempt gets a new connection."""
        kept, opened = 3, 0
        together = asyncio.Barrier(kept)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal opened
            opened += 1
            first = opened <= kept
            await read_request(reader)
            if first:
                await together.wait()  # each of the calls has a connection of its own
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            writer.write(head + b"content-length: 2\r\n\r\n{}")
            await read_request(reader)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        config = config_for(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with server, running(Relay()) as post:
            await asyncio.gather(*(post(call_for(config)) for _ in range(kept)))
            call = call_for(config)
            assert (await post(call))[0] == 200
        assert call.attempts == 2
        assert opened == kept + 1


class TestTheEndOfAStream:
    async def test_only_done_waits_for_it(self) -> None:
        """Though text came with it, in one piece."""
        text = b'data: {"choices":[{"index":0,"delta":{"content":"[DONE]"}}]}\n\n'
        done = b"data: [DONE]\n\n"
        over = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(text + done), text + done)
            )
            await over.wait()
            writer.write(b"0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        relay = Relay()
        async with server, running(relay), aiohttp.ClientSession() as session:
            assert relay.address
            headers = {TOKEN_HEADER: relay.prepare(call_for(config_for(url)))}
            to_relay = f"http://127.0.0.1:{relay.address[1]}/"
            answer = await session.post(to_relay, json={**BODY, "stream": True}, headers=headers)
            assert await answer.content.readany() == text
            over.set()
            assert await answer.read() == done


class TestBytesThatAreNoHTTP:
    """What a real worker sends when its model server dies in a stream: a second head."""

    async def test_end_a_stream_at_once(self) -> None:
        event = b'data: {"choices": []}\n\n'
        arrived = asyncio.Event()
        over = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(event), event)
            )
            await arrived.wait()
            writer.write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n")
            await over.wait()  # the connection stays open
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        relay = Relay()
        async with server, running(relay), aiohttp.ClientSession() as session:
            assert relay.address
            headers = {TOKEN_HEADER: relay.prepare(call_for(config_for(url)))}
            to_relay = f"http://127.0.0.1:{relay.address[1]}/"
            body = {**BODY, "stream": True}
            try:
                async with asyncio.timeout(5):
                    answer = await session.post(to_relay, json=body, headers=headers)
                    assert await answer.content.readexactly(len(event)) == event
                    arrived.set()
                    rest = await answer.read()
            finally:
                over.set()
                server.close()
        error = json.loads(rest.removeprefix(b"data: "))["error"]
        assert error["code"] == "vast_disconnected"


async def read_request(reader: asyncio.StreamReader) -> None:
    """Reads one request with a content-length."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    await reader.readexactly(int(lengths[0].partition(b":")[2]))


class TestTokens:
    async def test_one_works_once(self) -> None:
        relay = Relay()
        async with running(relay), aiohttp.ClientSession() as session:
            assert relay.address
            url = f"http://127.0.0.1:{relay.address[1]}/"
            call = call_for(config_for("http://127.0.0.1:1"), AnswerHere(200, b"{}"))
            headers = {TOKEN_HEADER: relay.prepare(call)}
            statuses = []
            for _ in range(2):
                async with session.post(url, headers=headers) as answer:
                    statuses.append(answer.status)
        assert statuses == [200, 404]

    async def test_one_that_was_forgotten_does_not_work(self) -> None:
        relay = Relay()
        async with running(relay), aiohttp.ClientSession() as session:
            assert relay.address
            call = call_for(config_for("http://127.0.0.1:1"), bad_request("no", "no"))
            assert not relay.expects(("127.0.0.1", 50_000))
            token = relay.prepare(call)
            assert relay.expects(("127.0.0.1", 50_000))
            relay.forget(token)
            assert not relay.expects(("127.0.0.1", 50_000))
            url = f"http://127.0.0.1:{relay.address[1]}/"
            async with session.post(url, headers={TOKEN_HEADER: token}) as answer:
                assert answer.status == 404


class TestTheEnd:
    async def test_nothing_is_left_of_it_even_with_a_call_in_progress(self) -> None:
        before = asyncio.all_tasks()
        async with standin() as vast:
            relay = Relay()
            async with running(relay) as post:
                call = call_for(config_for(vast.url))
                hanging = asyncio.ensure_future(post(call, standin={"fault": "hang"}))
                async with aiohttp.ClientSession() as control:
                    query = {"wait_for": "running", "count": "1", "timeout": "10"}
                    async with control.get(f"{vast.url}/_standin/calls", params=query) as answer:
                        assert answer.status == 200
                await relay.stop()
                with pytest.raises(aiohttp.ClientError):
                    await hanging
            assert relay.address is None
        # aiohttp's tasks for connections were cancelled, and need a turn of the loop to end.
        if ending := asyncio.all_tasks() - before:
            await asyncio.wait(ending, timeout=5)
        assert asyncio.all_tasks() == before

    async def test_a_call_that_an_app_never_finishes_sending_ends_with_it(self) -> None:
        relay = Relay()
        async with running(relay):
            assert relay.address
            token = relay.prepare(call_for(config_for("http://127.0.0.1:9")))
            reader, writer = await asyncio.open_connection(*relay.address)
            head = f"POST / HTTP/1.1\r\nHost: x\r\n{TOKEN_HEADER}: {token}\r\n"
            writer.write(head.encode() + b'Content-Length: 100\r\n\r\n{"mod')
            async with asyncio.timeout(10):
                while not relay.running:  # noqa: ASYNC110  (there is no event for it)
                    await asyncio.sleep(0.01)
            draining = asyncio.create_task(relay.drain(60))
            await relay.drain(0)
            async with asyncio.timeout(10):
                answer = await reader.readuntil(b"\r\n\r\n")
                await draining
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert not relay.running
            writer.close()

    async def test_it_can_be_started_and_stopped_again(self) -> None:
        relay = Relay()
        await relay.stop()
        for _ in range(2):
            await asyncio.gather(relay.start(), relay.start())
            assert relay.address
            await relay.stop()
            assert relay.address is None
