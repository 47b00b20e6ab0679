"""Metrics: what apps make up does not become a series."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from tests.fixtures.prepared import prepared
from vast_intercept.config import Config, EndpointId, Route, UpstreamKind
from vast_intercept.config.config import defaults
from vast_intercept.openai_api.operations import Operation
from vast_intercept.relay.failures import AttemptFailed
from vast_intercept.relay.progress import Progress
from vast_intercept.relay.retrying.endpoint_health import EndpointHealth
from vast_intercept.telemetry.metrics import OTHER, Metrics
from vast_intercept.telemetry.monitor import Monitor
from vast_intercept.telemetry.report import CallReport, Ending

CONFIG = replace(
    defaults(),
    endpoint="mine",
    routes=(Route(model="gpt-4*", endpoint="big", fallback=["small", "provider"]),),
)


def call(config: Config = CONFIG, **more: Any) -> Progress:
    return Progress(prepared(config=config), **more)


def report(outcome: Ending = Ending.OK, **more: Any) -> CallReport:
    facts: dict[str, Any] = {
        "operation": "chat/completions",
        "endpoint": "mine",
        "upstream": UpstreamKind.OPENAI,
        "attempts": 1,
    }
    return CallReport(request_id="r", time=0.0, outcome=outcome, **facts | more)


def series(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """All of ours: name and labels, and the value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name.startswith("vast_intercept_")
    }


class Bench:
    """Metrics, and the calls and endpoints that there are."""

    def __init__(self, config: Config = CONFIG) -> None:
        self.running: list[Progress] = []
        self.healths: list[EndpointHealth] = []
        self.config = config
        self.metrics = Metrics(lambda: self.config, lambda: self.running, lambda: self.healths)

    def ended(self, made: CallReport) -> None:
        self.metrics.ended(self.config, made)

    def series(self) -> dict[tuple[str, ...], float]:
        return series(self.metrics.registry)

    def value(self, name: str, *labels: str) -> float:
        return self.series().get((f"vast_intercept_{name}", *labels), 0.0)


def health_of(name: str, kind: UpstreamKind = UpstreamKind.OPENAI) -> EndpointHealth:
    return EndpointHealth(EndpointId(kind, name))


@pytest.fixture
def bench() -> Bench:
    return Bench()


FULL: dict[str, Any] = {
    "duration": 3.0,
    "time_to_first_token": 0.3,
    "time_per_output_token": 0.02,
    "added_latency": 0.002,
    "prompt_tokens": 7,
    "completion_tokens": 11,
}


def test_a_whole_report_is_counted(bench: Bench) -> None:
    bench.ended(report(**FULL, retried=("mine", "mine"), fell_back_to=("small",)))
    labels = ("chat/completions", "mine")
    assert bench.value("calls_total", *labels, "ok") == 1
    assert bench.value("call_duration_seconds_count", *labels) == 1
    assert bench.value("call_duration_seconds_sum", *labels) == 3.0
    assert bench.value("time_to_first_token_seconds_sum", "mine") == 0.3
    assert bench.value("time_per_output_token_seconds_sum", "mine") == 0.02
    assert bench.value("added_latency_seconds_sum") == 0.002
    assert bench.value("prompt_tokens_total", "mine") == 7
    assert bench.value("completion_tokens_total", "mine") == 11
    assert bench.value("uncounted_answers_total", "mine") == 0
    assert bench.value("retries_total", "mine") == 2
    assert bench.value("fallbacks_total", "small") == 1


def test_a_call_that_was_not_sent_to_vast_has_no_times(bench: Bench) -> None:
    bench.ended(report(**{**FULL, "attempts": 0, "endpoint": None}))
    assert bench.value("calls_total", "chat/completions", "", "ok") == 1
    assert bench.value("added_latency_seconds_count") == 0
    assert not [key for key in bench.series() if key[0].endswith("duration_seconds_count")]


@pytest.mark.parametrize(
    ("outcome", "uncounted"),
    [(Ending.OK, 1), (Ending.FAILED, 0), (Ending.CANCELLED, 0)],
    ids=["ok", "failed", "cancelled"],
)
def test_an_answer_that_does_not_say_its_tokens(
    bench: Bench, outcome: Ending, uncounted: int
) -> None:
    bench.ended(report(outcome, tokens=50))
    assert bench.value("uncounted_answers_total", "mine") == uncounted


@pytest.mark.parametrize(
    ("interface", "count"), [(UpstreamKind.SERVERLESS, 1), (UpstreamKind.OPENAI, 0)]
)
def test_waits_are_counted_where_calls_can_wait(interface: UpstreamKind, count: int) -> None:
    bench = Bench(replace(CONFIG, interface=interface))
    bench.ended(report(waited=0.0))
    assert bench.value("queue_wait_seconds_count", "mine") == count


def test_what_is_so_now(bench: Bench) -> None:
    assert bench.value("calls_in_progress") == bench.value("calls_waiting") == 0
    bench.running += [call(), call(waiting="loading")]
    bench.running += [call(waiting="")]
    assert bench.value("calls_in_progress") == 3
    assert bench.value("calls_waiting") == 2


