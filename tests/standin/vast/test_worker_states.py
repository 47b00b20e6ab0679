"""What a test makes of a worker, as a client sees it."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from vast_intercept.standin.mischief import faults

from ..conftest import RawCall, Vast, complete, worker_call

WORKER_CHAT = "/v1/chat/completions"


async def state(vast: Vast, state: str, number: int = 0, **options: Any) -> Any:
    return await vast.control("PUT", f"workers/{number}", state=state, **options)


async def refused(url: str) -> bool:
    address = urlsplit(url)
    try:
        _, writer = await asyncio.open_connection(address.hostname, address.port)
    except ConnectionRefusedError:
        return True
    writer.close()
    await writer.wait_closed()
    return False


async def test_the_state_is_shown(vast: Vast) -> None:
    shown = await state(vast, "slow", delay=0.5)
    assert shown == {
        "number": 0,
        "endpoint": "demo",
        "url": (await vast.route())["url"],
        "state": "slow",
        "listed": True,
        "calls": 0,
        "load": 0,
    }
    assert await vast.states() == ["slow", "ready"]


async def test_cold(vast: Vast) -> None:
    await state(vast, "cold")
    assert "url" not in await vast.route()
    assert "url" in await vast.route("other")


async def test_cold_for_a_while(vast: Vast) -> None:
    await state(vast, "cold", ready_after=0.05)
    assert "url" not in await vast.route()
    await vast.until("ready", "ready")
    assert "url" in await vast.route()


async def test_another_state_ends_the_while(vast: Vast) -> None:
    await state(vast, "cold", ready_after=0.02)
    await state(vast, "cold")
    await state(vast, "cold", number=1, ready_after=0.05)
    await vast.until("cold", "ready")


async def test_dead(vast: Vast) -> None:
    route = await vast.route()
    idle = await vast.route()
    assert (await vast.work(idle))[0].status == 200
    body = worker_call(route, stream=True, standin={"gate": "a"})
    async with RawCall(route["url"], body, WORKER_CHAT) as call:
        await call.head()
        await state(vast, "dead")
        assert await refused(route["url"])
        await call.reader.read()
        assert call.reader.at_eof()
    await vast.calls("wait_for=cancelled")
    assert (await vast.control("GET", "stats"))["open_worker_connections"] == 0
    # The router does not know.
    given = await vast.route()
    assert given["url"] == route["url"]
    with pytest.raises(aiohttp.ClientConnectorError):
        await vast.work(given)
    await state(vast, "ready")
    back = await vast.route()
    assert back["url"] == route["url"]
    assert (await vast.work(back))[0].status == 200


async def test_dead_and_known_to_be(vast: Vast) -> None:
    await state(vast, "dead", listed=False)
    assert "url" not in await vast.route()


async def test_dead_more_than_once(vast: Vast) -> None:
    url = (await vast.route())["url"]
    for _ in range(3):
        for _ in range(2):
            await state(vast, "dead")
            assert await refused(url)
        for _ in range(2):
            await state(vast, "ready")
            assert not await refused(url)


async def test_hung(vast: Vast) -> None:
    running, asking = await vast.route(), await vast.route()
    body = worker_call(running, stream=True, standin={"gate": "a"})
    async with RawCall(running["url"], body, WORKER_CHAT) as call:
        await call.head()
        await call.chunk()
        await state(vast, "hung")
        await vast.control("POST", "gates/a")
        async with RawCall(asking["url"], worker_call(asking), WORKER_CHAT) as other:
            await vast.calls(f"path={WORKER_CHAT}&wait_for=running&count=2")
            # What the stand-in would have sent by now has not come: it answers others.
            assert (await vast.route())["url"] == running["url"]
            assert not call.reader._buffer  # type: ignore[attr-defined]
            assert not other.reader._buffer  # type: ignore[attr-defined]
            assert not call.reader.at_eof()
            assert not other.reader.at_eof()
    await vast.calls("wait_for=cancelled&count=2")
    await state(vast, "ready")
    assert (await vast.work(await vast.route()))[0].status == 200


async def test_hung_before_its_answer_is_whole(vast: Vast) -> None:
    route = await vast.route()
    body = worker_call(route, standin={"gate": "a"})
    async with RawCall(route["url"], body, WORKER_CHAT) as call:
        await call.head()
        await state(vast, "hung")
        await vast.control("POST", "gates/a")
        await vast.control("GET", "stats")
        assert not call.reader._buffer  # type: ignore[attr-defined]


async def test_silence_has_an_end(vast: Vast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "SILENCE", 0.01)
    await state(vast, "hung")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await vast.work(await vast.route())


@pytest.mark.parametrize("status", [401, 429, 499, 500, 503])
async def test_refusing(vast: Vast, status: int) -> None:
    await state(vast, "refusing", status=status)
    response, data = await vast.work(await vast.route())
    assert (response.status, data) == (status, b"")
    assert "content-type" not in response.headers


async def test_refusing_with_more(vast: Vast) -> None:
    headers = {"retry-after": "3"}
    await state(vast, "refusing", status=429, body='{"error": "busy"}', headers=headers)
    response, data = await vast.work(await vast.route())
    assert (response.status, json.loads(data)) == (429, {"error": "busy"})
    assert response.headers["retry-after"] == "3"


async def test_slow(vast: Vast) -> None:
    await state(vast, "slow", delay=60)
    route = await vast.route()
    async with RawCall(route["url"], worker_call(route), WORKER_CHAT) as call:
        await vast.calls(f"path={WORKER_CHAT}&wait_for=running")
        assert not call.reader._buffer  # type: ignore[attr-defined]
    await state(vast, "slow", delay=0.001)
    assert (await vast.work(await vast.route()))[0].status == 200


async def test_breaking(vast: Vast) -> None:
    await state(vast, "breaking")
    route = await vast.route()
    async with RawCall(route["url"], worker_call(route, stream=True), WORKER_CHAT) as call:
        answer = await call.reader.read()
    assert answer.count(b"data: ") == 3
    assert not answer.endswith(b"0\r\n\r\n")
    with pytest.raises(aiohttp.ClientPayloadError):
        await vast.work(await vast.route())
    await state(vast, "ready")
    assert complete((await vast.work(await vast.route(), stream=True))[1])


@pytest.mark.parametrize(
    ("number", "body", "status"),
    [
        ("0", {"state": "unknown"}, 400),
        ("0", {"state": "ready", "more": 1}, 400),
        ("0", {"state": "slow", "delay": -1}, 400),
        ("2", {"state": "ready"}, 404),
        ("x", {"state": "ready"}, 404),
    ],
)
async def test_states_that_there_are_not(
    vast: Vast, number: str, body: dict[str, Any], status: int
) -> None:
    with pytest.raises(aiohttp.ClientResponseError, match=str(status)):
        await vast.control("PUT", f"workers/{number}", **body)
