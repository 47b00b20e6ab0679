"""Everything that is known of calls while the interceptor runs, without a trace of their flows."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..config import Config
from ..relay.call import EndpointId
from ..relay.progress import Progress
from ..relay.retrying.endpoint_health import EndpointHealth
from ..shut_down_models import known_model
from ..status import Tally
from .history import History
from .metrics import OTHER, Metrics
from .report import CallReport, Ending

#: How many calls are listed: those that have ended last, and those that run.
LISTED = 50

_MAX_REFUSALS = 200


@dataclass(slots=True)
class Refusals:
    """How often something was refused, and when last (Unix time)."""

    count: int = 0
    last: float = 0.0


@dataclass(slots=True)
class EndpointCalls:
    """How many calls an endpoint had, and how many of them failed."""

    calls: int = 0
    failed: int = 0


class Monitor:
    """Is told when a call begins and ends."""

    def __init__(
        self,
        config: Callable[[], Config],
        endpoints: Callable[[], Iterable[EndpointHealth]],
    ) -> None:
        self.started = time.time()
        #: By identity: apps may give several calls the same request id.
        self.running: dict[int, Progress] = {}
        self.tally = Tally()
        self.endings = dict.fromkeys(Ending, 0)
        #: Of prompts and of answers, where an answer says how many.
        self.tokens = (0, 0)
        self.tls_failures = 0
        self.history = History()
        self.latest: deque[CallReport] = deque(maxlen=LISTED)
        #: By reason and operation.
        self.refusals: dict[tuple[str, str], Refusals] = {}
        self.endpoint_calls: dict[EndpointId, EndpointCalls] = {}
        #: Providers and models of the table of those that are shut down, as apps have asked.
        self.shut_down: dict[tuple[str, str], None] = {}
        self.endpoints = endpoints
        self.metrics = Metrics(config, self.running.values, endpoints)

    def began(self, progress: Progress) -> None:
        """A call is handed to the relay."""
        self.running[id(progress)] = progress
        self.tally.running = len(self.running)

    def ended(self, progress: Progress, report: CallReport, provider: str | None = None) -> None:
        """Counts a call that has ended, with whatever outcome. `provider` is who it was for."""
        config = progress.call.config
        self.running.pop(id(progress), None)
        self.tally.running = len(self.running)
        self.endings[report.outcome] += 1
        self.metrics.ended(config, report)
        self.latest.appendleft(report)
        if report.outcome is Ending.PASSED_ON:
            return
        if provider and (model := known_model(provider, report.model)):
            self.shut_down[provider, model] = None
        _count(self.tally, report)
        self.tokens = (
            self.tokens[0] + (report.prompt_tokens or 0),
            self.tokens[1] + (report.completion_tokens or 0),
        )
        self.history.add(report)
        if report.outcome is Ending.REFUSED:
            key = report.error or OTHER, report.operation or OTHER
            if len(self.refusals) >= _MAX_REFUSALS and key not in self.refusals:
                key = OTHER, OTHER
            refusals = self.refusals.setdefault(key, Refusals())
            refusals.count += 1
            refusals.last = report.time
        name, upstream = report.endpoint, report.upstream
        if name and upstream and config.names_destination(name):
            calls = self.endpoint_calls.setdefault(EndpointId(upstream, name), EndpointCalls())
            calls.calls += 1
            calls.failed += report.is_endpoints_fault

    def answered_by_another(self, progress: Progress) -> None:
        """Another addon had its answer ready: it is none of ours."""
        self.running.pop(id(progress), None)
        self.tally.running = len(self.running)

    def tls_failed(self) -> None:
        """An app broke a handshake off."""
        self.tls_failures += 1
        self.metrics.tls_failed()

    def refused_connection(self, reason: str) -> None:
        """Counts a connection to a provider that was refused, or what an app sent on one."""
        self.metrics.refused_connection(reason)


def _count(tally: Tally, report: CallReport) -> None:
    tally.calls += 1
    if report.outcome is Ending.REFUSED:
        tally.refused += 1
    elif report.is_error:
        tally.errors += 1
    if report.prompt_tokens is not None:
        tally.tokens += report.prompt_tokens + (report.completion_tokens or 0)
    elif report.outcome is Ending.OK and report.attempts:
        tally.uncounted += 1
        tally.streamed_tokens += report.tokens or 0
