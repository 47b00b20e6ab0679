"""Interceptors with a dashboard, in front of a stand-in with workers."""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from .. import harness
from ..harness import Interceptor
from ..resilience.conftest import Intercepting, _vast, intercepting, vast

__all__ = ["_vast", "intercepting", "vast"]


def until(holds: Callable[[], Any], seconds: float = 10) -> None:
    """Waits until it holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to be so"
        time.sleep(0.02)


class Dashboard:
    """The dashboard's web server, as its page, Prometheus and others ask it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._session = requests.Session()
        self._session.trust_env = False

    def ask(self, path: str, method: str = "GET", **headers: str) -> requests.Response:
        """An answer, whatever its status. Underscores in headers' names stand for hyphens."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._session.request(method, f"{self.url}{path}", headers=fields, timeout=30)

    def get(self, path: str) -> requests.Response:
        """The answer, which must be a success."""
        answer = self.ask(path)
        assert answer.status_code == 200, answer.text
        return answer

    def state(self) -> Any:
        """What the page shows."""
        return self.get("/state").json()

    def metrics(self) -> "Numbers":
        """What Prometheus gets."""
        return Numbers.of(self.get("/metrics").text)

    def all_text(self) -> bytes:
        """Everything that there is to read."""
        paths = ("/", "/dashboard.js", "/dashboard.css", "/icon.svg", "/state", "/metrics")
        answers = [self.ask(path) for path in (*paths, "/readyz", "/healthz", "/elsewhere")]
        return b"\n".join(str(each.headers).encode() + each.content for each in answers)

    @property
    def listens(self) -> bool:
        """Whether there is one."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def wait(self) -> "Dashboard":
        """Waits until there is."""
        until(lambda: self.listens)
        return self


@dataclass(frozen=True)
class Numbers:
    """Samples of ours, by `name{value, value}`: without prefix, with the labels' values in order.

    The order is that of the labels' names.
    """

    samples: Mapping[str, float]

    @classmethod
    def of(cls, text: str) -> "Numbers":
        """From a page of metrics."""
        samples: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if not sample.name.startswith("vast_intercept_"):
                    continue
                labels = ", ".join(value for _, value in sorted(sample.labels.items()))
                key = sample.name.removeprefix("vast_intercept_")
                key = f"{key}{{{labels}}}" if sample.labels else key
                assert key not in samples, f"{key} is there twice"
                samples[key] = sample.value
        return cls(samples)

    def __getitem__(self, key: str) -> float:
        return self.samples.get(key, 0.0)

    def since(self, before: "Numbers") -> dict[str, float]:
        """What is counted since then: no sums of seconds, no buckets, no gauges."""
        return {
            key: value - before[key]
            for key, value in self.samples.items()
            if value != before[key] and key.partition("{")[0].endswith(("_total", "_count"))
        }


@dataclass(frozen=True)
class Watched:
    """An interceptor and its dashboard."""

    interceptor: Interceptor
    dashboard: Dashboard


type Watching = Callable[..., Watched]


@pytest.fixture
def watching(intercepting: Intercepting) -> Watching:
    """As `intercepting`, with a dashboard. `inspect` is that section of the configuration."""

    def start(*options: str, inspect: Any = None, sections: Any = None, **more: Any) -> Watched:
        dashboard = Dashboard(harness.unused_port())
        section = {"port": dashboard.port, **(inspect or {})}
        sections = {"inspect": section, **(sections or {})}
        interceptor = intercepting(*options, sections=sections, **more)
        return Watched(interceptor, dashboard.wait())

    return start
