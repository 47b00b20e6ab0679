"""/metrics: what Prometheus gets says exactly what happened, in its own conventions."""

import itertools
import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from ..end_to_end.resilience import apps
from ..end_to_end.resilience.apps import MESSAGES, TEXT, App, Reply, ask
from ..end_to_end.resilience.test_fallback import have, own_provider, routes
from ..end_to_end.resilience.test_leaving import LeavingApp
from ..fixtures.provider import Provider
from ..fixtures.watching import Dashboard, Numbers, Watching, until
from ..fixtures.workers import WORKERS
from ..harness import APP_KEY, PROJECT, Interceptor, StandIn

MINE = "chat/completions, my-endpoint"
IMAGE = [{"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}]
EMBEDDINGS = "https://api.openai.com/v1/embeddings"
MODELS = "https://api.openai.com/v1/models"


def ask_for(url: str, method: str = "POST", **body: Any) -> requests.Response:
    headers = {"authorization": f"Bearer {APP_KEY}"}
    return requests.request(method, url, json=body or None, headers=headers, timeout=30)


_GATES = itertools.count()


@dataclass
class Streaming:
    """Asks for streams that have a speed, whatever else the machine does.

    The rest of a stream is sent only after the interceptor has its first chunk. A delay between
    chunks would not do: a busy machine reads several of them at once.
    """

    vast: StandIn
    dashboard: Dashboard

    def ask(self, standin: Any = None, **options: Any) -> Reply:
        """A stream, read to its end."""
        gate = f"streaming-{next(_GATES)}"
        app = App(ask, stream=True, standin={"gate": gate, **(standin or {})}, **options)
        until(lambda: self.dashboard.state()["running"]["calls"] and _tokens(self.dashboard) >= 1)
        time.sleep(0.002)  # the shortest stream that has a speed takes a millisecond
        while app.is_alive():
            self.vast.open_gate(gate)
        reply: Reply = app.result()
        return reply


# --- what is counted -----------------------------------------------------------------------------


@dataclass
class Sent:
    """What the test knows of a call that it made."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 1


def whole(_: Streaming) -> Sent:
    usage = json.loads(ask().body)["usage"]
    return Sent(usage["prompt_tokens"], usage["completion_tokens"])


def streamed(streaming: Streaming) -> Sent:
    assert streaming.ask().text == TEXT
    return Sent()


def streamed_with_usage(streaming: Streaming) -> Sent:
    body = streaming.ask(stream_options={"include_usage": True}).body.decode()
    (usage,) = re.findall(r'"usage":(\{"prompt[^}]*\})', body)
    counted = json.loads(usage)
    return Sent(counted["prompt_tokens"], counted["completion_tokens"])


def embeddings(_: Streaming) -> Sent:
    assert ask_for(EMBEDDINGS, model="m", input="x").status_code == 404
    return Sent()


def an_image(_: Streaming) -> Sent:
    assert ask(messages=[{"role": "user", "content": IMAGE}]).status == 400
    return Sent()


def models(_: Streaming) -> Sent:
    assert ask_for(MODELS, "GET").status_code == 200
    return Sent()


def failing(_: Streaming) -> Sent:
    reply = ask(standin={"status": 500})
    assert reply.status == 500
    return Sent(attempts=int(reply.headers["x-vast-attempts"]))


def cut_whole(_: Streaming) -> Sent:
    assert ask(standin={"fault": "cut"}).status == 502
    return Sent()


def broken_off(streaming: Streaming) -> Sent:
    assert streaming.ask({"fault": "cut", "after": 5}).status == 200
    return Sent()


def ended_with_usage(sent: Sent, kind: str) -> dict[str, float]:
    return {
        f"calls_total{{my-endpoint, {kind}, ok}}": 1,
        f"call_duration_seconds_count{{my-endpoint, {kind}}}": 1,
        "added_latency_seconds_count": 1,
        "prompt_tokens_total{my-endpoint}": sent.prompt_tokens,
        "completion_tokens_total{my-endpoint}": sent.completion_tokens,
    }


CHAT = "chat/completions"
FIRST = {"time_to_first_token_seconds_count{my-endpoint}": 1}
PER_TOKEN = {"time_per_output_token_seconds_count{my-endpoint}": 1}

COUNTED: dict[str, tuple[Callable[[Streaming], Sent], Callable[[Sent], dict[str, float]]]] = {
    "ok, whole": (whole, lambda sent: ended_with_usage(sent, CHAT)),
    "ok, a stream": (
        streamed,
        lambda _: {
            f"calls_total{{my-endpoint, {CHAT}, ok}}": 1,
            f"call_duration_seconds_count{{my-endpoint, {CHAT}}}": 1,
            "added_latency_seconds_count": 1,
            "uncounted_answers_total{my-endpoint}": 1,
            **FIRST,
            **PER_TOKEN,
        },
    ),
    "ok, a stream that says its usage": (
        streamed_with_usage,
        lambda sent: {**ended_with_usage(sent, CHAT), **FIRST, **PER_TOKEN},
    ),
    "ok, answered here": (models, lambda _: {"calls_total{, models, ok}": 1}),
    "refused by its path": (
        embeddings,
        lambda _: {
            "calls_total{, embeddings, refused}": 1,
            "refused_calls_total{unsupported_endpoint}": 1,
        },
    ),
    "refused by its body": (
        an_image,
        lambda _: {
            f"calls_total{{, {CHAT}, refused}}": 1,
            "refused_calls_total{unsupported_content}": 1,
        },
    ),
    "failed": (
        failing,
        lambda sent: {
            f"calls_total{{my-endpoint, {CHAT}, failed}}": 1,
            f"call_duration_seconds_count{{my-endpoint, {CHAT}}}": 1,
            "retries_total{my-endpoint}": sent.attempts - 1,
        },
    ),
    "failed, cut": (
        cut_whole,
        lambda _: {
            f"calls_total{{my-endpoint, {CHAT}, failed}}": 1,
            f"call_duration_seconds_count{{my-endpoint, {CHAT}}}": 1,
        },
    ),
    "broken off": (
        broken_off,
        lambda _: {
            f"calls_total{{my-endpoint, {CHAT}, broken_off}}": 1,
            f"call_duration_seconds_count{{my-endpoint, {CHAT}}}": 1,
            **FIRST,
            **PER_TOKEN,
        },
    ),
}


def test_numbers_are_what_was_sent(vast: StandIn, watching: Watching) -> None:
    """One call after the other, so that each change has one cause."""
    dashboard = watching(interface="openai").dashboard
    streaming = Streaming(vast, dashboard)
    before = dashboard.metrics()
    for name, (call, expected) in COUNTED.items():
        sent = call(streaming)
        now = dashboard.metrics()
        assert now.since(before) == {k: n for k, n in expected(sent).items() if n}, name
        assert now["calls_in_progress"] == now["calls_waiting"] == 0
        before = now
    for _ in range(20):
        whole(streaming)
    assert dashboard.metrics().since(before)[f"calls_total{{my-endpoint, {CHAT}, ok}}"] == 20


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_app_that_leaves(vast: StandIn, watching: Watching, stream: bool) -> None:
    watched = watching(interface="openai")
    dashboard = watched.dashboard
    told = {"gate": "metrics"} if stream else {"fault": "hang"}
    app = LeavingApp(watched.interceptor, stream=stream, standin=told)
    vast.wait_for_calls("running")
    if stream:
        assert b"200 OK" in app.read_some()
    assert dashboard.metrics()["calls_in_progress"] == 1
    app.leave()
    until(lambda: dashboard.metrics()["calls_in_progress"] == 0)
    counted = dashboard.metrics().since(Numbers({}))
    assert counted[f"calls_total{{my-endpoint, {CHAT}, cancelled}}"] == 1
    assert "uncounted_answers_total{my-endpoint}" not in counted
    assert len([key for key in counted if key.startswith("calls_total")]) == 1


def test_a_worker_that_refuses_once(vast: StandIn, watching: Watching) -> None:
    dashboard = watching(timeout={"total": 10}).dashboard
    ask()
    (call,) = vast.calls(path="/v1/chat/completions")
    before = dashboard.metrics()
    vast.set_worker((call["worker"] + 1) % WORKERS, "refusing", status=503)
    assert ask().headers["x-vast-attempts"] == "2"
    counted = dashboard.metrics().since(before)
    assert counted["retries_total{my-endpoint}"] == 1
    assert counted[f"calls_total{{my-endpoint, {CHAT}, ok}}"] == 1
    assert counted["queue_wait_seconds_count{my-endpoint}"] == 1
    assert "added_latency_seconds_count" not in counted


def test_a_fallback(vast: StandIn, watching: Watching) -> None:
    sections = routes("big-one")
    dashboard = watching(sections=sections, timeout={"total": 5, "queue": 0.2}).dashboard
    have(vast, "my-endpoint", "cold")
    assert ask().headers["x-vast-endpoint"] == "big-one"
    counted = dashboard.metrics().since(Numbers({}))
    assert counted["fallbacks_total{big-one}"] == 1
    assert counted[f"calls_total{{big-one, {CHAT}, ok}}"] == 1
    assert f"calls_total{{my-endpoint, {CHAT}, ok}}" not in counted


def test_a_fallback_to_the_provider(
    vast: StandIn, watching: Watching, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    sections = own_provider(provider, "provider")
    dashboard = watching(sections=sections, timeout={"total": 5, "queue": 0.2}).dashboard
    have(vast, "my-endpoint", "cold")
    url = f"http://127.0.0.1:{provider.server_port}/v1/chat/completions"
    monkeypatch.setattr(apps, "URL", url)
    assert ask().headers["x-vast-endpoint"] == "lab"
    counted = dashboard.metrics().since(Numbers({}))
    assert counted["fallbacks_total{lab}"] == 1
    assert counted[f"calls_total{{lab, {CHAT}, ok}}"] == 1


def test_a_cold_worker(vast: StandIn, watching: Watching) -> None:
    dashboard = watching(timeout={}, keepalive=60).dashboard
    have(vast, "my-endpoint", "cold")
    began = time.monotonic()
    waiting = [App(ask), App(ask, stream=True)]
    until(lambda: dashboard.metrics()["calls_waiting"] == 2)
    assert dashboard.metrics()["calls_in_progress"] == 2
    held = time.monotonic()
    assert not [key for key in dashboard.metrics().samples if key.startswith("queue_wait")]
    ready = time.monotonic()
    have(vast, "my-endpoint", "ready")
    assert [app.result().text for app in waiting] == [TEXT, TEXT]
    most = time.monotonic() - began
    numbers = dashboard.metrics()
    assert (numbers["calls_in_progress"], numbers["calls_waiting"]) == (0, 0)
    assert numbers["queue_wait_seconds_count{my-endpoint}"] == 2
    assert 2 * (ready - held) <= numbers["queue_wait_seconds_sum{my-endpoint}"] <= 2 * most
    first = numbers["time_to_first_token_seconds_sum{my-endpoint}"]
    assert ready - held <= first <= most
    assert numbers["added_latency_seconds_count"] == 0


def test_a_client_that_does_not_trust_the_ca(watching: Watching) -> None:
    watched = watching()
    assert watched.dashboard.metrics()["client_tls_failures_total"] == 0
    for count in (1, 2):
        refuse_certificate(watched.interceptor)
        until(lambda count=count: _tls_failures(watched) == count)
    assert "calls_total" not in str(watched.dashboard.metrics().samples)


def _tls_failures(watched: Any) -> float:
    return watched.dashboard.metrics()["client_tls_failures_total"]


def refuse_certificate(interceptor: Interceptor) -> None:
    with socket.create_connection(("127.0.0.1", interceptor.port), timeout=30) as raw:
        raw.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n")
        assert b" 200 " in raw.recv(1_000)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(raw, server_hostname="api.openai.com")


def test_a_call_that_is_passed_on(watching: Watching, provider: Provider) -> None:
    own = {"name": "lab", "host": "127.0.0.1", "port": provider.server_port, "scheme": "http"}
    sections = {"providers": [own], "unsupported": {"embeddings": "pass"}}
    dashboard = watching(sections=sections).dashboard
    url = f"http://127.0.0.1:{provider.server_port}/v1/embeddings"
    assert ask_for(url, model="m", input="x").status_code == 200
    assert provider.received[0][0] == "/v1/embeddings"
    assert dashboard.metrics().since(Numbers({})) == {"calls_total{lab, embeddings, passed_on}": 1}
    # What is not of the API at all goes on, too, and is nobody's call.
    ask_for(f"http://127.0.0.1:{provider.server_port}/elsewhere", x=1)
    assert dashboard.metrics().since(Numbers({})) == {"calls_total{lab, embeddings, passed_on}": 1}


BREAKER = "circuit_breaker_state{my-endpoint, %s}"


@pytest.mark.slow
def test_a_circuit_breaker(vast: StandIn, watching: Watching) -> None:
    dashboard = watching(timeout={"total": 30}).dashboard
    assert "circuit_breaker_state" not in str(dashboard.metrics().samples)
    ask()

    def state() -> list[str]:
        numbers = dashboard.metrics()
        names = ("closed", "open", "half-open")
        assert sum(numbers[BREAKER % name] for name in names) == 1
        return [name for name in names if numbers[BREAKER % name]]

    assert state() == ["closed"]
    have(vast, "my-endpoint", "dead")
    dying = [App(ask) for _ in range(5)]
    for app in dying:
        assert app.result().status in {502, 503}
    assert state() == ["open"]
    assert dashboard.state()["endpoints"][0]["state"] == "open"
    assert dashboard.state()["endpoints"][0]["trouble"]
    assert ask().error["code"] == "vast_endpoint_down"
    assert dashboard.metrics()[f"calls_total{{my-endpoint, {CHAT}, failed}}"] == 6
    have(vast, "my-endpoint", "ready")
    until(lambda: state() == ["half-open"], 20)
    assert ask().text == TEXT
    assert state() == ["closed"]


# --- times ---------------------------------------------------------------------------------------

HELD = 0.4  # seconds


def test_times_are_those_that_passed(vast: StandIn, watching: Watching) -> None:
    """The answer begins after a while, and is then held at a gate by the test."""
    dashboard = watching(interface="openai").dashboard
    began = time.monotonic()
    told = {"gate": "times", "first_delay": HELD, "chunks": 10}
    app = App(ask, stream=True, standin=told)
    until(lambda: dashboard.state()["running"]["calls"][:1] and _tokens(dashboard) >= 1)
    first = time.monotonic() - began
    held_from = time.monotonic()
    while time.monotonic() - held_from < HELD:
        assert dashboard.metrics()["calls_in_progress"] == 1
    held = time.monotonic() - held_from
    for _ in range(12):
        vast.open_gate("times")
    assert app.result().done
    total = time.monotonic() - began
    numbers = dashboard.metrics()
    ttft = numbers["time_to_first_token_seconds_sum{my-endpoint}"]
    assert HELD <= ttft <= first
    duration = numbers[f"call_duration_seconds_sum{{my-endpoint, {CHAT}}}"]
    assert HELD + held <= duration <= total
    per_token = numbers["time_per_output_token_seconds_sum{my-endpoint}"]
    assert held / 9 <= per_token <= (total - HELD) / 9
    assert 0 < numbers["added_latency_seconds_sum"] < total - held


def _tokens(dashboard: Any) -> int:
    return dashboard.state()["running"]["calls"][0]["tokens"] or 0


def test_histograms_are_sound(vast: StandIn, watching: Watching) -> None:
    dashboard = watching(interface="openai").dashboard
    streaming = Streaming(vast, dashboard)
    for _ in range(15):
        ask()
        streaming.ask()
    families = list(text_string_to_metric_families(dashboard.get("/metrics").text))
    histograms = [family for family in families if family.type == "histogram"]
    assert len(histograms) == 5
    for family in histograms:
        by_name: dict[str, list[Any]] = {}
        for sample in family.samples:
            by_name.setdefault(sample.name.removeprefix(family.name), []).append(sample)
        if not by_name:
            continue  # no call has waited for a worker here
        buckets = [sample.value for sample in by_name["_bucket"]]
        bounds = [float(sample.labels["le"]) for sample in by_name["_bucket"]]
        (count,), (total,) = by_name["_count"], by_name["_sum"]
        assert bounds == sorted(bounds)
        assert bounds[-1] == float("inf")
        assert buckets == sorted(buckets)
        assert buckets[-1] == count.value
        assert count.value in {15, 30}
        steps = [high - low for low, high in zip([0.0, *buckets], buckets, strict=False)]
        assert total.value <= sum(
            step * bound for step, bound in zip(steps, bounds, strict=True) if step
        )


# --- the form ------------------------------------------------------------------------------------


@pytest.fixture
def busy(vast: StandIn, watching: Watching) -> Any:
    """A dashboard that has seen calls of every kind, through workers."""
    dashboard = watching(timeout={"total": 5}).dashboard
    streaming = Streaming(vast, dashboard)
    for call in (whole, streamed, streamed_with_usage, embeddings, an_image, models, broken_off):
        call(streaming)
    (worker, *_) = (call["worker"] for call in vast.calls(path="/v1/chat/completions"))
    vast.set_worker((worker + 1) % WORKERS, "refusing", status=503)
    for _ in range(WORKERS):
        ask()
    return dashboard


ABBREVIATIONS = re.compile(r"(^|_)(s|ms|msec|secs?|millis|mins?|hrs?|kb|mb|gb|pct|percent)(_|$)")
BASE_UNITS = {"seconds", "bytes", "total", "info", "state", "progress", "waiting"}


def test_names_follow_the_conventions(busy: Any) -> None:
    """As `promtool check metrics` looks at them (https://prometheus.io/docs/practices/naming/)."""
    text = busy.get("/metrics").text
    helps = re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE)
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert [name for name, _ in helps] == list(types)
    assert len(helps) == len(set(helps))
    for name, words in helps:
        if not name.startswith("vast_intercept_"):
            continue
        kind = types[name]
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert not ABBREVIATIONS.search(name), name
        assert name.rpartition("_")[2] in BASE_UNITS, name
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(rf"_{kind}(_|$)|_(bucket|count|sum)$", name), name
        assert words.endswith("."), f"{name} is not explained"
    assert {types[name] for name in types} <= {"counter", "gauge", "histogram"}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert not {"job", "instance", "quantile"} & set(sample.labels)
            assert all(re.fullmatch(r"[a-z_]+", label) for label in sample.labels)


def test_what_the_documentation_names_is_there_and_nothing_else(busy: Any) -> None:
    page = (PROJECT / "docs" / "inspecting.md").read_text()
    table = page.partition("## Metrics")[2].partition("```")[0]
    documented = set(re.findall(r"`(vast_intercept_\w+)`", table))
    types = re.findall(r"^# TYPE (\S+)", busy.get("/metrics").text, re.MULTILINE)
    assert {name for name in types if not name.startswith("process_")} == documented


OPENMETRICS = "application/openmetrics-text"
ACCEPTS: dict[str, tuple[str, str]] = {
    "nothing": ("", "text/plain"),
    "anything": ("*/*", "text/plain"),
    "a browser": ("text/html,application/xhtml+xml,*/*;q=0.8", "text/plain"),
    "openmetrics": (f"{OPENMETRICS};version=1.0.0", OPENMETRICS),
    "prometheus 2": (
        (
            f"{OPENMETRICS};version=1.0.0;q=0.5,{OPENMETRICS};version=0.0.1;q=0.4,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
        ),
        OPENMETRICS,
    ),
    "prometheus 3": (
        (
            f"{OPENMETRICS};version=1.0.0;escaping=allow-utf-8;q=0.6,"
            f"{OPENMETRICS};version=0.0.1;q=0.5,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        ),
        OPENMETRICS,
    ),
    "rubbish": (";;;=,q=x", "text/plain"),
}


def test_both_forms_say_the_same(busy: Any) -> None:
    for name, (accept, expected) in ACCEPTS.items():
        answer = busy.ask("/metrics", accept=accept)
        assert answer.status_code == 200, name
        assert answer.headers["content-type"].startswith(f"{expected};"), name
        if expected == OPENMETRICS:
            assert answer.text.endswith("# EOF\n")
            families = list(openmetrics_families(answer.text))
        else:
            families = list(text_string_to_metric_families(answer.text))
        numbers = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
            if sample.name.startswith("vast_")
        }
        assert numbers == _plain_numbers(busy), name


def _plain_numbers(dashboard: Any) -> dict[Any, float]:
    families = text_string_to_metric_families(dashboard.get("/metrics").text)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("vast_")
    }


# --- what apps make up ---------------------------------------------------------------------------

HOSTILE = 150


def test_apps_cannot_make_series(watching: Watching) -> None:
    """Made-up models, paths, methods, endpoints in paths: after the first there is nothing new."""
    providers = ["openai", "azure", "huggingface", "vast", "gemini"]
    sections = {"providers": providers}
    dashboard = watching(interface="openai", any_endpoint=True, sections=sections).dashboard
    chat = json.dumps({"messages": MESSAGES}).encode()

    def attack(session: requests.Session, name: str) -> None:
        body = json.dumps({"model": name, "messages": MESSAGES}).encode()
        calls = [
            ("POST", "https://api.openai.com/v1/chat/completions", body),
            ("POST", f"https://api.openai.com/v1/{name}", chat),
            ("POST", f"https://api.openai.com/v1/embeddings/{name}", chat),
            ("GET", f"https://api.openai.com/v1/models/{name}", b""),
            ("PROPFIND", f"https://api.openai.com/v1/chat/completions/{name}", b""),
            ("POST", f"https://x.openai.azure.com/openai/deployments/{name}/completions", chat),
            ("POST", f"https://router.huggingface.co/{name}/v1/chat/completions", chat),
            ("POST", f"https://router.huggingface.co/{name}/v1/{name}", chat),
            ("POST", f"https://openai.vast.ai/{name}/v1/chat/completions", chat),
        ]
        for method, url, data in calls:
            session.request(
                method,
                url,
                data=data,
                headers={
                    "authorization": f"Bearer sk-{name}",
                    "content-type": "application/json",
                    "x-request-id": name,
                    "user-agent": name,
                },
                timeout=30,
            )

    def attack_again(numbers: range) -> None:
        with requests.Session() as session:
            for number in numbers:
                attack(session, f"made-up-{number}")

    with requests.Session() as session:
        attack(session, "first")
    before = set(dashboard.metrics().samples)
    attackers = [App(attack_again, range(start, HOSTILE, 10)) for start in range(10)]
    for attacker in attackers:
        attacker.result()
    assert set(dashboard.metrics().samples) == before
    assert "made-up" not in dashboard.get("/metrics").text
    # What is listed is bounded as well.
    state = dashboard.state()
    assert len(state["latest"]) == 50
    assert len(state["endpoints"]) <= 50
    assert state["endpoints"][0]["name"] == "my-endpoint"
    assert state["endpoints"][0]["calls"] >= HOSTILE


def test_methods_that_nobody_has_heard_of(watching: Watching) -> None:
    """They are refused as any other: no series of their own, and no traceback in the log."""
    dashboard = watching(interface="openai").dashboard
    url = "https://api.openai.com/v1/chat/completions"
    with requests.Session() as session:
        session.post(url, json={"messages": MESSAGES}, timeout=30)
        for number in range(20):
            assert session.request(f"FROB{number}", url, timeout=30).status_code == 404
    counted = dashboard.metrics().since(Numbers({}))
    assert counted["calls_total{, other, refused}"] == 20
    assert counted["refused_calls_total{unsupported_endpoint}"] == 20
