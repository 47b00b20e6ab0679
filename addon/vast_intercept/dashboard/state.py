"""The JSON that the dashboard's page polls."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from .. import __version__
from ..config import Config
from ..openai_api import operations
from ..relay.progress import Progress
from ..telemetry.history import Charts
from ..telemetry.monitor import LISTED, EndpointCalls, Monitor
from ..telemetry.report import CallReport, report_of


class Command(msgspec.Struct, frozen=True):
    """A command to copy into a shell, and what it is for."""

    what: str
    command: str


class HowTo(msgspec.Struct, frozen=True):
    """What a person needs to have an app use this interceptor."""

    listening: list[str]
    ca_file: str
    provider_hosts: list[str]
    commands: list[Command]


class _Listed(msgspec.Struct, frozen=True, kw_only=True, rename={"request_id": "id"}):
    """A call: these fields of its report, or of what would be its report now."""

    request_id: str
    operation: str | None
    model: str | None
    endpoint: str | None
    client: str | None
    stream: bool
    attempts: int
    prompt: str | None


class RunningCall(_Listed, frozen=True, kw_only=True):
    """A call that has not ended."""

    #: Unix time.
    since: float
    #: Of a stream, so far.
    tokens: int | None
    #: Why it waits for a worker; None if it does not.
    waiting: str | None


class RunningCalls(msgspec.Struct, frozen=True):
    """How many calls run, how many of them wait for a worker, and the oldest ones."""

    count: int
    waiting: int
    calls: list[RunningCall]


class EndedCall(_Listed, frozen=True, kw_only=True):
    """A call that has ended: `CallReport` says what the fields mean."""

    time: float
    response_model: str | None
    status: int | None
    outcome: str
    time_to_first_token: float | None
    duration: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    texts: int | None
    characters: int | None
    audio_seconds: float | None
    images: int | None
    media_bytes: int | None
    tokens_per_second: float | None
    waited: float
    error: str | None


class EndpointRow(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of an endpoint. `state` is that of its circuit breaker."""

    name: str
    interface: str
    state: str
    running: int
    waiting: int
    calls: int
    failed: int
    #: The code of what went wrong last.
    trouble: str


class OperationRow(msgspec.Struct, frozen=True):
    """Calls of an operation that were sent, and what those answered held besides tokens."""

    operation: str
    calls: int
    failed: int
    #: By name, as in `EndedCall`.
    amounts: dict[str, float]


class Refused(msgspec.Struct, frozen=True):
    """What was refused, how often, and when last (Unix time)."""

    reason: str
    operation: str
    count: int
    last: float


class DashboardState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. Times are Unix time. No key is in it, and no prompt unless it is wanted."""

    version: str
    now: float
    started: float
    problem: str
    notices: list[str]
    how_to: HowTo
    totals: dict[str, int]
    running: RunningCalls
    endpoints: list[EndpointRow]
    #: Only if one was called that an endpoint must be said to serve.
    operations: list[OperationRow]
    latest: list[EndedCall]
    refused: list[Refused]
    client_tls_failures: int
    history: Charts


def state_of(
    monitor: Monitor, config: Config, problem: str, how_to: HowTo, *, notices: Iterable[str] = ()
) -> DashboardState:
    """The present state of the dashboard.

    `problem` says why the configuration cannot be used, or is empty. `how_to` is how an app is
    pointed at this interceptor. `notices` are sentences that are shown beside the warnings.
    """
    now = time.time()
    tally = monitor.tally
    prompt_tokens, completion_tokens = monitor.tokens
    return DashboardState(
        version=__version__,
        now=now,
        started=monitor.started,
        problem=problem,
        notices=[*config.warnings, *notices],
        how_to=how_to,
        totals={
            "calls": tally.calls,
            **{str(ending): count for ending, count in monitor.endings.items()},
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "uncounted_answers": tally.uncounted,
        },
        running=_running_calls(monitor.running.values(), now),
        endpoints=list(_endpoints(monitor, config)),
        operations=_operations(monitor),
        latest=[_latest(each, show_prompts=config.inspect.show_prompts) for each in monitor.latest],
        refused=[
            Refused(reason, operation, refusals.count, refusals.last)
            for (reason, operation), refusals in sorted(
                monitor.refusals.items(), key=lambda item: -item[1].count
            )
        ],
        client_tls_failures=monitor.tls_failures,
        history=monitor.history.charts(),
    )


def _running_calls(calls: Iterable[Progress], now: float) -> RunningCalls:
    calls = list(calls)
    waiting = sum(each.waiting is not None for each in calls)
    return RunningCalls(len(calls), waiting, [_running(each, now) for each in calls[:LISTED]])


def _running(progress: Progress, now: float) -> RunningCall:
    report = report_of(progress, None, left=False)
    return RunningCall(
        **{name: getattr(report, name) for name in _Listed.__struct_fields__},
        since=now - (report.duration or 0.0),
        tokens=progress.events if progress.stream else None,
        waiting=progress.waiting,
    )


def _latest(report: CallReport, *, show_prompts: bool) -> EndedCall:
    shown = msgspec.convert(report, EndedCall, from_attributes=True)
    return shown if show_prompts else msgspec.structs.replace(shown, prompt=None)


def _operations(monitor: Monitor) -> list[OperationRow]:
    """The operations that were called, the most frequent first."""
    called = monitor.operations
    if operations.LISTED.isdisjoint(called):
        return []
    rows = [
        OperationRow(name, each.calls, each.failed, each.amounts) for name, each in called.items()
    ]
    return sorted(rows, key=lambda row: -row.calls)


def _endpoints(monitor: Monitor, config: Config) -> Iterator[EndpointRow]:
    """The endpoints of the configuration, in its order, then others that were called."""
    called = {health.id: health for health in monitor.endpoints()}
    configured = [config.destination(name) for name in config.endpoints()]
    running = Counter(each.endpoint for each in monitor.running.values())
    for endpoint in list(dict.fromkeys([*configured, *called]))[:LISTED]:
        health = called.get(endpoint)
        calls = monitor.endpoint_calls.get(endpoint, EndpointCalls())
        yield EndpointRow(
            name=endpoint.name,
            interface=endpoint.kind,
            state=health.state if health else "closed",
            running=running[endpoint],
            waiting=health.waiting if health else 0,
            calls=calls.calls,
            failed=calls.failed,
            trouble=health.trouble if health else "",
        )
