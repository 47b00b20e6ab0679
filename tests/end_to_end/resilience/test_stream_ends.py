"""How streams end: with [DONE], with an error in its place, or too early; and how that is told."""

import json
import time

import pytest

from ...fixtures.watching import Watched, Watching, until
from ...fixtures.workers import Intercepting
from ...harness import StandIn
from .apps import MESSAGES, TEXT, ask
from .test_leaving import LeavingApp

CHAT = "/v1/chat/completions"
ERROR = {"error": {"message": "EngineCore died", "type": "E", "param": None, "code": 503}}
EVENTS = {"content-type": "text/event-stream"}


def endings(watched: Watched) -> dict[str, float]:
    """How many calls ended how."""
    prefix = "calls_total{my-endpoint, chat/completions, "
    return {
        name.removeprefix(prefix).removesuffix("}"): value
        for name, value in watched.dashboard.metrics().samples.items()
        if name.startswith(prefix)
    }


@pytest.mark.parametrize("fault", ["linger", "cut_behind_done", "no_done"])
def test_a_complete_answer_is_complete_whatever_vast_does_behind_it(
    vast: StandIn, watching: Watching, fault: str
) -> None:
    watched = watching(timeout={"total": 20})
    began = time.monotonic()
    reply = ask(stream=True, standin={"fault": fault})
    assert time.monotonic() - began < 5
    assert (reply.text, reply.errors) == (TEXT, [])
    assert reply.done is (fault != "no_done")
    until(lambda: endings(watched) == {"ok": 1})


def test_an_upstream_that_lingers_is_not_kept_for_long(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(timeout={"total": 20})
    assert ask(stream=True, standin={"fault": "linger"}).done
    vast.wait_for_calls("cancelled", path=CHAT)


def test_an_app_that_leaves_behind_done_has_a_complete_answer(
    vast: StandIn, watching: Watching
) -> None:
    watched = watching(timeout={"total": 20})
    app = LeavingApp(watched.interceptor, stream=True, standin={"end_delay": 0.3})
    received = b""
    while b"[DONE]" not in received:
        received += app.read_some()
    app.leave()
    until(lambda: endings(watched) == {"ok": 1})
    vast.wait_for_calls("done", path=CHAT)  # its connection was kept


@pytest.mark.parametrize("ends", ["\n\n", "\r\n\r\n", "\r\r"])
def test_done_is_known_however_it_is_written(vast: StandIn, watching: Watching, ends: str) -> None:
    watched = watching(timeout={"total": 20})
    chunk = '{"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}'
    events = f"data:{chunk}{ends}", f"data:[DONE]{ends}"
    standin = {"status": 200, "body": "".join(events), "headers": EVENTS}
    app = LeavingApp(watched.interceptor, stream=True, standin=standin)
    received = b""
    while b"[DONE]" not in received:
        received += app.read_some()
    app.leave()
    assert all(event.encode() in received for event in events)
    until(lambda: endings(watched) == {"ok": 1})


def test_an_error_behind_text_is_a_failure_with_its_code(vast: StandIn, watching: Watching) -> None:
    watched = watching(timeout={"total": 20})
    reply = ask(stream=True, standin={"fault": "engine_dead"})
    assert "EngineCore" in reply.error["message"]  # in vLLM's own words, and once
    assert reply.headers["x-vast-attempts"] == "1"
    until(lambda: endings(watched) == {"broken_off": 1})
    watched.interceptor.wait_for("broken off: server_error")
    (latest,) = watched.dashboard.state()["latest"]
    assert latest["error"] == "server_error"


@pytest.mark.parametrize("after", [0, 1])
def test_an_error_before_any_text_is_worth_another_attempt(
    vast: StandIn, watching: Watching, after: int
) -> None:
    """Whether the role came before it, or not."""
    watched = watching(timeout={"total": 20})
    reply = ask(stream=True, standin={"fault": "engine_dead", "after": after})
    assert reply.status == 500
    assert reply.error["code"] == "server_error"
    assert reply.error["message"].startswith("EngineCore encountered an issue.")
    assert len(vast.calls(path=CHAT)) == 2  # it may be the call that kills engines
    until(lambda: endings(watched) == {"failed": 1})


@pytest.mark.parametrize(("status", "attempts"), [(503, "several"), (429, "several"), (400, "one")])
@pytest.mark.parametrize("stream", [False, True])
def test_a_success_that_is_only_an_error_is_what_the_error_says(
    vast: StandIn, watching: Watching, status: int, attempts: str, *, stream: bool
) -> None:
    watched = watching(timeout={"total": 3})
    error = {"error": {**ERROR["error"], "code": status}}
    body = json.dumps(error)
    standin = {"status": 200, "body": body, "headers": {}}
    if stream:
        standin |= {"body": f"event: error\ndata: {body}\n\n", "headers": EVENTS}
    reply = ask(stream=stream, standin=standin)
    assert (reply.status, reply.error["message"]) == (status, "EngineCore died")
    assert (len(vast.calls(path=CHAT)) > 1) is (attempts == "several")
    until(lambda: endings(watched) == {"failed": 1})


def test_another_worker_answers_where_one_sends_an_error_in_place_of_an_answer(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(timeout={"total": 20})
    bad = {"status": 200, "body": json.dumps(ERROR)}
    for worker in (0, 1):
        vast.set_worker(worker, "refusing", **bad)
    replies = [ask(messages=MESSAGES) for _ in range(3)]
    assert [reply.text for reply in replies] == [TEXT] * 3