def test_circuit_breakers(bench: Bench) -> None:
    for name in ("mine", "openai", "made-up"):
        bench.healths.append(health_of(name))
    name = "circuit_breaker_state"
    states = {key[1:]: value for key, value in bench.series().items() if key[0].endswith(name)}
    assert states == {
        (endpoint, state): float(state == "closed")
        for endpoint in ("mine", "openai")
        for state in ("closed", "open", "half-open")
    }


def test_two_interfaces_to_one_endpoint_are_one_series(bench: Bench) -> None:
    """As after a change of `vast.interface`. Prometheus refuses a page with a sample twice."""
    bench.healths += [health_of("mine"), health_of("mine", UpstreamKind.SERVERLESS)]
    samples = [
        (sample.name, *sample.labels.values())
        for metric in bench.metrics.registry.collect()
        for sample in metric.samples
    ]
    assert len(samples) == len(set(samples))


@pytest.mark.parametrize("busy", [False, True], ids=["broken", "busy"])
def test_trouble_does_not_become_a_label(bench: Bench, busy: bool) -> None:
    health = health_of("mine")
    bench.healths.append(health)
    before = set(bench.series())
    from vast_intercept.openai_api.errors import bad_gateway  # noqa: PLC0415

    for number in range(10):
        failed = AttemptFailed(bad_gateway("x", f"code-{number}"), busy=busy)
        health.failed(failed, number, probe=False)
    assert set(bench.series()) == before


# --- what apps make up ---------------------------------------------------------------------------


def test_a_thousand_made_up_names_make_one_series(bench: Bench) -> None:
    def use(name: str) -> None:
        bench.ended(
            report(
                **FULL,
                endpoint=name,
                model=name,
                response_model=name,
                client=name,
                request_id=name,
                retried=(name,),
                fell_back_to=(name,),
            )
        )
        bench.ended(report(Ending.FAILED, endpoint=name, error=name, error_param=name))
        bench.healths.append(health_of(name))

    def report(outcome: Ending = Ending.OK, **facts: Any) -> CallReport:
        base = {"request_id": "r", "time": 0.0, "operation": "completions", "attempts": 1}
        return CallReport(outcome=outcome, **base | facts)

    use("first")
    after_one = set(bench.series())
    for number in range(1_000):
        use(f"made-up-{number}")
    assert set(bench.series()) == after_one
    assert bench.value("calls_total", "completions", OTHER, "ok") == 1_001
    assert bench.value("retries_total", OTHER) == 1_001


def test_reasons_are_bounded(bench: Bench) -> None:
    for number in range(1_000):
        bench.ended(report(Ending.REFUSED, error=f"reason-{number}", attempts=0, endpoint=None))
    reasons = {key: n for key, n in bench.series().items() if "refused" in key[0]}
    assert len(reasons) <= 101
    assert sum(reasons.values()) == 1_000
    assert reasons["vast_intercept_refused_calls_total", OTHER] >= 899


def test_what_is_left_out_is_counted_by_name_and_not_by_version(bench: Bench) -> None:
    bench.ended(report(left_out=("tool web_search", "suffix")))
    bench.ended(report(left_out=("tool web_search_2025_08_26", "tool web_search_20250305")))
    assert bench.value("left_out_total", "tool web_search") == 2
    assert bench.value("left_out_total", "suffix") == 1
    for number in range(1_000):
        bench.ended(report(left_out=(f"item {number}",)))
    counted = {key: n for key, n in bench.series().items() if key[0].endswith("left_out_total")}
    assert len(counted) <= 101
    assert sum(counted.values()) == 1_003


def test_a_refusal_without_a_code_is_another_one(bench: Bench) -> None:
    bench.ended(report(Ending.REFUSED, attempts=0))
    assert bench.value("refused_calls_total", OTHER) == 1


def test_operations_are_a_fixed_list(bench: Bench) -> None:
    for operation in (*Operation, None):
        bench.ended(report(operation=operation, attempts=0, endpoint=None))
    counted = {key[1] for key in bench.series() if key[0] == "vast_intercept_calls_total"}
    assert counted == set(Operation)


@given(
    st.lists(
        st.builds(
            CallReport,
            request_id=st.text(),
            time=st.just(0.0),
            outcome=st.sampled_from(Ending),
            operation=st.none() | st.sampled_from(list(Operation)),
            endpoint=st.none() | st.sampled_from(["mine", "big", "small", "openai"]) | st.text(),
            model=st.none() | st.text(),
            error=st.none() | st.text(),
            attempts=st.integers(0, 3),
            retried=st.lists(st.text(), max_size=2).map(tuple),
            fell_back_to=st.lists(st.text(), max_size=2).map(tuple),
            duration=st.none() | st.floats(0, 1e6),
            prompt_tokens=st.none() | st.integers(0, 10**9),
            completion_tokens=st.none() | st.integers(0, 10**9),
        ),
        max_size=20,
    )
)
def test_labels_are_known_ones(reports: list[CallReport]) -> None:
    bench = Bench()
    for made in reports:
        bench.ended(made)
    destinations = {"", OTHER, *CONFIG.endpoints(), *(each.name for each in CONFIG.providers)}
    for metric in bench.metrics.registry.collect():
        for sample in metric.samples:
            assert sample.labels.get("endpoint", "") in destinations
            assert sample.labels.get("operation", "other") in set(Operation)
            assert sample.labels.get("outcome", "ok") in set(Ending)
    ours = bench.series()
    assert sum(n for key, n in ours.items() if key[0].endswith("_calls_total")) >= len(reports)


