"""No worker is ready: calls wait, visibly, and nobody on the way gives up."""

import time
from typing import Any

import openai
import pytest
import requests

from ...fixtures.workers import WORKERS, Intercepting
from ...harness import StandIn, unused_port
from .apps import MESSAGES, TEXT, App, ask, sent_to

COLD = 40  # seconds


def cool(vast: StandIn, **options: Any) -> None:
    for worker in range(2 * WORKERS):
        vast.set_worker(worker, "cold", **options)


@pytest.mark.slow
def test_a_cold_start_of_forty_seconds(vast: StandIn, intercepting: Intercepting) -> None:
    """A streamed call with a read time-out of 20 s, and a whole one with none."""
    intercepting(timeout={})
    cool(vast, ready_after=COLD)

    def streamed() -> str:
        client = openai.OpenAI(max_retries=0, timeout=20)
        chunks = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    def whole() -> Any:
        return ask(timeout=None)

    started = time.monotonic()
    apps = [App(streamed), App(whole)]
    assert apps[0].result() == TEXT
    reply = apps[1].result()
    assert COLD - 1 < time.monotonic() - started < COLD + 15
    assert reply.text == TEXT
    assert reply.headers["x-vast-attempts"] == "1"


def test_empty_chunks_come_with_the_pace_that_is_configured(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(timeout={}, keepalive=0.2)
    cool(vast, ready_after=1.5)
    reply = ask(stream=True)
    assert (reply.text, reply.done, reply.errors) == (TEXT, True, [])
    assert reply.empty >= 4
    assert reply.body.startswith(b'data: {"id":"chatcmpl-')


def test_nothing_comes_before_the_answer_where_that_is_switched_off(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(timeout={}, keepalive=0)
    cool(vast, ready_after=1.5)
    reply = ask(stream=True)
    assert (reply.text, reply.done, reply.empty) == (TEXT, True, 0)
    assert reply.headers["x-vast-attempts"] == "1"  # the head came with the answer


def test_the_polls_keep_the_place_that_the_router_gave(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(timeout={})
    cool(vast)
    app = App(ask)
    vast.wait_for_calls("done", 2, path="/route/")
    for worker in range(2 * WORKERS):
        vast.set_worker(worker, "ready")
    assert app.result().text == TEXT
    asked = sent_to(vast, "/route/")
    assert len(asked) >= 2
    assert asked[0]["request_idx"] == 0
    assert len({each["request_idx"] for each in asked[1:]}) == 1
    assert asked[1]["request_idx"] > 0


def test_a_wait_in_vain_ends_a_stream_with_an_error_event(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(timeout={"queue": 1}, keepalive=0.2)
    cool(vast)
    reply = ask(stream=True)
    assert reply.status == 200
    assert reply.empty >= 3
    assert reply.error["code"] == "vast_no_worker"
    assert not reply.done
    with pytest.raises(openai.APIError, match="had no ready worker for 1 s"):
        list(
            openai.OpenAI(max_retries=0).chat.completions.create(
                model="m", messages=MESSAGES, stream=True
            )
        )


def test_waiting_is_logged_once_and_shown_on_the_flow(
    vast: StandIn, intercepting: Intercepting
) -> None:
    web_port = unused_port()
    options = ["--set", "web_open_browser=false", "--set", f"web_port={web_port}"]
    options += ["--set", "web_password=a-password"]
    interceptor = intercepting(*options, kind="mitmweb", timeout={}, keepalive=0.3)
    cool(vast)
    apps = [App(ask), App(ask), App(ask, stream=True)]
    interceptor.wait_for("Endpoint 'my-endpoint' has no ready worker")
    vast.wait_for_calls("done", 6, path="/route/")  # each has asked twice

    def flows() -> Any:
        session = requests.Session()
        session.trust_env = False
        url = f"http://127.0.0.1:{web_port}/flows"
        return session.get(url, headers={"authorization": "Bearer a-password"}, timeout=10).json()

    for flow in flows():
        assert flow["comment"].startswith("m → my-endpoint; waiting for a worker (")
        assert flow["request"]["pretty_host"] == "api.openai.com"
    for worker in range(WORKERS):
        vast.set_worker(worker, "ready")
    assert [app.result().text for app in apps] == [TEXT] * 3
    interceptor.wait_for("No call waits for a worker of endpoint 'my-endpoint' any more")
    assert interceptor.output.count("has no ready worker") == 1
    for flow in flows():
        assert "waited " in flow["comment"]
        assert flow["request"]["path"] == "/v1/chat/completions"
        assert str(flow["request"]["port"]) in {
            worker["url"].rpartition(":")[2] for worker in vast.workers()
        }


def test_a_router_that_stumbles_meanwhile_does_not_end_the_wait(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(timeout={})
    cool(vast)
    app = App(ask)
    vast.wait_for_calls("done", 1, path="/route/")
    vast.override("route", status=500, body="", times=2)
    vast.wait_for_calls("done", 4, path="/route/", seconds=20)
    for worker in range(WORKERS):
        vast.set_worker(worker, "ready")
    reply = app.result()
    assert reply.text == TEXT
    assert reply.headers["x-vast-attempts"] == "1"
