"""An endpoint that keeps failing is left alone, and calls go elsewhere meanwhile."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ...fixtures.provider import PROVIDER_S_BODY, Provider
from ...fixtures.workers import WORKERS, Intercepting
from ...harness import APP_KEY, ENDPOINT, StandIn
from .apps import TEXT, App, Reply, ask

TOTAL = {"total": 1}


def workers_of(vast: StandIn, endpoint: str) -> Iterator[int]:
    return (each["number"] for each in vast.workers() if each["endpoint"] == endpoint)


def have(vast: StandIn, endpoint: str, state: str, **options: Any) -> None:
    for worker in workers_of(vast, endpoint):
        vast.set_worker(worker, state, **options)


def routes(*fallback: str) -> dict[str, Any]:
    return {"routes": [{"model": "*", "endpoint": ENDPOINT, "fallback": list(fallback)}]}


def test_the_next_endpoint_answers_where_the_first_cannot(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(sections=routes("big-one"), timeout={"total": 5, "queue": 0.5})
    assert ask().headers["x-vast-endpoint"] == ENDPOINT
    have(vast, ENDPOINT, "cold")
    for stream in (False, True):
        reply = ask(stream=stream)
        assert reply.text == TEXT
        assert reply.headers["x-vast-endpoint"] == "big-one"
        assert reply.headers["x-vast-attempts"] == "2"


def test_a_machine_answers_where_the_endpoint_has_no_worker(
    vast: StandIn, intercepting: Intercepting
) -> None:
    box = {"endpoints": {"my-box": {"url": vast.url}}}
    intercepting(sections=routes("my-box") | box, timeout={"total": 5, "queue": 0.5})
    have(vast, ENDPOINT, "cold")
    for stream in (False, True):
        reply = ask(stream=stream)
        assert (reply.text, reply.headers["x-vast-endpoint"]) == (TEXT, "my-box")


@pytest.mark.parametrize("stream", [False, True])
def test_an_endpoint_that_hangs_leaves_its_fallback_half_of_the_time(
    vast: StandIn, intercepting: Intercepting, stream: bool
) -> None:
    intercepting(sections=routes("big-one"), timeout={"total": 4})
    have(vast, ENDPOINT, "hung")
    began = time.monotonic()
    reply = ask(stream=stream)
    assert (reply.text, reply.headers["x-vast-endpoint"]) == (TEXT, "big-one")
    assert 2 <= time.monotonic() - began < 3.5


def test_an_app_s_own_mistake_does_not_go_elsewhere(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(sections=routes("big-one"))
    reply = ask(temperature=-1)
    assert reply.status == 400
    assert reply.headers["x-vast-endpoint"] == ENDPOINT
    assert len(vast.calls(path="/v1/chat/completions")) == 1


def ask_provider(provider: Provider, **options: Any) -> Reply:
    """A call to the provider's own URL, as an app that knows nothing of Vast makes it."""
    from . import apps  # noqa: PLC0415

    url = f"http://127.0.0.1:{provider.server_port}/v1/chat/completions?api-version=7"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apps, "URL", url)
        return ask(**options)


def own_provider(provider: Provider, *fallback: str) -> dict[str, Any]:
    port = provider.server_port
    own = {"name": "lab", "host": "127.0.0.1", "port": port, "scheme": "http"}
    return {"providers": [own], **routes(*fallback)}


def test_the_provider_gets_the_call_as_the_app_made_it(
    vast: StandIn, intercepting: Intercepting, provider: Provider
) -> None:
    intercepting(sections=own_provider(provider, "provider"), timeout={"total": 5, "queue": 0.2})
    assert ask_provider(provider).headers["x-vast-endpoint"] == ENDPOINT
    assert provider.received == []
    have(vast, ENDPOINT, "cold")
    reply = ask_provider(provider, suffix="kept", model="gpt-4o")
    assert reply.body == PROVIDER_S_BODY
    assert reply.headers["x-vast-endpoint"] == "lab"
    ((path, headers, body),) = provider.received
    assert path == "/v1/chat/completions?api-version=7"
    assert headers["authorization"] == f"Bearer {APP_KEY}"
    assert headers["user-agent"].startswith("python-requests/")
    assert b'"model": "gpt-4o"' in body
    assert b'"suffix": "kept"' in body


