"""What goes out over the relay's connections."""

import asyncio
import ssl

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict
from yarl import URL

from vast_intercept.config import TimeoutSection
from vast_intercept.openai_api.error_codes import ErrorCode
from vast_intercept.openai_api.errors import ApiError, bad_gateway
from vast_intercept.relay.http_client import HttpClient, UpstreamProxy


def explain(status: int, body: bytes) -> ApiError:
    return bad_gateway(f"{status} {body!r}", ErrorCode.BAD_GATEWAY)


@pytest.mark.parametrize("size", [10, 600 * 1024], ids=["small", "large"])
async def test_a_header_that_comes_twice_goes_out_twice(size: int) -> None:
    received: list[tuple[list[str], int]] = []

    async def answer(request: web.Request) -> web.Response:
        received.append((request.headers.getall("x-tag"), len(await request.read())))
        return web.Response()

    app = web.Application(client_max_size=2**20)
    app.router.add_post("/", answer)
    client = HttpClient(UpstreamProxy())
    async with TestServer(app) as server:
        url = URL(f"http://127.0.0.1:{server.port}/")
        headers = CIMultiDict([("x-tag", "one"), ("x-tag", "two")])
        tls = ssl.create_default_context()
        sent = await client.post(
            url, headers, [b"x" * size], tls, TimeoutSection(), explain=explain
        )
        assert sent.status == 200
        sent.close()
        await client.close()
    assert received == [(["one", "two"], size)]


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: audio/wav\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
CHUNK = b"4\r\nRIFF\r\n"


@pytest.mark.parametrize(
    ("answer", "length", "is_cut"),
    [
        (CHUNKED + CHUNK + b"0\r\n\r\n", None, False),
        (HEAD + b"content-length: 4\r\n\r\nRIFF", 4, False),
        # What a PyWorker sends whose model server died (FACTS V11).
        (CHUNKED + CHUNK + b"HTTP/1.1 500 Internal Server Error\r\n\r\n", None, True),
    ],
)
async def test_what_is_cut_can_be_told_from_what_has_ended(
    answer: bytes, length: int | None, *, is_cut: bool
) -> None:
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        head, first, rest = answer.partition(b"RIFF")
        writer.write(head + first)
        await asyncio.sleep(0.05)  # what is wrong comes after the first chunk was read
        writer.write(rest)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = HttpClient(UpstreamProxy())
    url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    tls = ssl.create_default_context()
    sent = await client.post(url, {}, [b""], tls, TimeoutSection(), explain=explain)
    assert sent.content_length == length
    body = b""
    async with asyncio.timeout(5):
        while piece := await sent.read():
            body += piece
    assert (body, sent.is_cut) == (b"RIFF", is_cut)
    sent.close()
    await client.close()
    for writer in connections:
        writer.close()
    server.close()
