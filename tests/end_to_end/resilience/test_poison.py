"""A call that loses every worker it is sent to is that call's trouble, and no other's."""

import threading
import time

import pytest

from ...fixtures.workers import Intercepting
from ...harness import StandIn
from .apps import TEXT, App, ask

CHAT = {"openai": "/my-endpoint/v1/chat/completions", "serverless": "/v1/chat/completions"}
DROPPED = {"fault": "drop"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("interface", ["openai", "serverless"])
def test_it_is_sent_to_two_workers_and_no_more(
    vast: StandIn, intercepting: Intercepting, interface: str, *, stream: bool
) -> None:
    intercepting(interface=interface, timeout={"total": 20})
    for _ in range(4):
        ask()  # connections are kept by now
    vast.forget_calls()
    reply = ask(stream=stream, standin=DROPPED)
    assert (reply.status, reply.error["code"]) == (502, "vast_disconnected")
    assert "the call itself may be the reason" in reply.error["message"]
    assert len(vast.calls(path=CHAT[interface])) == 2
    assert reply.headers["x-vast-attempts"] == "2"


def test_a_worker_that_is_lost_within_the_head_of_a_stream_counts_as_well(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(timeout={"total": 20})
    reply = ask(stream=True, standin={"fault": "cut", "after": 0})
    assert reply.error["code"] == "vast_disconnected"
    assert len(vast.calls(path=CHAT["serverless"])) == 2


def test_a_fallback_is_tried_all_the_same(vast: StandIn, intercepting: Intercepting) -> None:
    routes = [{"model": "*", "endpoint": "my-endpoint", "fallback": ["big-one"]}]
    intercepting(sections={"routes": routes}, timeout={"total": 20})
    assert ask(standin=DROPPED).headers["x-vast-endpoint"] == "big-one"
    assert len(vast.calls(path=CHAT["serverless"])) == 4


@pytest.mark.slow
def test_other_apps_calls_are_answered_all_the_same(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(timeout={"total": 60})
    enough = threading.Event()

    def keep_losing(number: int) -> int:
        calls = 0
        while not enough.is_set():
            messages = [{"role": "user", "content": f"{number}, {calls}"}]
            assert ask(standin=DROPPED, messages=messages).error["code"] == "vast_disconnected"
            calls += 1
        return calls

    # One call, made again and again, as an SDK does that retries, while nobody else calls.
    until = time.monotonic() + 11
    while time.monotonic() < until:
        assert ask(standin=DROPPED).error["code"] == "vast_disconnected"
    assert ask().text == TEXT
    # Many different ones, far more than there are good ones.
    bad = [App(keep_losing, number) for number in range(8)]
    good = []
    for _ in range(15):
        good.append(ask().text)
        time.sleep(0.2)
    enough.set()
    assert sum(app.result() for app in bad) > len(good)
    assert set(good) == {TEXT}
