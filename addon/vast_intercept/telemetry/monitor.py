"""What is known of the calls while the interceptor runs: numbers and reports, never flows."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..config import Config, EndpointId
from ..openai_api.operations import Operation
from ..relay.progress import Progress
from ..relay.retrying.endpoint_health import EndpointHealth
from ..shut_down_models import known_model
from ..status import Tally
from .history import History
from .metrics import OTHER, Metrics
from .report import AMOUNTS, CallReport, Ending

#: How many calls are listed: those that have ended last, and those that run.
LISTED = 50

_MAX_REFUSALS = 200


@dataclass(slots=True)
class Refusals:
    """How often something was refused, and when last (Unix time)."""

    count: int = 0
    last: float = 0.0


@dataclass(slots=True)
class OperationCalls:
    """How many calls of an operation were sent, how many failed, and what those answered held."""

    calls: int = 0
    failed: int = 0
    #: By the names of `AMOUNTS`, as far as there was anything.
    amounts: dict[str, float] = field(default_factory=dict)

    def add(self, report: CallReport) -> None:
        """Counts a call that has ended."""
        self.calls += 1
        self.failed += report.is_error
        if report.outcome is Ending.OK:
            for name in AMOUNTS:
                if amount := getattr(report, name):
                    self.amounts[name] = self.amounts.get(name, 0) + amount


@dataclass(slots=True)
class EndpointCalls:
    """How many calls an endpoint had, and how many of them failed through no fault of the app."""

    calls: int = 0
    failed: int = 0


class Monitor:
    """Knows the running calls, and counts those that have ended.

    `config` gives the configuration in force, `endpoints` those endpoints that were called.
    """

    def __init__(
        self, config: Callable[[], Config], endpoints: Callable[[], Iterable[EndpointHealth]]
    ) -> None:
        self.started = time.time()
        #: By identity: apps may give several calls the same request id.
        self.running: dict[int, Progress] = {}
        self.endings = dict.fromkeys(Ending, 0)
        #: Of prompts and of answers, if an answer says how many.
        self.tokens = (0, 0)
        #: Answers that do not say so, and about how many tokens streams among them had.
        self.uncounted = self.streamed_tokens = 0
        self.tls_failures = 0
        self.history = History()
        self.latest: deque[CallReport] = deque(maxlen=LISTED)
        #: By reason and operation.
        self.refusals: dict[tuple[str, str], Refusals] = {}
        #: Calls that were sent to Vast or to a provider instead. Operations are a fixed list.
        self.operations: dict[str, OperationCalls] = {}
        self.endpoint_calls: dict[EndpointId, EndpointCalls] = {}
        #: Providers and models that apps have asked for, of the table of those that are shut down.
        self.shut_down: dict[tuple[str, str], None] = {}
        self.endpoints = endpoints
        self.metrics = Metrics(config, self.running.values, endpoints)
        #: Who is told of each call that has ended, besides.
        self.listeners: list[Callable[[CallReport], None]] = []

    @property
    def tally(self) -> Tally:
        """The numbers of calls, but for those that were passed on."""
        endings = self.endings
        speech = self.operations.get(Operation.AUDIO_SPEECH, OperationCalls())
        return Tally(
            calls=sum(endings.values()) - endings[Ending.PASSED_ON],
            running=len(self.running),
            refused=endings[Ending.REFUSED],
            errors=endings[Ending.FAILED] + endings[Ending.BROKEN_OFF],
            tokens=sum(self.tokens),
            uncounted=self.uncounted,
            streamed_tokens=self.streamed_tokens,
            texts=int(self._amount("texts")),
            # Of texts that are embedded, their number says enough.
            characters=int(speech.amounts.get("characters", 0)),
            audio_seconds=self._amount("audio_seconds"),
            images=int(self._amount("images")),
        )

    def _amount(self, name: str) -> float:
        return sum(each.amounts.get(name, 0) for each in self.operations.values())

    def began(self, progress: Progress) -> None:
        """Adds a call that was prepared for the relay to those that run."""
        self.running[id(progress)] = progress

    def ended(self, progress: Progress, report: CallReport, provider: str | None = None) -> None:
        """Counts a call that has ended, with whatever outcome. `provider` is who it was for."""
        self.running.pop(id(progress), None)
        self.endings[report.outcome] += 1
        self.metrics.ended(progress.call.config, report)
        self.latest.appendleft(report)
        for told in self.listeners:
            told(report)
        if report.outcome is Ending.PASSED_ON:
            return
        if provider and (model := known_model(provider, report.model)):
            self.shut_down[provider, model] = None
        self.history.add(report)
        self._count_tokens(report)
        if report.attempts:
            self.operations.setdefault(report.operation or OTHER, OperationCalls()).add(report)
        if report.outcome is Ending.REFUSED:
            self._count_refusal(report)
        name, upstream = report.endpoint, report.upstream
        if name and upstream and progress.call.config.names_destination(name):
            calls = self.endpoint_calls.setdefault(EndpointId(upstream, name), EndpointCalls())
            calls.calls += 1
            calls.failed += report.is_endpoints_fault

    def _count_tokens(self, report: CallReport) -> None:
        if report.prompt_tokens is not None:
            prompts, answers = self.tokens
            answered = report.completion_tokens or 0
            self.tokens = prompts + report.prompt_tokens, answers + answered
        elif report.is_uncounted:
            self.uncounted += 1
            self.streamed_tokens += report.tokens or 0

    def _count_refusal(self, report: CallReport) -> None:
        key = report.error or OTHER, report.operation or OTHER
        if len(self.refusals) >= _MAX_REFUSALS and key not in self.refusals:
            key = OTHER, OTHER
        refusals = self.refusals.setdefault(key, Refusals())
        refusals.count += 1
        refusals.last = report.time

    def answered_by_another(self, progress: Progress) -> None:
        """Forgets a call that another addon has answered."""
        self.running.pop(id(progress), None)

    def tls_failed(self) -> None:
        """Counts a handshake that an app broke off."""
        self.tls_failures += 1
        self.metrics.tls_failed()
