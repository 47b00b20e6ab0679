"""`vast-intercept standin`, as a process."""

import asyncio
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from .conftest import CHAT, HELLO, Vast

COMMAND = (
    *(sys.executable, "-W", "error", "-c"),
    "from vast_intercept.standin.command import standin; standin()",
)


@asynccontextmanager
async def process(*options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    running = await asyncio.create_subprocess_exec(
        *COMMAND,
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def ready(running: asyncio.subprocess.Process) -> str:
    """The address that it prints."""
    assert running.stdout
    line = (await running.stdout.readline()).decode()
    assert line.startswith("stand-in ready at http")
    return line.split()[-1]


async def stop(running: asyncio.subprocess.Process, number: int = signal.SIGTERM) -> None:
    """It ends at once, and well, without another word."""
    running.send_signal(number)
    assert await running.communicate() == (b"", b"")
    assert running.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_serves_until_it_is_told_to_stop(number: int) -> None:
    options = ("--api-key", "k", "--endpoint", "one", "--endpoint", "two", "--model", "m")
    async with process(*options) as running, aiohttp.ClientSession() as session:
        url = await ready(running)
        for endpoint in ("one", "two"):
            async with session.post(
                f"{url}/{endpoint}/v1/chat/completions",
                json={"model": "m", "messages": HELLO},
                headers={"authorization": "Bearer k"},
            ) as response:
                assert (await response.json())["model"] == "m"
        # An idle connection is open now, and this one waits for an answer that never comes.
        hanging = asyncio.create_task(
            session.post(
                f"{url}/one/v1/chat/completions",
                json={"messages": HELLO, "standin": {"fault": "hang"}},
                headers={"authorization": "Bearer k"},
            ).__aenter__()
        )
        async with session.get(f"{url}/_standin/calls?wait_for=running") as response:
            assert response.status == 200
        await stop(running, number)
        with pytest.raises(aiohttp.ClientConnectionError):
            await hanging


async def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_API_KEY", "from-environment")
    async with process() as running, aiohttp.ClientSession() as session:
        async with session.post(
            await ready(running) + CHAT,
            json={"messages": HELLO},
            headers={"authorization": "Bearer from-environment"},
        ) as response:
            assert response.status == 200
        await stop(running)


async def test_tls(certs: tuple[Path, Path, Path]) -> None:
    ca, certificate, key = certs
    trusting = ssl.create_default_context(cafile=str(ca))
    options = ("--tls-cert", str(certificate), "--tls-key", str(key))
    async with process(*options) as running, aiohttp.ClientSession() as session:
        url = await ready(running)
        assert url.startswith("https://localhost:")
        headers = {"authorization": "Bearer vast-standin-key"}
        body: dict[str, object] = {"messages": HELLO}
        async with session.post(url + CHAT, json=body, headers=headers, ssl=trusting) as response:
            assert response.status == 200
        for fault, error in (
            ("cut", aiohttp.ClientPayloadError),
            ("drop", aiohttp.ServerDisconnectedError),
            ("garbage", aiohttp.ClientResponseError),
        ):
            told = {**body, "standin": {"fault": fault}}
            with pytest.raises(error):
                async with session.post(
                    url + CHAT, json=told, headers=headers, ssl=trusting
                ) as response:
                    await response.read()
        await stop(running)


async def test_workers_and_what_goes_wrong_with_them(tmp_path: Path) -> None:
    faults = tmp_path / "faults.yaml"
    faults.write_text(
        """
        probability: {refuse: 1}
        schedule:
          - {at: 0, worker: 0, state: dead}
          - {at: 0, worker: 1, state: cold, ready_after: 60}
          - {at: 60, worker: 1, state: ready}
        """
    )
    root = tmp_path / "root.cer"
    root.write_bytes(b"root")
    options = ("--workers", "3", "--root-cert", str(root), "--faults", str(faults))
    async with process(*options) as running, aiohttp.ClientSession() as session:
        vast = Vast(await ready(running), session)
        await vast.until("dead", "cold", "ready")
        async with session.get(f"{vast.url}/static/jvastai_root.cer") as response:
            assert await response.read() == b"root"
        # The dead one is still given out.
        urls = {(await vast.route())["url"] for _ in range(2)}
        assert len(urls) == 2
        route = await vast.route()
        while route["url"] != (await vast.control("GET", "workers"))[2]["url"]:
            route = await vast.route()
        assert (await vast.work(route))[0].status == 503
        await vast.control("PUT", "workers/2", state="hung")
        hanging = asyncio.create_task(vast.work({**route, "reqnum": 1_000}))
        await vast.calls("path=/v1/chat/completions&wait_for=running")
        await stop(running)
        with pytest.raises(aiohttp.ClientConnectionError):
            await hanging


async def test_no_workers() -> None:
    async with process("--workers", "0") as running, aiohttp.ClientSession() as session:
        vast = Vast(await ready(running), session)
        assert await vast.states() == []
        assert "url" not in await vast.route()
        await stop(running)


@pytest.mark.parametrize(
    "faults", ["probability: {drop: 2}", "[", "schedule: [{at: 0, worker: 1, state: dead}]"]
)
async def test_faults_that_make_no_sense(tmp_path: Path, faults: str) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(faults)
    async with process("--faults", str(path)) as running:
        out, err = await running.communicate()
    assert (running.returncode, out) == (2, b"")
    assert b"Invalid value for --faults" in err


async def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with process("--port", str(port)) as running:
            out, err = await running.communicate()
    assert (running.returncode, out) == (1, b"")
    assert err.count(b"\n") == 1
    assert f"cannot listen on 127.0.0.1:{port}".encode() in err


async def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "cert.pem"
    path.write_text("not a certificate")
    async with process("--tls-cert", str(path)) as running:
        out, err = await running.communicate()
    assert (running.returncode, out) == (1, b"")
    assert err.count(b"\n") == 1


async def test_a_key_without_its_certificate(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.touch()
    async with process("--tls-key", str(path)) as running:
        _, err = await running.communicate()
    assert running.returncode == 2
    assert b"--tls-key needs --tls-cert" in err


async def test_routes_of_all_and_of_one_endpoint() -> None:
    options = ("--endpoint", "one", "--endpoint", "two", "--api-key", "k")
    routes = ("--routes", "/v1/embeddings", "--routes", "two=/v1/audio/transcriptions")
    async with process(*options, *routes) as running, aiohttp.ClientSession() as session:
        vast = Vast(await ready(running), session, "k")
        embedding = {"messages": ..., "input": "x"}
        upload = {"messages": ..., "file": "eA=="}
        for endpoint, path, payload, status in (
            ("one", "/v1/embeddings", embedding, 200),
            ("one", "/v1/audio/transcriptions", upload, 404),
            ("two", "/v1/embeddings", embedding, 200),
            ("two", "/v1/audio/transcriptions", upload, 200),
            ("two", "/v1/audio/translations", upload, 404),
        ):
            response, data = await vast.work(await vast.route(endpoint), path, **payload)
            assert response.status == status, data
            assert status == 200 or data == b"404: Not Found"
        await stop(running)


async def test_a_route_that_the_model_does_not_serve() -> None:
    options = ("--routes", "/v1/embeddings,/v1/audio/translations", "--model-routes", "")
    async with process(*options) as running, aiohttp.ClientSession() as session:
        vast = Vast(await ready(running), session)
        for path, payload in (
            ("/v1/embeddings", {"input": "x"}),
            ("/v1/audio/translations", {"file": "eA=="}),
        ):
            response, data = await vast.work(await vast.route(), path, messages=..., **payload)
            assert (response.status, data) == (404, b'{"detail":"Not Found"}')
        await stop(running)


@pytest.mark.parametrize(
    "options",
    [
        ("--routes", "/v1/moderations"),
        ("--routes", "other=/v1/embeddings"),
        ("--model-routes", "embeddings"),
    ],
)
async def test_routes_that_there_are_not(options: tuple[str, str]) -> None:
    async with process(*options) as running:
        out, err = await running.communicate()
    assert (running.returncode, out) == (2, b"")
    assert b"Invalid value for --routes or --model-routes: there is no" in err


async def test_a_machine_of_ones_own() -> None:
    options = ("--machine-key", "mine", "--routes", "/v1/embeddings", "--model", "m")
    async with process(*options) as running, aiohttp.ClientSession() as session:
        url = await ready(running)

        async def ask(method: str, path: str, key: str = "mine") -> tuple[int, bytes]:
            body = {"input": "x", "messages": HELLO} if method == "POST" else None
            headers = {"authorization": f"Bearer {key}"}
            async with session.request(method, url + path, json=body, headers=headers) as response:
                return response.status, await response.read()

        for path in ("/v1/chat/completions", "/v1/embeddings", "/v1/nothing"):
            assert await ask("POST", path, "vast-standin-key") == (401, b'{"error":"Unauthorized"}')
        for path in ("/v1/chat/completions", "/v1/embeddings"):
            assert (await ask("POST", path))[0] == 200
        assert await ask("POST", "/v1/nothing") == (404, b'{"detail":"Not Found"}')
        assert await ask("GET", "/v1/embeddings") == (405, b'{"detail":"Method Not Allowed"}')
        status, models = await ask("GET", "/v1/models")
        assert (status, b'"id":"m"' in models) == (200, True)
        # What goes wrong by chance goes wrong there, too.
        vast = Vast(url, session)
        await vast.control("PUT", "faults", probability={"refuse": 1})
        assert await ask("POST", "/v1/embeddings") == (503, b"")
        await vast.control("DELETE", "faults")
        # The account's key opens the account, and no more.
        assert (await ask("POST", CHAT, "vast-standin-key"))[0] == 200
        assert (await ask("POST", CHAT))[0] == 401
        await stop(running)
