"""A worker's answers: the model server's, to who has a route."""

import asyncio
import base64
import json
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from vast_intercept.standin.server import StandIn, StandInConfig
from vast_intercept.standin.vast.admission import Admission
from vast_intercept.standin.vast.route_signing import RouteSigner

from ..conftest import COMPLETIONS, HELLO, RawCall, Vast, complete, text_of, worker_call

WORKER_CHAT = "/v1/chat/completions"


async def test_answers_as_the_model_server_does(vast: Vast) -> None:
    response, data = await vast.work(await vast.route())
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert response.headers["server"] == "uvicorn"
    assert json.loads(data)["choices"][0]["message"]["content"] == "You said: hello there"
    straight, _ = await vast.post({"messages": HELLO})
    assert set(response.headers) == set(straight.headers)


async def test_streams(vast: Vast) -> None:
    response, data = await vast.work(await vast.route(), stream=True)
    assert response.headers["content-type"] == "text/event-stream"
    assert text_of(complete(data)) == "You said: hello there"


async def test_completes(vast: Vast) -> None:
    _, data = await vast.work(await vast.route(), "/v1/completions?api_key=x", prompt="a")
    assert json.loads(data)["object"] == "text_completion"


async def test_passes_on_what_vllm_refuses(vast: Vast) -> None:
    wrong: dict[str, Any] = {"messages": HELLO, "temperature": -1}
    response, data = await vast.work(await vast.route(), **wrong)
    straight = await vast.post(wrong)
    assert (response.status, data) == (400, straight[1])


async def test_passes_on_what_the_model_server_is_told(vast: Vast) -> None:
    told = {"status": 500, "body": "", "headers": {"x-a": "b"}}
    response, data = await vast.work(await vast.route(), standin=told)
    assert (response.status, data, response.headers["x-a"]) == (500, b"", "b")
    assert response.headers["content-type"] == "application/octet-stream"
    response, data = await vast.work(await vast.route(), standin={"fault": "html"})
    assert (response.status, response.headers["content-type"]) == (502, "text/html")
    with pytest.raises(aiohttp.ClientPayloadError):
        await vast.work(await vast.route(), stream=True, standin={"fault": "cut"})


async def test_the_call_is_recorded_as_received(vast: Vast) -> None:
    route = await vast.route("other")
    await vast.work(route)
    (call,) = await vast.calls(f"path={WORKER_CHAT}")
    assert (call["worker"], call["outcome"]) == (1, "done")
    assert base64.b64decode(call["body_base64"]) == json.dumps(worker_call(route)).encode()
    assert [each["calls"] for each in await vast.control("GET", "workers")] == [0, 1]


async def test_who_leaves_is_noticed(vast: Vast) -> None:
    route = await vast.route()
    body = worker_call(route, stream=True, standin={"gate": "a"})
    async with RawCall(route["url"], body, WORKER_CHAT) as call:
        await call.head()
        stats = await vast.control("GET", "stats")
        assert (stats["running"], stats["open_worker_connections"]) == (1, 1)
    (_, cancelled) = (await vast.calls("wait_for=cancelled"))[-2:]
    assert (cancelled["worker"], cancelled["outcome"]) == (0, "cancelled")


async def test_a_route_is_good_for_one_call(vast: Vast) -> None:
    route = await vast.route()
    assert (await vast.work(route))[0].status == 200
    response, data = await vast.work(route)
    assert (response.status, data) == (401, b"")
    assert "content-type" not in response.headers
    stats = await vast.control("GET", "stats")
    assert (stats["reused"], stats["unsigned"]) == (1, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("signature", "AAAA"),
        ("signature", "not base64!"),
        ("signature", "é"),
        ("signature", None),
        ("url", "http://127.0.0.1:1"),
        ("url", None),
    ],
)
async def test_a_forged_route_is_refused(vast: Vast, name: str, value: object) -> None:
    route = await vast.route()
    async with vast.session.post(
        route["url"] + WORKER_CHAT, json=worker_call({**route, name: value})
    ) as response:
        assert (response.status, await response.read()) == (401, b"")
    stats = await vast.control("GET", "stats")
    assert (stats["reused"], stats["unsigned"]) == (0, 1)


async def test_used_routes_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vast_intercept.standin.vast.admission._REMEMBERED", 3)
    signer = RouteSigner()
    admission = Admission(signer)
    auth = {"url": "http://a:1", "signature": await signer.sign("http://a:1")}
    for reqnum in range(10):
        assert await admission.admits({**auth, "reqnum": reqnum})
    assert not await admission.admits({**auth, "reqnum": 9})
    assert len(admission._used) == 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"auth_data": ...}, {"auth_data": "field missing"}),
        ({"payload": ...}, {"payload": "field missing"}),
        (
            {"auth_data": ..., "payload": ...},
            {"auth_data": "field missing", "payload": "field missing"},
        ),
        ({"payload": [1]}, {"payload": {"data": "payload must be a dictionary"}}),
        (
            {"auth_data": {"signature": "x", "more": 1}},
            {
                "auth_data": dict.fromkeys(
                    ["cost", "endpoint", "reqnum", "request_idx", "url"], "missing parameter"
                )
            },
        ),
    ],
)
async def test_fields_that_are_missing(
    vast: Vast, change: dict[str, Any], expected: dict[str, Any]
) -> None:
    route = await vast.route()
    body = {
        name: value for name, value in {**worker_call(route), **change}.items() if value is not ...
    }
    async with vast.session.post(route["url"] + WORKER_CHAT, json=body) as response:
        assert response.status == 422
        assert await response.json() == expected


async def test_one_field_that_is_missing(vast: Vast) -> None:
    route = await vast.route()
    del route["signature"]
    response, data = await vast.work(route)
    assert response.status == 422
    assert json.loads(data) == {"auth_data": {"signature": "missing parameter"}}


@pytest.mark.parametrize("body", [b"", b"{", b'{"x":' * 9_999], ids=["none", "half", "deep"])
async def test_a_body_that_is_no_json(vast: Vast, body: bytes) -> None:
    url = (await vast.route())["url"]
    async with vast.session.post(url + WORKER_CHAT, data=body) as response:
        assert (response.status, await response.json()) == (422, {"error": "invalid JSON"})


async def test_a_session_that_there_is_not(vast: Vast) -> None:
    route = await vast.route()
    body = {**worker_call(route), "session_id": "abc"}
    async with vast.session.post(route["url"] + WORKER_CHAT, json=body) as response:
        assert (response.status, await response.json()) == (410, {"error": "invalid session"})


async def test_paths_that_are_not_there(vast: Vast) -> None:
    url = (await vast.route())["url"]
    async with vast.session.get(url + WORKER_CHAT) as response:
        assert response.status == 405
    async with vast.session.post(url + COMPLETIONS) as response:
        assert response.status == 404


async def test_tls(certs: tuple[Path, Path, Path]) -> None:
    ca, certificate, key = certs
    config = StandInConfig(tls_cert=certificate, tls_key=key, root_cert=ca)
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(ca)))
    async with (
        StandIn(config) as standin,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        vast = Vast(standin.url, session)
        route = await vast.route()
        assert route["url"].startswith("https://localhost:")
        assert (await vast.work(route))[0].status == 200
        # The state of one whose connections are in TLS changes as well.
        hanging = asyncio.create_task(vast.work(await vast.route(), standin={"fault": "hang"}))
        await vast.calls(f"path={WORKER_CHAT}&wait_for=running")
        await vast.control("PUT", "workers/0", state="dead")
        with pytest.raises(aiohttp.ClientConnectionError):
            await hanging
