"""Failures that come and go: apps do not notice them, through either of Vast's interfaces."""

from collections import Counter
from typing import Any

import pytest

from ...fixtures.workers import WORKERS, Intercepting
from ...harness import StandIn
from .apps import TEXT, App, ask

# Few drops: a call that two workers are lost to is not tried again.
TROUBLE = {"drop": 0.03, "refuse": 0.2, "hang": 0.05}


@pytest.mark.parametrize("interface", ["openai", "serverless"])
def test_calls_get_through_trouble(
    vast: StandIn, intercepting: Intercepting, interface: str
) -> None:
    intercepting(interface=interface, timeout={"total": 60, "first_byte": 0.5}, keepalive=60)
    vast.faults(seed=7, probability=TROUBLE)
    apps = [App(ask, stream=bool(number % 2)) for number in range(40)]
    replies = [app.result() for app in apps]
    attempts = sum(int(reply.headers["x-vast-attempts"]) for reply in replies)
    paths = {"openai": "/my-endpoint/v1/chat/completions", "serverless": "/v1/chat/completions"}
    calls = vast.calls(path=paths[interface])
    assert 40 < attempts == len(calls)
    drops = Counter(dict(call["headers"])["x-request-id"] for call in calls if not call["status"])
    for reply in replies:
        if drops[reply.headers["x-request-id"]] >= 2:
            assert reply.error["code"] == "vast_disconnected"
        else:
            assert (reply.text, reply.errors) == (TEXT, [])


@pytest.mark.parametrize("interface", ["openai", "serverless"])
def test_what_has_begun_is_not_repeated(
    vast: StandIn, intercepting: Intercepting, interface: str
) -> None:
    intercepting(interface=interface, timeout={"total": 10})
    for stream in (False, True):
        reply = ask(stream=stream, standin={"fault": "cut"})
        assert reply.error["code"] == "vast_disconnected"
        assert reply.headers["x-vast-attempts"] == "1"
    ends = ("chat/completions",)
    asked = [call for call in vast.calls() if call["path"].endswith(ends)]
    assert len(asked) == 2


def test_each_attempt_has_a_route_of_its_own(vast: StandIn, intercepting: Intercepting) -> None:
    intercepting(timeout={"total": 30})
    for worker in range(WORKERS - 1):
        vast.set_worker(worker, "refusing", status=503)
    replies = [ask() for _ in range(WORKERS)]
    attempts = sum(int(reply.headers["x-vast-attempts"]) for reply in replies)
    assert attempts == len(vast.calls(path="/route/")) > WORKERS
    stats = vast.stats()
    assert (stats["reused"], stats["unsigned"]) == (0, 0)


@pytest.mark.parametrize("body", ["{}", '{"status": "thinking"}', '{"url": null}'])
def test_a_route_without_a_url_and_without_a_place_is_asked_for_again(
    vast: StandIn, intercepting: Intercepting, body: str
) -> None:
    intercepting(timeout={"queue": 5})
    vast.override("route", body=body, times=1)
    reply: Any = ask()
    assert reply.text == TEXT
    assert reply.headers["x-vast-attempts"] == "1"


def test_a_route_that_cannot_be_read_is_asked_for_by_another_attempt(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(timeout={"total": 30})
    vast.override("route", body="<html>", times=1)
    reply = ask()
    assert reply.text == TEXT
    assert reply.headers["x-vast-attempts"] == "2"
