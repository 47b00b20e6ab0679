"""Gates, the list of calls, and numbers: what tests steer and see the stand-in with."""

import asyncio
import base64
import json

import aiohttp
import pytest

from vast_intercept.standin.mischief import exchange
from vast_intercept.standin.mischief.gates import Gates
from vast_intercept.standin.received_calls import ReceivedCalls

from .conftest import CHAT, HELLO, RawCall, Vast


def gated(name: str, *, stream: bool = True) -> dict[str, object]:
    return {"messages": HELLO, "stream": stream, "standin": {"gate": name, "chunks": 2}}


async def test_a_gate_lets_one_chunk_pass(vast: Vast) -> None:
    async with RawCall(vast.url, gated("a")) as call:
        await call.head()
        first = await call.chunk()
        assert b'"role":"assistant"' in first
        for expected in (b'"w0 "', b'"w1 "', b'"finish_reason":"stop"', b"[DONE]"):
            # The stand-in has answered this since it sent the last chunk: it holds the next back.
            assert (await vast.calls())[0]["outcome"] == "running"
            assert not call.reader._buffer  # type: ignore[attr-defined]
            await vast.control("POST", "gates/a")
            assert expected in await call.chunk()
        assert await call.chunk() == b""
    assert (await vast.calls())[0]["outcome"] == "done"


async def test_a_whole_answer_has_its_body_behind_the_gate(vast: Vast) -> None:
    async with RawCall(vast.url, gated("a", stream=False)) as call:
        assert b"content-length: " in (await call.head()).lower()
        await vast.calls("wait_for=running")
        assert not call.reader._buffer  # type: ignore[attr-defined]
        await vast.control("POST", "gates/a")
        assert json.loads(await call.reader.read())["object"] == "chat.completion"


async def test_a_gate_may_be_opened_before(vast: Vast) -> None:
    for opened in (1, 2, 3, 4):
        assert await vast.control("POST", "gates/some%20name") == {"opened": opened}
    assert len(await vast.events(gated("some name"))) == 4
    # With its last stream it is gone, and its name stands for a new one.
    assert await vast.control("POST", "gates/some%20name") == {"opened": 1}


async def test_a_gate_that_was_shut_holds_the_first_chunk_back(vast: Vast) -> None:
    await vast.control("PUT", "gates/a")
    async with RawCall(vast.url, gated("a")) as call:
        await call.head()
        await vast.calls("wait_for=running")
        assert not call.reader._buffer  # type: ignore[attr-defined]
        await vast.control("POST", "gates/a")
        assert b'"role":"assistant"' in await call.chunk()
        assert not call.reader._buffer  # type: ignore[attr-defined]


async def test_one_gate_for_two_streams(vast: Vast) -> None:
    streams = asyncio.gather(vast.events(gated("a")), vast.events(gated("a")))
    await vast.calls("wait_for=running&count=2")
    for _ in range(4):
        await vast.control("POST", "gates/a")
    assert [len(chunks) for chunks in await streams] == [4, 4]


