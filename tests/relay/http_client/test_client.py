"""What goes out over the relay's connections."""

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
