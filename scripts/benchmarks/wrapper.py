"""`vast-intercept run`: how long it takes to start, and what its jail costs a call."""

import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from .load import Figure, Figures, Job
from .ways import PROJECT, VAST_INTERCEPT, Way, environment

_SECONDS = 60
# An address that nobody has (RFC 5737). In the jail it leads to the interceptor.
_FAR_AWAY = "203.0.113.5"


@dataclass(slots=True)
class WrapperResults:
    """Figures of the wrapper: one value for each round."""

    #: Seconds that `run -- true` takes, and that the jail adds.
    start: list[float] = field(default_factory=list)
    jail_adds: list[float] = field(default_factory=list)
    #: Requests per second through the proxy, and through the jail to that same proxy.
    plain: dict[Figure, list[float]] = field(
        default_factory=lambda: {Figure.KEPT: [], Figure.NEW: []}
    )
    jailed: dict[Figure, list[float]] = field(
        default_factory=lambda: {Figure.KEPT: [], Figure.NEW: []}
    )


def measure_wrapper(
    serve: Way, run: Callable[[Job], Figures], job: Job, rounds: int, folder: Path
) -> WrapperResults:
    """Measures the wrapper. `run` runs a job outside of the jail; `job` is one for `serve`."""
    results = WrapperResults()
    _seconds_to_run(folder)  # the first one makes a CA
    for _ in range(rounds):
        plain, jailed = _seconds_to_run(folder), _seconds_to_run(folder, "--jail")
        results.start.append(plain)
        results.jail_adds.append(jailed - plain)
    assert serve.target.proxy_port
    through_jail = replace(serve.target, proxy_port=None, address=_FAR_AWAY)
    with _load_in_jail(serve.target.proxy_port) as run_in_jail:
        for _ in range(rounds):
            for kind, figure in (("kept", Figure.KEPT), ("new", Figure.NEW)):
                same = replace(job, kind=kind)
                results.plain[figure].append(run(same)[figure])
                in_jail = replace(same, target=through_jail)
                results.jailed[figure].append(run_in_jail(in_jail)[figure])
    return results


def _seconds_to_run(folder: Path, *options: str) -> float:
    start = time.perf_counter()
    subprocess.run(
        [*VAST_INTERCEPT, "run", "-q", "--set", f"confdir={folder}", *options, "--", "true"],
        env=environment(),
        check=True,
        timeout=_SECONDS,
    )
    return time.perf_counter() - start


@contextmanager
def _load_in_jail(port: int) -> Iterator[Callable[[Job], Figures]]:
    """Yields a function that runs jobs in a jail, in front of the interceptor at this port."""
    process = subprocess.Popen(
        [
            *(*VAST_INTERCEPT, "run", "-q", "--jail", "--attach", str(port), "--"),
            *(sys.executable, "-m", "benchmarks.jailed_load"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=PROJECT / "scripts",
        env=environment(),
    )
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    def run(job: Job) -> Figures:
        pickle.dump(job, stdin)
        stdin.flush()
        figures: Figures = pickle.load(stdout)  # noqa: S301  (of our own process)
        return figures

    try:
        yield run
    finally:
        stdin.close()
        process.wait(_SECONDS)
        stdout.close()
