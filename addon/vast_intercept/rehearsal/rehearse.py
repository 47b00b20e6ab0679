"""A rehearsal from its beginning to its report: puts all parts together."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..config import Config, ConfigError, find_config_file, find_provider, load_config
from ..engine.masters import LeanMaster, run_master
from ..engine.process import interceptor_arguments
from ..openai_api.operations import Operation, classify, normalize_path
from ..secret import Secrets
from ..urls import DEFAULT_PORTS
from .calls import RecordedCall, Unusable
from .recordings.reading import RecordingError, read_recording
from .replaying.plan import Plan, Planning
from .replaying.replayer import Replayer, Work
from .replaying.results import CallKey, Results, ResultsError, keyed, remove_unusable
from .replaying.settings_digest import settings_digest
from .replaying.telling import Telling


class RehearsalError(Exception):
    """A rehearsal that cannot be made. The message is for a person."""


class InterruptedRehearsalError(Exception):
    """A person ended the rehearsal before all calls were made. The message says how to go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearseOptions:
    """What `vast-intercept rehearse` was given."""

    file: Path
    config: str | None = None
    endpoint: str | None = None
    #: mitmproxy's options, as NAME=VALUE.
    settings: tuple[str, ...] = ()
    #: The first calls of the recording that are made; None for all.
    limit: int | None = None
    concurrency: int = 4
    runs: int = 1
    fresh: bool = False

    @property
    def results_file(self) -> Path:
        """Where the results are kept: beside the recording."""
        return self.file.with_name(f"{self.file.name}.rehearsal")


FAILURES = (RehearsalError, RecordingError, ResultsError)


def load(options: RehearseOptions) -> Config:
    """The configuration that calls are made by. Raises RehearsalError, also without a key."""
    try:
        config = load_config(find_config_file(options.config), endpoint=options.endpoint)
    except ConfigError as error:
        raise RehearsalError(str(error)) from None
    if config.lacks_vast_key:
        raise RehearsalError(
            f"There is no Vast API key: {config.api_key_problem}. Set VAST_API_KEY, or vast.api_key"
            " in the configuration."
        )
    if missing := config.missing_machine_keys():
        raise RehearsalError(" ".join(missing))
    if not config.endpoints():
        raise RehearsalError(
            "There is no Vast endpoint. Name it with --endpoint, VAST_ENDPOINT, or vast.endpoint in"
            " the configuration."
        )
    return config


def usable_calls(options: RehearseOptions, config: Config) -> Iterator[RecordedCall | Unusable]:
    """The recording, up to the last call that is to be made. Raises RecordingError."""
    left = options.limit
    for found in read_recording(options.file, config.providers):
        if isinstance(found, RecordedCall) and left is not None:
            if not left:
                return
            left -= 1
        yield found


def calls_of(options: RehearseOptions, config: Config) -> Iterator[RecordedCall]:
    """The calls of the recording that are to be made. Raises RecordingError."""
    return (each for each in usable_calls(options, config) if isinstance(each, RecordedCall))


def plan_of(options: RehearseOptions, config: Config) -> Plan:
    """What is going to be done. Raises RecordingError, and RehearsalError without a call."""
    planning = Planning(runs=options.runs, concurrency=options.concurrency)
    for found in usable_calls(options, config):
        if isinstance(found, Unusable):
            planning.unusable += 1
        else:
            planning.add(found, operation_of(found, config))
    plan = planning.plan()
    if not plan.calls:
        raise RehearsalError(f"{options.file} has no call that could be rehearsed.")
    return plan


def operation_of(call: RecordedCall, config: Config) -> Operation | None:
    """The operation that a call asks for; None if it is none of a provider's API."""
    url = call.url
    scheme, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    host, _, port = authority.partition(":")
    number = int(port) if port.isdecimal() else DEFAULT_PORTS.get(scheme, 0)
    provider = find_provider(config.providers, host, number)
    found = provider.find_api(normalize_path("/" + path.partition("?")[0])) if provider else None
    if provider is None or found is None:
        return None
    asked = classify(call.method, found.segments, provider.api)
    return asked.listed or asked.operation


def open_results(options: RehearseOptions, config: Config) -> Results:
    """What came of the calls so far. Raises ResultsError."""
    path = options.results_file
    if options.fresh:
        remove_unusable(path)
    results = Results(path, settings_digest(config))
    if options.fresh:
        results.forget()
    return results


def missing(options: RehearseOptions, config: Config, results: Results) -> int:
    """How many calls, of all runs, have no result yet. Raises RecordingError and ResultsError."""
    runs = range(options.runs)
    return sum(
        not results.has(key._replace(run=run))
        for key, _ in keyed(calls_of(options, config), 0)
        for run in runs
    )


def make_calls(
    options: RehearseOptions, config: Config, results: Results, *, total: int, left: int
) -> None:
    """Makes the calls that have no result yet, `left` of `total`.

    Raises RehearsalError, RecordingError, ResultsError, and InterruptedRehearsalError.
    """
    with Telling(total, total - left) as telling:
        work = Work(
            calls=_runs(options, config),
            results=results,
            concurrency=min(options.concurrency, left),
            keys=_keys(config),
            ended=telling.ended,
            said=telling.say,
        )
        _run(options, work)
    if work.problem:
        raise RehearsalError(str(work.problem)) from work.problem
    if work.interrupted:
        raise InterruptedRehearsalError(
            f"{left - work.made:,} of {total:,} calls are still to be made. The same command goes"
            " on there, and makes none of the others again."
        )


def _runs(options: RehearseOptions, config: Config) -> Iterator[tuple[CallKey, RecordedCall]]:
    # Run after run: a worker that has just seen a prompt answers it faster.
    for run in range(options.runs):
        yield from keyed(calls_of(options, config), run)


def _run(options: RehearseOptions, work: Work) -> None:
    arguments = interceptor_arguments(options.config, options.endpoint)
    own = ("vast_rehearse=true", "server=false", "termlog_verbosity=warn", *options.settings)
    for each in own:
        arguments += ["--set", each]
    try:
        # mitmproxy logs to standard output, which is for the report.
        with contextlib.redirect_stdout(sys.stderr):
            run_master(LeanMaster, arguments, herald=partial(Replayer, work=work), of_run=True)
    except SystemExit:
        raise RehearsalError("mitmproxy did not start: see above.") from None


def _keys(config: Config) -> Secrets:
    """The keys that are sent with calls."""
    keys = Secrets()
    machines = (machine.api_key for machine in config.machines.values())
    keys.add(*(key for key in (config.api_key, *machines) if key))
    return keys
