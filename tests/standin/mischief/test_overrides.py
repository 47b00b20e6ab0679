"""Answers that a test puts in the place of the console's and the router's."""

from typing import Any

import aiohttp
import pytest

from vast_intercept.standin.mischief import faults

from ..conftest import Vast

PATHS = {
    "route": ("POST", "/route/"),
    "endptjobs": ("GET", "/api/v0/endptjobs/?client_id=me"),
    "root": ("GET", "/static/jvastai_root.cer"),
    "workers": ("POST", "/get_endpoint_workers/"),
    "instance": ("GET", "/api/v0/instances/1/?owner=me"),
}


async def ask(vast: Vast, what: str) -> tuple[int, bytes, aiohttp.ClientResponse]:
    method, path = PATHS[what]
    async with vast.session.request(method, vast.url + path) as response:
        return response.status, await response.read(), response


@pytest.mark.parametrize("what", PATHS)
async def test_the_next_requests_are_answered_like_this(vast: Vast, what: str) -> None:
    usual = (await ask(vast, what))[:2]
    answer = {"status": 503, "body": "<html>é", "headers": {"content-type": "text/html"}}
    await vast.control("PUT", f"overrides/{what}", times=2, **answer)
    for _ in range(2):
        status, body, response = await ask(vast, what)
        assert (status, body.decode()) == (503, "<html>é")
        assert response.headers["content-type"] == "text/html"
    assert (await ask(vast, what))[:2] == usual


async def test_without_more_one_answer_is_empty(vast: Vast) -> None:
    await vast.control("PUT", "overrides/endptjobs")
    assert (await ask(vast, "endptjobs"))[:2] == (200, b"")
    assert (await ask(vast, "endptjobs"))[0] == 401


async def test_it_may_be_removed(vast: Vast) -> None:
    await vast.control("PUT", "overrides/route", status=500, times=1_000)
    assert (await ask(vast, "route"))[0] == 500
    for _ in range(2):
        await vast.control("DELETE", "overrides/route")
    assert (await ask(vast, "route"))[0] == 400


async def test_others_are_answered_as_usual(vast: Vast) -> None:
    await vast.control("PUT", "overrides/root", status=500)
    assert (await vast.route())["url"]


async def test_drop(vast: Vast) -> None:
    await vast.control("PUT", "overrides/route", fault="drop")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await vast.post({}, "/route/")


async def test_hang(vast: Vast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "SILENCE", 0.01)
    await vast.control("PUT", "overrides/route", fault="hang")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await vast.post({}, "/route/")
    assert (await vast.calls())[0]["outcome"] == "done"


@pytest.mark.parametrize(
    ("what", "answer", "status"),
    [
        ("pubkey", {}, 404),
        ("route", {"times": 0}, 400),
        ("route", {"fault": "unknown"}, 400),
        ("route", {"more": 1}, 400),
    ],
)
async def test_overrides_that_there_are_not(
    vast: Vast, what: str, answer: dict[str, Any], status: int
) -> None:
    with pytest.raises(aiohttp.ClientResponseError, match=str(status)):
        await vast.control("PUT", f"overrides/{what}", **answer)
