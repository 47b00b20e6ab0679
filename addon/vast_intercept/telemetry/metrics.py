"""Metrics of calls, for Prometheus.

Names and units follow https://prometheus.io/docs/practices/naming/. What an app sends cannot create
series: operations are a fixed list, endpoints are those that the configuration names, and reasons
are the interceptor's own.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .. import __version__
from ..config import Config, UpstreamKind
from ..relay.progress import Progress
from ..relay.retrying.circuit_breaker import CircuitState
from ..relay.retrying.endpoint_health import EndpointHealth
from .report import AMOUNTS, CallReport, Ending

#: What stands for everything that has no series of its own.
OTHER = "other"

_PREFIX = "vast_intercept_"
_MAX_REASONS = _MAX_LEFT_OUT = 100
# Names of built-in tools may end with the date of their version.
_DATE = re.compile(r"_(?:\d{4}_\d{2}_\d{2}|\d{8})$")

# Seconds. Those of vLLM's own metrics, where it has the same, so that both can be compared:
# https://docs.vllm.ai/en/latest/design/metrics.html
_FIRST_TOKEN = (
    *(0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 320, 640),
)
_DURATION = (0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960)
_PER_TOKEN = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15),
    *(0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5),
)
_WAIT = (0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 180, 300, 600)
_ADDED = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)

_COUNTERS = {
    "calls": ("Calls that have ended.", ("operation", "endpoint", "outcome")),
    "refused_calls": ("Calls that were refused.", ("reason",)),
    "left_out": ("Calls that asked for something that the model does not get.", ("what",)),
    "prompt_tokens": ("Tokens of prompts, if the answer says how many.", ("endpoint",)),
    "completion_tokens": ("Tokens of answers, if the answer says how many.", ("endpoint",)),
    "texts": ("Texts that were embedded or compared.", ("endpoint",)),
    "characters": (
        "Characters of texts that were embedded, compared, spoken or painted.",
        ("endpoint",),
    ),
    "audio_seconds": ("Seconds of audio that were transcribed or translated.", ("endpoint",)),
    "images": ("Images that were sent or made.", ("endpoint",)),
    "media_bytes": ("Bytes of audio and images that were sent or made.", ("endpoint",)),
    "uncounted_answers": ("Answers that do not say how many tokens they have.", ("endpoint",)),
    "retries": ("Attempts that followed a failed one.", ("endpoint",)),
    "fallbacks": ("Calls that went to the endpoint because another one failed.", ("endpoint",)),
    "client_tls_failures": (
        "TLS handshakes that apps broke off, mostly because they do not trust the CA.",
        (),
    ),
    "refused_connections": (
        "Refused connections to providers: not HTTP, or without a call that is passed on.",
        ("reason",),
    ),
}

# By the field of a report that each observes: name, help, buckets and labels.
_HISTOGRAMS = {
    "time_to_first_token": (
        "time_to_first_token_seconds",
        "Seconds from the app's complete request to the first token of a stream.",
        _FIRST_TOKEN,
        ("endpoint",),
    ),
    "duration": (
        "call_duration_seconds",
        "Seconds from the app's complete request to the end of Vast's answer.",
        _DURATION,
        ("operation", "endpoint"),
    ),
    "time_per_output_token": (
        "time_per_output_token_seconds",
        "Seconds between two tokens of a stream, on average.",
        _PER_TOKEN,
        ("endpoint",),
    ),
    "added_latency": (
        "added_latency_seconds",
        "Seconds that the interceptor itself added before the call and after the answer.",
        _ADDED,
        (),
    ),
}

# A second series for each counter, of when it was made, says nothing here.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics(Collector):
    """Counts what becomes of calls. `registry` has the numbers."""

    def __init__(
        self,
        config: Callable[[], Config],
        running: Callable[[], Iterable[Progress]],
        endpoints: Callable[[], Iterable[EndpointHealth]],
    ) -> None:
        registry = self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        build = Info(f"{_PREFIX}build", "The interceptor's version.", registry=registry)
        build.info({"version": __version__})
        counters = {
            name: Counter(_PREFIX + name, text, labels, registry=registry)
            for name, (text, labels) in _COUNTERS.items()
        }
        histograms = {
            field: Histogram(_PREFIX + name, text, labels, buckets=buckets, registry=registry)
            for field, (name, text, buckets, labels) in _HISTOGRAMS.items()
        }
        histograms["waits"] = Histogram(
            f"{_PREFIX}queue_wait_seconds",
            "Seconds that calls waited for a ready worker (serverless interface only).",
            ("endpoint",),
            buckets=_WAIT,
            registry=registry,
        )
        # prometheus_client looks labels up slowly, and there are few of them.
        self._counter = cache(lambda name, *labels: _child(counters[name], labels))
        self._histogram = cache(lambda name, *labels: _child(histograms[name], labels))
        self._config, self._running, self._endpoints = config, running, endpoints
        registry.register(self)
        self._reasons: set[str] = set()
        self._left_out: set[str] = set()

    def ended(self, config: Config, report: CallReport) -> None:
        """Counts a call that has ended. `config` is the one that it started with."""
        endpoint = _label(config, report.endpoint)
        operation = report.operation or OTHER
        count = self._counter
        count("calls", operation, endpoint, report.outcome).inc()
        if report.outcome is Ending.REFUSED:
            reason = _first_of(self._reasons, report.error or OTHER, _MAX_REASONS)
            count("refused_calls", reason).inc()
        for what in {_DATE.sub("", each) for each in report.left_out}:
            count("left_out", _first_of(self._left_out, what, _MAX_LEFT_OUT)).inc()
        if not report.attempts:
            return
        labels = {"operation": operation, "endpoint": endpoint}
        for field, (*_, names) in _HISTOGRAMS.items():
            if (seconds := getattr(report, field)) is not None:
                self._histogram(field, *(labels[name] for name in names)).observe(seconds)
        if config.interface is UpstreamKind.SERVERLESS:
            for name, waited in (report.waits or {endpoint: 0.0}).items():
                self._histogram("waits", _label(config, name)).observe(waited)
        if report.prompt_tokens is not None:
            count("prompt_tokens", endpoint).inc(report.prompt_tokens)
            count("completion_tokens", endpoint).inc(report.completion_tokens or 0)
        elif report.is_uncounted:
            count("uncounted_answers", endpoint).inc()
        if report.outcome is Ending.OK:
            for name in AMOUNTS:
                if amount := getattr(report, name):
                    count(name, endpoint).inc(amount)
        for name in report.retried:
            count("retries", _label(config, name)).inc()
        for name in report.fell_back_to:
            count("fallbacks", _label(config, name)).inc()

    def collect(self) -> Iterator[Metric]:
        """The gauges at this moment. The registry calls this for each scrape."""
        calls = list(self._running())
        waiting = sum(each.waiting is not None for each in calls)
        for name, text, number in (
            ("calls_in_progress", "Calls that have not ended.", len(calls)),
            ("calls_waiting", "Calls that wait for a ready worker.", waiting),
        ):
            yield GaugeMetricFamily(_PREFIX + name, text, number)
        breakers = GaugeMetricFamily(
            f"{_PREFIX}circuit_breaker_state",
            "1 for the present state of the endpoint's circuit breaker, 0 for others.",
            labels=("endpoint", "state"),
        )
        config = self._config()
        # Of two upstreams that lead to one name, which is the label, the one in use counts.
        healths = sorted(self._endpoints(), key=lambda each: each.id.kind == config.interface)
        for name, now in {each.id.name: each.state for each in healths}.items():
            if config.names_destination(name):
                for state in CircuitState:
                    breakers.add_metric((name, state), state is now)
        yield breakers

    def tls_failed(self) -> None:
        """Counts a handshake that an app broke off."""
        self._counter("client_tls_failures").inc()

    def refused_connection(self, reason: str) -> None:
        """Counts a connection to a provider that was refused, or what an app sent on one."""
        self._counter("refused_connections", reason).inc()


def _first_of(known: set[str], name: str, most: int) -> str:
    """The name if it is one of the first that there were, and `OTHER` for what comes after."""
    if len(known) < most:
        known.add(name)
    return name if name in known else OTHER


def _child[M: (Counter, Histogram)](metric: M, labels: tuple[str, ...]) -> M:
    return metric.labels(*labels) if labels else metric


def _label(config: Config, name: str | None) -> str:
    return "" if name is None else name if config.names_destination(name) else OTHER
