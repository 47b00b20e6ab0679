"""A rehearsal, step by step: what it is going to do, the calls, and the judge's calls."""

import contextlib
import logging
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

from ..config import Config, ConfigError, find_config_file, load_config
from ..config.file import ENDPOINT_PATTERN
from ..engine.masters import LeanMaster, run_master
from ..engine.process import interceptor_arguments
from ..secret import Secrets
from .calls import RecordedCall, RehearsedCall, Unusable
from .costs import estimate
from .judged import Judge
from .recordings.reading import RecordingError, read_recording
from .replaying.announcing import announced
from .replaying.plan import Plan, Planning
from .replaying.replayer import KeyRefusedError, ObjectionError, Replayer, Work
from .replaying.results import (
    CallKey,
    Occurrences,
    Results,
    ResultsError,
    keyed,
    remove_unusable,
)
from .replaying.settings_digest import settings_digest
from .replaying.telling import Telling
from .replies.reading import read_wish
from .report.entries import read_entries
from .report.report import Entry
from .worker_prices import worker_prices


class RehearsalError(Exception):
    """A rehearsal that cannot be made. The message is for a person."""


class InterruptedRehearsalError(Exception):
    """A person ended the rehearsal before all calls were made. The message says how to go on."""


#: What says that a rehearsal cannot be made. The messages are for a person.
FAILURES = (RehearsalError, RecordingError, ResultsError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearseOptions:
    """What decides which calls are made, and how."""

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
    #: The endpoint whose model judges the answers.
    judge: str | None = None
    #: What the workers cost an hour in dollars, all together; None if Vast's console is to say it.
    per_hour: float | None = None

    @property
    def results_file(self) -> Path:
        """Where the results are kept: beside the recording."""
        return self.file.with_name(f"{self.file.name}.rehearsal")


def check_config(options: RehearseOptions) -> Config:
    """The configuration that calls are made by. Raises RehearsalError, also without a key."""
    if options.judge is not None and not re.search(ENDPOINT_PATTERN, options.judge):
        raise RehearsalError(f"--judge: {options.judge!r} cannot be the name of an endpoint.")
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


def same_command(*, fresh: bool) -> str:
    """How to go on after an interruption. `fresh` would forget what was made until then."""
    return f"The same command{' without --fresh' if fresh else ''} goes on there"


@dataclass(kw_only=True)
class Prepared:
    """A rehearsal whose recording was read once."""

    options: RehearseOptions
    config: Config
    results: Results
    plan: Plan
    #: What the recording has besides calls, and calls that are not all there.
    unusable: tuple[Unusable, ...]
    #: Calls, of all runs, that have no result yet.
    left: int
    #: The recording as it was: its size and when it was changed last.
    _read_as: tuple[int, int]

    def calls(self) -> Iterator[RecordedCall]:
        """The calls that are made, once each. Raises RecordingError."""
        found = _up_to_limit(self.options, self.config)
        return (each for each in found if isinstance(each, RecordedCall))

    def has_changed(self) -> bool:
        """Whether the recording is another one by now."""
        try:
            return _stamp(self.options.file) != self._read_as
        except OSError:
            return True

    def announcement(self) -> str:
        """What is going to be done, in lines. Asks Vast's console for prices."""
        seconds = self.plan.seconds_for(self.left)
        prices = []
        if self.left:
            endpoints = self.plan.endpoints or self.config.endpoints()[:1]
            prices = worker_prices(self.config, endpoints, os.environ, self.options.per_hour)
        lines = announced(
            self.plan,
            left=self.left,
            money=estimate(seconds, prices),
            judge=self.options.judge,
            failed=0 if self.options.fresh else self.results.failed_for_now(),
        )
        return "\n".join(lines)

    def make_calls(self) -> None:
        """Makes the calls that have no result yet, or all of them if `fresh` asks for it.

        Earlier results are forgotten here: until then, a person may say no. Raises RehearsalError,
        RecordingError, ResultsError, and InterruptedRehearsalError.
        """
        if self.options.fresh:
            self.results.forget()
        runs = range(self.options.runs)
        # Run after run: a worker that has just seen a prompt answers it faster.
        calls = (each for run in runs for each in keyed(self.calls(), run))
        missing = (each for each in calls if not self.results.has(each[0]))
        in_all = self.plan.in_all
        with Telling(in_all, in_all - self.left, "Rehearsing") as telling:
            # What comes behind the last of them need not be read.
            work = self._work(islice(missing, self.left), self.results, telling)
            _run(self.options, work)
        self.left -= work.made
        _check_end(work, self.options, f"{self.left:,} of {in_all:,} calls are still to be made")

    def entries(self) -> Iterator[Entry]:
        """The calls that were made, with the answers of both, compared.

        Raises RecordingError and ResultsError.
        """
        runs, occurrences = range(self.options.runs), Occurrences()

        def runs_of(call: RecordedCall) -> list[RehearsedCall]:
            key = occurrences.key_of(call)
            found = (self.results.get(key._replace(run=run)) for run in runs)
            return [each for each in found if each]

        return read_entries(self.calls(), runs_of)

    def ask_judge(self, judge: Judge) -> None:
        """Asks the judge about the answers of which it was not asked. Raises as `make_calls`."""
        most = 2 * self.plan.calls
        with Telling(most, 0, "Judging") as telling:
            calls = judge.calls(self.entries(), telling.left_out)
            first = next(calls, None)
            if first is None:
                return
            work = self._work(chain((first,), calls), judge.results, telling)
            _run(self.options, work, judge.endpoint)
        _check_end(work, self.options, "The judge was not asked about all answers")

    def _objection(self, found: Config) -> str:
        # mitmproxy's own file of options wins over --set (FACTS M76).
        if (found.source, found.endpoint) == (self.config.source, self.config.endpoint):
            return ""
        return (
            "mitmproxy's own config.yaml sets vast_config or vast_endpoint, and wins over --config"
            " and --endpoint: take them out there."
        )

    def _work(
        self, calls: Iterator[tuple[CallKey, RecordedCall]], results: Results, telling: Telling
    ) -> Work:
        return Work(
            calls=calls,
            results=results,
            concurrency=self.options.concurrency,
            keys=_keys(self.config),
            objection=self._objection,
            ended=telling.ended,
            said=telling.say,
        )


@contextlib.contextmanager
def prepared(options: RehearseOptions) -> Iterator[Prepared]:
    """Reads the recording and what is known of its calls. Raises what is in FAILURES."""
    try:
        stamp = _stamp(options.file)
    except OSError as error:
        raise RehearsalError(f"{options.file} cannot be read: {error.strerror}.") from None
    config = check_config(options)
    found = _up_to_limit(options, config)
    # No file for the results of what is no recording.
    first, unusable = _first_call(options, found)
    if options.fresh:
        remove_unusable(options.results_file)
    with Results(options.results_file, settings_digest(config)) as results:
        planning = Planning(config=config, runs=options.runs, concurrency=options.concurrency)
        occurrences, left = Occurrences(), 0
        for each in chain([first], found):
            if isinstance(each, Unusable):
                unusable.append(each)
                continue
            planning.add(each, read_wish(each))
            key = occurrences.key_of(each)
            left += sum(
                options.fresh or not results.has(key._replace(run=run))
                for run in range(options.runs)
            )
        planning.unusable = len(unusable)
        yield Prepared(
            options=options,
            config=config,
            results=results,
            plan=planning.plan(),
            unusable=tuple(unusable),
            left=left,
            _read_as=stamp,
        )


def _first_call(
    options: RehearseOptions, found: Iterator[RecordedCall | Unusable]
) -> tuple[RecordedCall, list[Unusable]]:
    """The first call, and what came before it. Raises RehearsalError if there is none."""
    unusable: list[Unusable] = []
    for each in found:
        if isinstance(each, RecordedCall):
            return each, unusable
        unusable.append(each)
    why = f" {unusable[0].place}: {unusable[0].why}" if unusable else ""
    raise RehearsalError(f"{options.file} has no call that could be rehearsed.{why}")


def _up_to_limit(options: RehearseOptions, config: Config) -> Iterator[RecordedCall | Unusable]:
    """The recording, up to the last call that is to be made."""
    left = options.limit
    for found in read_recording(options.file, config.providers):
        if isinstance(found, RecordedCall) and left is not None:
            if not left:
                return
            left -= 1
        yield found


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def _run(options: RehearseOptions, work: Work, judge: str = "") -> None:
    arguments = interceptor_arguments(options.config, options.endpoint)
    # mitmproxy's own file of options wins over --set, but not over these two (FACTS M76).
    arguments += ["--no-server", "--quiet"]
    for each in options.settings:
        arguments += ["--set", each]
    # Whatever mitmproxy's own file says, no call goes to its provider.
    fixed = {"vast_rehearse": True, "vast_judge": judge, "vast_record": ""}
    # It would say of each contentview that there is one already when it starts a second time.
    logging.getLogger("mitmproxy.contentviews").setLevel(logging.WARNING)
    program, sys.argv[0] = sys.argv[0], "vast-intercept rehearse"  # error messages begin with it
    try:
        # mitmproxy logs to standard output, which is for the report.
        with contextlib.redirect_stdout(sys.stderr):
            herald = partial(Replayer, work=work)
            run_master(LeanMaster, arguments, herald=herald, of_run=True, fixed=fixed)
    except SystemExit:
        raise RehearsalError("mitmproxy did not start: see above.") from None
    finally:
        sys.argv[0] = program


def _check_end(work: Work, options: RehearseOptions, what: str) -> None:
    if isinstance(work.problem, ResultsError | RecordingError | KeyRefusedError | ObjectionError):
        raise RehearsalError(str(work.problem)) from None
    if work.problem:
        raise work.problem
    if work.interrupted:
        raise InterruptedRehearsalError(
            f"{what}. {same_command(fresh=options.fresh)}, and makes no call again."
        )


def _keys(config: Config) -> Secrets:
    """The keys that are sent with calls."""
    keys = Secrets()
    machines = (machine.api_key for machine in config.machines.values())
    keys.add(*(key for key in (config.api_key, *machines) if key))
    return keys