def test_the_provider_s_own_error_is_passed_on_in_its_words(
    vast: StandIn, intercepting: Intercepting, provider: Provider
) -> None:
    intercepting(sections=own_provider(provider, "provider"), timeout={"total": 5, "queue": 0.2})
    have(vast, ENDPOINT, "cold")
    said = (
        b'{"error": {"message": "Incorrect API key provided", "type": "invalid_request_error",'
        b' "param": null, "code": "invalid_api_key"}}'
    )
    provider.answer = 401, said
    reply = ask_provider(provider)
    assert reply.status == 401
    assert json.loads(reply.body) == json.loads(said)


def test_no_key_of_the_app_is_in_a_flow_that_fell_back(
    vast: StandIn, intercepting: Intercepting, provider: Provider, tmp_path: Any
) -> None:
    flows = tmp_path / "flows"
    interceptor = intercepting(
        *("-w", str(flows), "--set", "flow_detail=4"),
        sections=own_provider(provider, "provider"),
        timeout={"total": 5, "queue": 0.2},
    )
    have(vast, ENDPOINT, "cold")
    ask_provider(provider)
    interceptor.wait_for("from the provider")
    assert APP_KEY not in interceptor.output
    assert APP_KEY.encode() not in flows.read_bytes()


def test_a_dead_endpoint_is_left_alone_and_probed_with_one_call_at_a_time(
    vast: StandIn, intercepting: Intercepting
) -> None:
    interceptor = intercepting(timeout={"total": 30})
    have(vast, ENDPOINT, "dead")
    apps = [App(ask) for _ in range(5)]
    for app in apps:
        assert app.result().error["code"] in {"vast_unreachable", "vast_endpoint_down"}
    interceptor.wait_for("left alone for a while")
    before = len(vast.calls(path="/route/"))
    refused = [ask() for _ in range(20)]
    assert {reply.status for reply in refused} == {503}
    assert {reply.headers["x-vast-attempts"] for reply in refused} == {"0"}
    assert len(vast.calls(path="/route/")) == before

    have(vast, ENDPOINT, "slow", delay=1)
    deadline = threading.Event()
    deadline.wait(int(refused[-1].headers["retry-after"]))
    apps = [App(ask) for _ in range(5)]
    replies = [app.result() for app in apps]
    # One was the probe; what came while it ran was refused.
    assert sorted(reply.status for reply in replies) == [200, 503, 503, 503, 503]
    interceptor.wait_for("answers again")
    have(vast, ENDPOINT, "ready")
    assert ask().text == TEXT


def test_while_an_endpoint_is_left_alone_calls_go_to_its_fallback_at_once(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(sections=routes("big-one"), timeout={"total": 60}, keepalive=60)
    have(vast, ENDPOINT, "dead")
    apps = [App(ask, stream=bool(number % 2)) for number in range(4)]
    for app in apps:
        reply = app.result()
        assert (reply.text, reply.headers["x-vast-endpoint"]) == (TEXT, "big-one")
    began = time.monotonic()
    reply = ask()
    assert (reply.text, reply.headers["x-vast-endpoint"]) == (TEXT, "big-one")
    assert reply.headers["x-vast-attempts"] == "1"
    assert time.monotonic() - began < 1


def test_an_outage_is_not_answered_with_a_storm(vast: StandIn, intercepting: Intercepting) -> None:
    """100 calls at once to workers that refuse: what is retried is bounded for all together."""
    intercepting(timeout={"total": 4})
    have(vast, ENDPOINT, "refusing", status=503)
    apps = [App(ask) for _ in range(100)]
    for app in apps:
        assert app.result().error["code"] == "service_unavailable"
    attempts = len(vast.calls(path="/v1/chat/completions"))
    assert 150 <= attempts <= 100 + 100 + 10 * 5


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("1", 1.0, 2.5), ("rubbish", 0, 0.9), ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0.9)],
)
def test_retry_after_is_obeyed(
    vast: StandIn, intercepting: Intercepting, header: str, least: float, most: float
) -> None:
    intercepting(timeout={"total": 10})
    ask()
    (call,) = vast.calls(path="/v1/chat/completions")
    next_worker = (call["worker"] + 1) % WORKERS
    vast.set_worker(next_worker, "refusing", status=503, headers={"retry-after": header})
    began = time.monotonic()
    reply = ask()
    assert reply.text == TEXT
    assert reply.headers["x-vast-attempts"] == "2"
    assert least <= time.monotonic() - began <= most


def test_a_retry_after_of_a_day_is_the_app_s_to_know(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(timeout={"total": 10})
    for worker in range(WORKERS):
        vast.set_worker(worker, "refusing", status=429, headers={"retry-after": "86400"})
    reply = ask()
    assert (reply.status, reply.headers["retry-after"]) == (429, "86400")
    assert reply.headers["x-vast-attempts"] == "1"