async def test_a_gate_that_stays_shut_ends_the_call(
    vast: Vast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_GATE_SECONDS", 0.01)
    answer = await vast.raw(**gated("never"))
    assert answer.count(b"data: ") == 1
    assert not answer.endswith(b"0\r\n\r\n")


def test_gates_that_nobody_uses_are_forgotten_in_time() -> None:
    gates = Gates()
    with gates.used("used"):
        gates.open("used")
        for index in range(2_000):
            gates.open(f"unused {index}")
        assert gates.open("used") == 2
        assert gates.open("unused 1999") == 2
        assert gates.open("unused 0") == 1


async def test_delays_change_nothing_but_time(vast: Vast) -> None:
    told = {"delay": 0.001, "first_delay": 0.001, "text": "one two"}
    assert len(await vast.events({"messages": HELLO, "standin": told})) == 4
    answer = await vast.chat(standin=told)
    assert answer["choices"][0]["message"]["content"] == "one two"


async def test_calls_are_listed_as_received(vast: Vast) -> None:
    body = {"messages": HELLO, "unknown": "é"}
    await vast.post(body, CHAT + "?a=b", **{"X-Mixed-Case": "ü"})
    await vast.post({}, "/nowhere")
    first, second = await vast.calls()
    assert (first["method"], first["path"], first["outcome"]) == ("POST", CHAT + "?a=b", "done")
    assert (first["status"], first["worker"]) == (200, None)
    assert ["X-Mixed-Case", "ü"] in first["headers"]
    assert base64.b64decode(first["body_base64"]) == json.dumps(body).encode()
    assert (second["path"], second["status"]) == ("/nowhere", 404)
    assert await vast.calls("tail=1") == [second]
    assert await vast.calls("tail=0") == []


async def test_calls_are_forgotten_when_asked(vast: Vast) -> None:
    await vast.chat()
    await vast.control("DELETE", "calls")
    assert await vast.calls() == []
    assert (await vast.control("GET", "stats"))["calls"] == 1


async def test_of_large_bodies_the_beginning_is_kept(vast: Vast) -> None:
    size = 2 * 1024 * 1024
    await vast.post(b"x" * size)
    (call,) = await vast.calls()
    assert len(base64.b64decode(call["body_base64"])) == 1024 * 1024
    assert call["body_size"] == size


def test_the_list_of_calls_is_bounded() -> None:
    calls = ReceivedCalls()
    for index in range(10_500):
        calls.end(calls.begin("POST", f"/{index}", (), bytearray()), "done")
    listed = calls.to_json()
    assert isinstance(listed, list)
    assert len(listed) == 10_000
    for _ in range(100):
        calls.begin("POST", "/", (), bytearray(1024 * 1024))
    listed = calls.to_json()
    assert isinstance(listed, list)
    assert len(listed) == 64
    assert (calls.total, calls.running) == (10_600, 100)


async def test_who_leaves_is_noticed(vast: Vast) -> None:
    waiting = asyncio.create_task(vast.calls("wait_for=cancelled&count=2"))
    for fault in ("hang", "stall"):
        body = {"messages": HELLO, "stream": True, "standin": {"fault": fault}}
        async with RawCall(vast.url, body):
            await vast.calls("wait_for=running")
    assert [call["outcome"] for call in await waiting] == ["cancelled", "cancelled"]
    assert (await vast.control("GET", "stats"))["running"] == 0


async def test_who_leaves_in_the_middle_of_an_answer_is_noticed(
    vast: Vast, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"messages": HELLO, "stream": True, "standin": {"chunks": 200_000}}
    async with RawCall(vast.url, body) as call:
        await call.head()
    await vast.calls("wait_for=cancelled")
    assert not caplog.records


async def test_who_leaves_in_the_middle_of_a_request_is_noticed(
    vast: Vast, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = vast.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf".encode())
    await writer.drain()
    writer.close()
    (call,) = await vast.calls("wait_for=cancelled")
    assert base64.b64decode(call["body_base64"]) == b"half"
    assert not caplog.records


async def test_waiting_has_an_end(vast: Vast) -> None:
    with pytest.raises(aiohttp.ClientResponseError, match="408"):
        await vast.calls("wait_for=done&count=1&timeout=0.01")


@pytest.mark.parametrize("query", ["wait_for=nothing", "count=x", "tail=x", "timeout=x"])
async def test_queries_that_make_no_sense(vast: Vast, query: str) -> None:
    with pytest.raises(aiohttp.ClientResponseError, match="400"):
        await vast.calls(query)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("POST", "gates/", 405),
        ("GET", "gates/a", 405),
        ("DELETE", "stats", 405),
        ("GET", "gates/a/b", 404),
        ("POST", "workers", 405),
        ("GET", "workers/0", 405),
        ("GET", "overrides/route", 405),
        ("GET", "faults", 405),
        ("GET", "endpoints/demo/key", 405),
        ("PUT", "endpoints/unknown/key", 404),
        ("DELETE", "overrides/unknown", 404),
    ],
)
async def test_control_calls_that_are_not_there(
    vast: Vast, method: str, path: str, status: int
) -> None:
    with pytest.raises(aiohttp.ClientResponseError, match=str(status)):
        await vast.control(method, path)


async def test_calls_to_one_path(vast: Vast) -> None:
    waiting = asyncio.create_task(vast.calls("path=/other/v1/chat/completions&wait_for=done"))
    await vast.chat()
    assert not waiting.done()
    await vast.post({"messages": HELLO}, "/other/v1/chat/completions?a=b")
    (call,) = await waiting
    assert call["path"] == "/other/v1/chat/completions?a=b"
    assert await vast.calls("path=/other/v1/chat/completions?a=b") == [call]
    assert await vast.calls("path=/other") == []


async def test_stats(vast: Vast) -> None:
    stats = {
        "connections": 1,
        "open_connections": 1,
        "worker_connections": 0,
        "open_worker_connections": 0,
        "calls": 0,
        "running": 0,
        "reused": 0,
        "unsigned": 0,
    }
    assert await vast.control("GET", "stats") == stats
    async with RawCall(vast.url, gated("a")) as call:
        await call.head()
        assert await vast.control("GET", "stats") == {
            **stats,
            "connections": 2,
            "open_connections": 2,
            "calls": 1,
            "running": 1,
        }
    await vast.calls("wait_for=cancelled")
    stats = await vast.control("GET", "stats")
    assert (stats["connections"], stats["calls"], stats["running"]) == (2, 1, 0)