# --- the monitor, which has them -----------------------------------------------------------------


def monitor() -> Monitor:
    return Monitor(lambda: CONFIG, list)


def test_calls_are_known_by_identity() -> None:
    """Apps may give several calls the same request id."""
    watched = monitor()
    calls = [call(), call()]
    for each in calls:
        watched.began(each)
    assert watched.tally.running == 2
    watched.ended(calls[0], report(**FULL))
    assert list(watched.running.values()) == calls[1:]
    assert (watched.tally.running, watched.tally.calls, watched.tally.tokens) == (1, 1, 18)
    assert watched.tokens == (7, 11)


def test_what_is_kept_of_made_up_names_is_bounded() -> None:
    watched = monitor()
    for number in range(1_000):
        watched.ended(call(), report(Ending.REFUSED, endpoint=f"e{number}", error=f"c{number}"))
    assert len(watched.latest) <= 100
    assert len(watched.refusals) <= 300
    assert len(watched.endpoint_calls) <= 300
    assert sum(refusals.count for refusals in watched.refusals.values()) == 1_000


def test_made_up_names_do_not_crowd_out_those_of_the_configuration() -> None:
    watched = monitor()
    for number in range(1_000):
        watched.ended(call(), report(endpoint=f"made-up-{number}"))
    watched.ended(call(), report(Ending.FAILED, endpoint="mine"))
    assert watched.endpoint_calls[EndpointId(UpstreamKind.OPENAI, "mine")].calls == 1
    assert watched.endpoint_calls[EndpointId(UpstreamKind.OPENAI, "mine")].failed == 1


# --- what is not counted in tokens ---------------------------------------------------------------

HELD = {
    "embeddings": ({"texts": 3, "characters": 40}, {"texts": 3, "characters": 40}),
    "audio/speech": ({"characters": 40, "media_bytes": 9}, {"characters": 40, "media_bytes": 9}),
    "audio/transcriptions": ({"audio_seconds": 12.5}, {"audio_seconds": 12.5}),
    "images/generations": ({"images": 2}, {"images": 2}),
    "chat/completions": ({}, {"uncounted_answers": 1}),
}


@pytest.mark.parametrize("operation", HELD)
def test_what_a_call_holds_besides_tokens_is_counted_in_their_place(operation: str) -> None:
    facts, expected = HELD[operation]
    bench = Bench()
    bench.metrics.ended(CONFIG, report(operation=operation, **facts))
    named = ("texts", "characters", "audio_seconds", "images", "media_bytes", "uncounted_answers")
    found = {
        name: value
        for name in named
        if (value := series(bench.metrics.registry).get((f"vast_intercept_{name}_total", "mine")))
    }
    assert found == expected


@pytest.mark.parametrize("outcome", [each for each in Ending if each is not Ending.OK])
def test_what_was_not_answered_is_not_counted(outcome: Ending) -> None:
    bench = Bench()
    monitor = Monitor(lambda: CONFIG, lambda: ())
    made = report(outcome, operation="embeddings", texts=3)
    bench.metrics.ended(CONFIG, made)
    assert not any("texts" in key[0] for key in series(bench.metrics.registry))
    monitor.ended(call(), made)
    assert all(each.amounts == {} for each in monitor.operations.values())


def test_calls_are_counted_by_operation() -> None:
    monitor = Monitor(lambda: CONFIG, lambda: ())
    monitor.ended(call(), report(operation="embeddings", texts=3, characters=9))
    monitor.ended(call(), report(operation="embeddings", texts=4))
    monitor.ended(call(), report(Ending.FAILED, operation="embeddings", texts=5))
    monitor.ended(call(), report(Ending.REFUSED, operation="images", attempts=0))
    [(operation, calls)] = monitor.operations.items()
    assert (operation, calls.calls, calls.failed) == ("embeddings", 3, 1)
    assert calls.amounts == {"texts": 7, "characters": 9}
    assert monitor.tally.uncounted == 0


def test_the_tally_says_what_answered_calls_held_besides_tokens() -> None:
    watched = monitor()
    for operation in [*HELD, "embeddings"]:
        watched.ended(call(), report(operation=operation, **HELD[operation][0]))
    watched.ended(call(), report(Ending.FAILED, operation="images/edits", images=7))
    tally = watched.tally
    assert (tally.texts, tally.characters) == (6, 40)  # those that are spoken
    assert (tally.audio_seconds, tally.images) == (12.5, 2)
