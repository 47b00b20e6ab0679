"""Calls that the relay has: known until their answers are written, also while they wait."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http

from vast_intercept.relay.serving import server
from vast_intercept.relay.serving.server import Relay
from vast_intercept.secret import sha256_of

from .in_process import InProcess, Upstream, mitmproxy_with_addon, request_to

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAST_API_KEY", "vast-0123456789abcdef")


def call() -> http.HTTPFlow:
    url = "https://api.openai.com/v1/chat/completions"
    return request_to(url, headers={"content-type": "application/json"}, body=BODY)


async def answered(mitmproxy: InProcess, flow: http.HTTPFlow) -> None:
    await mitmproxy.begin(flow)
    await mitmproxy.go_on(flow, BODY)
    await mitmproxy.send(flow)


async def test_a_call_has_ended_once_mitmproxy_has_written_its_answer(tmp_path: Path) -> None:
    upstream = Upstream()
    async with upstream.running() as port:
        vast = {"endpoint": "e", "openai_url": f"http://127.0.0.1:{port}"}
        async with mitmproxy_with_addon(tmp_path, vast=vast) as mitmproxy:
            flow = call()
            await answered(mitmproxy, flow)
            ended = asyncio.create_task(mitmproxy.calls.relayed.ended())
            # A person holds the answer: nothing is written before it is let go.
            held = asyncio.Event()

            def hold(held_flow: http.HTTPFlow) -> None:
                held_flow.intercept()
                held.set()

            mitmproxy.other.in_response = hold
            ending = asyncio.create_task(mitmproxy.end(flow))
            await held.wait()
            for _ in range(20):
                await asyncio.sleep(0)
            assert not ended.done()
            flow.resume()
            await ending
            async with asyncio.timeout(10):
                await ended


async def test_nothing_is_waited_for_where_there_is_no_call(tmp_path: Path) -> None:
    async with mitmproxy_with_addon(tmp_path, vast={"endpoint": "e"}) as mitmproxy:
        async with asyncio.timeout(10):
            await mitmproxy.calls.relayed.ended()


async def test_a_call_that_comes_before_the_relay_waits_for_it(tmp_path: Path) -> None:
    upstream = Upstream()
    async with upstream.running() as port:
        vast = {"endpoint": "e", "openai_url": f"http://127.0.0.1:{port}"}
        async with mitmproxy_with_addon(tmp_path, started=False, vast=vast) as mitmproxy:
            flow = call()
            beginning = asyncio.create_task(mitmproxy.begin(flow))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not beginning.done()
            await mitmproxy.start()
            await beginning
            await mitmproxy.go_on(flow, BODY)
            await mitmproxy.send(flow)
            assert flow.response
            assert flow.response.status_code == 200
            await mitmproxy.end(flow)


async def test_a_call_does_not_wait_for_a_relay_that_could_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(relay: Relay) -> None:
        raise OSError(relay)

    monkeypatch.setattr(Relay, "_start", fails)
    async with mitmproxy_with_addon(tmp_path, vast={"endpoint": "e"}) as mitmproxy:
        flow = call()
        async with asyncio.timeout(10):
            await mitmproxy.begin(flow)
        assert flow.response
        assert flow.response.status_code == 500
        monkeypatch.setattr(Relay, "stop", succeeds)


async def succeeds(relay: Relay) -> None:
    """There is nothing to stop."""


def elsewhere(flow: http.HTTPFlow) -> None:
    flow.request.scheme, flow.request.host, flow.request.port = "https", "example.com", 443


@pytest.mark.parametrize(
    ("sections", "status"),
    [
        ({"clients": {"keys": [{"name": "another", "sha256": sha256_of("another key")}]}}, 401),
        ({"nonsense": 3}, 500),
    ],
    ids=["its client is not listed", "the configuration is broken"],
)
async def test_a_refused_call_that_is_sent_elsewhere_by_another_addon_stays_refused(
    sections: dict[str, Any], status: int, tmp_path: Path
) -> None:
    vast = {"api_key": "vast-key-of-a-test", "endpoint": "e"}
    async with mitmproxy_with_addon(tmp_path, vast=vast, **sections) as mitmproxy:
        mitmproxy.other.in_request = elsewhere
        flow = call()
        await answered(mitmproxy, flow)
        assert flow.response
        assert flow.response.status_code == status


async def test_a_relay_that_could_not_start_can_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay()
    relay.folder = tmp_path

    def fail(*_: object, **__: object) -> None:
        raise OSError("no socket")

    monkeypatch.setattr(server, "Upstreams", fail)
    with pytest.raises(OSError, match="no socket"):
        await relay.start()
    await relay.stop()
