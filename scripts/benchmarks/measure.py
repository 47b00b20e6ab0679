"""The measurements, in rounds. A round goes through all ways in turn, so noise hits all alike."""

import itertools
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.pool import Pool
from pathlib import Path

import psutil

from .bridged import BridgedResults, measure_bridged
from .load import Ask, Figure, Job, ask_once, run
from .watching import WatchingResults, measure_watching
from .ways import BEFORE, DIRECT, LINK_DELAY, RESPONSES, SERVE, SLOW_WAYS, WAYS, WEB, Way
from .wrapper import WrapperResults, measure_wrapper

_JOB_LIMIT = 120  # seconds
_MEGABYTE = 1_000_000

WHOLE = Ask()
PACED = Ask(chunks=100, delay=0.005)

CLIENTS = 8
PACED_STREAMS = 16
FAST_STREAMS = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float  # for each measurement of each way, in each round
    slow_seconds: float  # the same, over the slow link
    fast_chunks: int
    warm_up_calls: int
    memory_calls: int
    stored_calls: int  # of the Responses API


FULL = Plan(
    rounds=12,
    seconds=0.75,
    slow_seconds=1.5,
    fast_chunks=5_000,
    warm_up_calls=500,
    memory_calls=5_000,
    stored_calls=10_000,
)
QUICK = Plan(
    rounds=1,
    seconds=0.5,
    slow_seconds=1.0,
    fast_chunks=500,
    warm_up_calls=50,
    memory_calls=200,
    stored_calls=200,
)


@dataclass(slots=True)
class Results:
    """What was measured. Each figure has one value for each way and round."""

    plan: Plan
    #: The ways measured: those of `WAYS`, and those of `BEFORE` if there is another checkout.
    ways: list[str]
    figures: dict[Figure, dict[str, list[float]]] = field(init=False)
    #: Resident megabytes of each proxy, before and after the plan's number of calls.
    memory: dict[str, tuple[float, float]] = field(default_factory=dict)
    wrapper: WrapperResults = field(default_factory=WrapperResults)
    watching: WatchingResults = field(default_factory=WatchingResults)
    bridged: BridgedResults = field(default_factory=BridgedResults)
    seconds: float = 0

    def __post_init__(self) -> None:
        self.figures = {figure: {way: [] for way in self.ways} for figure in Figure}


def measure(ways: Mapping[str, Way], plan: Plan, folder: Path) -> Results:
    """Measures everything, and reports progress on standard error."""
    start = time.monotonic()
    results = Results(plan, [name for name in (*WAYS, *BEFORE.values()) if name in ways])
    # The load has a process of its own; it ends with this block, whatever happens.
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        fast = Ask(chunks=plan.fast_chunks)
        texts = {ask: _in(pool, ask_once, ways[DIRECT].target, ask) for ask in (WHOLE, PACED, fast)}
        for name in results.ways:
            if name == DIRECT:
                continue
            results.memory[name] = _memory(pool, ways[name], plan, texts[WHOLE])
            _say(f"memory of {name}")
        steps = (
            ("kept", WHOLE, CLIENTS),
            ("new", WHOLE, CLIENTS),
            ("latency", WHOLE, 1),
            ("paced", PACED, PACED_STREAMS),
            ("fast", fast, FAST_STREAMS),
        )
        for number in range(plan.rounds):
            for (kind, ask, clients), name in itertools.product(steps, results.ways):
                job = Job(
                    kind=kind,
                    target=ways[name].stream_target if ask.chunks else ways[name].target,
                    ask=ask,
                    text=texts[ask],
                    clients=clients,
                    seconds=plan.seconds,
                )
                for figure, value in _in(pool, run, job).items():
                    results.figures[figure][name].append(value)
            for name in SLOW_WAYS:
                results.figures[Figure.SLOW][name].append(_slow(pool, ways[name], plan, texts))
            _say(f"round {number + 1} of {plan.rounds}")
        _check_slow_link(results)
        results.wrapper = measure_wrapper(
            ways[SERVE],
            lambda job: _in(pool, run, job),
            Job(
                kind="kept",
                target=ways[SERVE].target,
                ask=WHOLE,
                text=texts[WHOLE],
                clients=CLIENTS,
                seconds=plan.seconds,
            ),
            plan.rounds,
            folder / "wrapper",
        )
        _say("the wrapper and its jail")
        results.watching = measure_watching(
            ways[WEB],
            lambda job: _in(pool, run, job),
            Job(
                kind="paced",
                target=ways[WEB].stream_target,
                ask=PACED,
                text=texts[PACED],
                clients=PACED_STREAMS,
                seconds=plan.seconds,
            ),
            plan.rounds,
        )
        _say("mitmweb with a page open")
        results.bridged = measure_bridged(
            ways[RESPONSES],
            ways[DIRECT].target,
            lambda job: _in(pool, run, job),
            seconds=plan.seconds,
            rounds=plan.rounds,
            warm_up_calls=plan.warm_up_calls,
            calls=plan.stored_calls,
        )
        _say("the Responses API")
    results.seconds = time.monotonic() - start
    return results


def _slow(pool: Pool, way: Way, plan: Plan, texts: dict[Ask, str]) -> float:
    """Milliseconds that a call takes over the slow link."""
    assert way.slow_target
    job = Job(
        kind="dial",
        target=way.slow_target,
        ask=WHOLE,
        text=texts[WHOLE],
        clients=1,
        seconds=plan.slow_seconds,
    )
    return _in(pool, run, job)[Figure.SLOW]


def _check_slow_link(results: Results) -> None:
    """Raises RuntimeError if a handshake and a call took less than two round trips."""
    least = min(results.figures[Figure.SLOW][DIRECT])
    if least < 4 * LINK_DELAY:
        raise RuntimeError(f"The slow link is none: a call took {least:.1f} ms.")


def _memory(pool: Pool, way: Way, plan: Plan, text: str) -> tuple[float, float]:
    """Resident megabytes before and after so many calls, when there were some already."""
    process = psutil.Process(way.pid)
    resident = []
    for calls in (plan.warm_up_calls, plan.memory_calls):
        job = Job(
            kind="calls", target=way.target, ask=WHOLE, text=text, clients=CLIENTS, calls=calls
        )
        _in(pool, run, job)
        resident.append(process.memory_info().rss / _MEGABYTE)
    return resident[0], resident[1]


def _in[**P, T](pool: Pool, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls the function in the pool's process, and returns its result."""
    try:
        return pool.apply_async(function, args, kwargs).get(_JOB_LIMIT)
    except Exception as error:
        error.add_note(f"in {function.__name__}{args!r}")
        raise


def _say(what: str) -> None:
    print(f"measured: {what}", file=sys.stderr, flush=True)
