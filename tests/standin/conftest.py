"""A stand-in in this process, and clients that see exactly what it sends."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import openai
import pytest

from vast_intercept.standin.model_server.listed.routes import ROUTES
from vast_intercept.standin.server import StandIn, StandInConfig

CONFIG = StandInConfig(endpoints=("demo", "other"))
CHAT = "/demo/v1/chat/completions"
COMPLETIONS = "/demo/v1/completions"
HELLO: list[Any] = [{"role": "user", "content": "hello there"}]


class Vast:
    """A running stand-in, and a client for it."""

    def __init__(self, url: str, session: aiohttp.ClientSession, key: str = CONFIG.api_key) -> None:
        self.url = url
        self.session = session
        self.key = key

    async def post(
        self, body: object, path: str = CHAT, **headers: str
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """The head and the body of an answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(
            self.url + path,
            data=io.BytesIO(data),
            headers={
                "authorization": f"Bearer {self.key}",
                "content-type": "application/json",
                **headers,
            },
            allow_redirects=False,
        ) as response:
            return response, await response.read()

    async def chat(self, **body: Any) -> Any:
        """The answer to a chat that is served."""
        response, data = await self.post({"messages": HELLO, **body})
        assert response.status == 200, data
        return json.loads(data)

    async def events(self, body: dict[str, Any], path: str = CHAT) -> list[Any]:
        """The chunks of a stream that ends as it should."""
        response, data = await self.post({**body, "stream": True}, path)
        assert response.content_type == "text/event-stream", data
        return complete(data)

    async def raw(self, **body: Any) -> bytes:
        """Every byte that comes until the connection ends."""
        async with RawCall(self.url, {"messages": HELLO, **body}) as call:
            return await call.reader.read()

    async def control(self, method: str, path: str, **body: Any) -> Any:
        """An answer of the control interface."""
        url = f"{self.url}/_standin/{path}"
        async with self.session.request(method, url, json=body) as response:
            response.raise_for_status()
            return await response.json() if response.status == 200 else None

    async def states(self) -> list[str]:
        """The workers' states."""
        return [each["state"] for each in await self.control("GET", "workers")]

    async def until(self, *states: str) -> None:
        """Returns once the workers have these states."""
        async with asyncio.timeout(10):
            while await self.states() != list(states):  # noqa: ASYNC110  (there is no event)
                await asyncio.sleep(0.005)

    async def listed(self) -> dict[str, str]:
        """The endpoints' keys, as the console has them."""
        url = f"{self.url}/api/v0/endptjobs/?client_id=me"
        headers = {"authorization": f"Bearer {self.key}"}
        async with self.session.get(url, headers=headers) as response:
            results = (await response.json())["results"]
            return {each["endpoint_name"]: each["api_key"] for each in results}

    async def route(self, endpoint: str = "demo", **changes: Any) -> Any:
        """What the router says to who has the key."""
        asked = {"endpoint": endpoint, "cost": 16.0, "request_idx": 0, "replay_timeout": 60.0}
        if "api_key" not in changes:
            asked["api_key"] = (await self.listed())[endpoint]
        _, data = await self.post({**asked, **changes}, "/route/")
        return json.loads(data)

    async def upload(
        self, path: str, fields: dict[str, str], **files: tuple[str, bytes, str]
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """The answer of the model server itself to a form, with files by name, bytes and type."""
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in fields.items():
            form.add_field(name, value)
        for name, (filename, data, content_type) in files.items():
            file = io.BytesIO(data)
            form.add_field(name, file, filename=filename, content_type=content_type)
        async with self.session.post(self.url + path, data=form) as response:
            return response, await response.read()

    async def serve(self, path: str, payload: dict[str, Any]) -> Any:
        """The answer of a worker to a call that it serves."""
        response, data = await self.work(await self.route(), path, messages=..., **payload)
        assert response.status == 200, data
        return json.loads(data)

    async def work(
        self, route: Any, path: str = "/v1/chat/completions", **payload: Any
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """The head and the body of a worker's answer to a call with this route."""
        body = io.BytesIO(json.dumps(worker_call(route, **payload)).encode())
        async with self.session.post(route["url"] + path, data=body) as response:
            return response, await response.read()

    async def calls(self, query: str = "") -> list[dict[str, Any]]:
        """The calls that came, or those that have come once the query's condition holds."""
        calls: list[dict[str, Any]] = await self.control("GET", f"calls?{query}")
        return calls


def worker_call(route: Any, **payload: Any) -> dict[str, Any]:
    """The body of a call to a worker. A field that is `...` is left out."""
    fields = {"messages": HELLO, **payload}
    fields = {name: value for name, value in fields.items() if value is not ...}
    return {"auth_data": route, "session_id": None, "payload": fields}


class RawCall:
    """A call on a connection of its own, over TCP with nothing in between."""

    def __init__(self, url: str, body: dict[str, Any], path: str = CHAT) -> None:
        self._address = urlsplit(url)
        self._path = path
        self._body = json.dumps(body).encode()

    async def __aenter__(self) -> Self:
        address = self._address
        self.reader, self.writer = await asyncio.open_connection(address.hostname, address.port)
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Authorization: Bearer {CONFIG.api_key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self._body)}\r\nConnection: close\r\n\r\n"
        )
        self.writer.write(head.encode() + self._body)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        await self.writer.wait_closed()

    async def head(self) -> bytes:
        """The head of the answer."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def chunk(self) -> bytes:
        """The next chunk, as HTTP cut it."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]


def complete(stream: bytes) -> list[Any]:
    """The chunks of a stream. It must have ended with `[DONE]`."""
    *events, done, end = stream.split(b"\n\n")
    assert (done, end) == (b"data: [DONE]", b"")
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def text_of(chunks: list[Any]) -> str:
    """What a chat's chunks say."""
    return "".join(
        choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]
    )


@pytest.fixture
async def vast() -> AsyncIterator[Vast]:
    """A stand-in with the endpoints `demo` and `other`."""
    async with StandIn(CONFIG) as standin, aiohttp.ClientSession() as session:
        yield Vast(standin.url, session)


@pytest.fixture
async def able() -> AsyncIterator[Vast]:
    """A stand-in that serves all that it can."""
    config = StandInConfig(endpoints=("demo",), routes=(",".join(ROUTES),))
    async with StandIn(config) as standin, aiohttp.ClientSession() as session:
        yield Vast(standin.url, session)


@pytest.fixture
async def client(vast: Vast) -> AsyncIterator[openai.AsyncOpenAI]:
    """The openai package, talking to the stand-in."""
    async with openai.AsyncOpenAI(
        base_url=f"{vast.url}/demo/v1", api_key=CONFIG.api_key, max_retries=0
    ) as client:
        yield client
