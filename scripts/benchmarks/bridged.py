"""Calls of the Responses API, beside the same calls as chat completions."""

import json
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import median

import psutil

from .http1 import Target
from .load import Ask, Figure, Figures, Job
from .ways import Way

#: What a turn of both is: the chunks of a stream, and the seconds between two of them.
CHUNKS = 100
DELAY = 0.005
#: Streams at a time: so few that they do not wait for each other.
STREAMS = 4

_STREAM = Ask(chunks=CHUNKS, delay=DELAY)
_WHOLE = Ask()
_CALLERS = 8
_MEGABYTE = 1_000_000


@dataclass(slots=True)
class BridgedResults:
    """Figures of both: one value for each round."""

    chat: dict[Figure, list[float]] = field(default_factory=dict)
    responses: dict[Figure, list[float]] = field(default_factory=dict)
    #: Resident megabytes of the proxy before and after calls whose responses are stored.
    memory: tuple[float, float] = (0, 0)


def measure_bridged(
    way: Way,
    standin: Target,
    run: Callable[[Job], Figures],
    *,
    seconds: float,
    rounds: int,
    warm_up_calls: int,
    calls: int,
) -> BridgedResults:
    """Measures a proxy by the same calls of both APIs, in turns of so many seconds.

    `calls` are those that are stored.
    """
    results = BridgedResults()
    bridged = replace(way.target, path="/v1/responses")
    process = psutil.Process(way.pid)
    text = "".join(f"w{index} " for index in range(CHUNKS))

    def measure(ask: Ask, kind: str, clients: int, calls: int = 0) -> Figures:
        target = bridged if ask.response else way.target
        return run(
            Job(
                kind=kind,
                target=target,
                ask=ask,
                text=text,
                clients=clients,
                seconds=seconds,
                calls=calls,
            )
        )

    with _script(standin, {"chunks": CHUNKS}):
        resident = []
        for number in (warm_up_calls, calls):
            measure(replace(_WHOLE, response=True), "calls", _CALLERS, number)
            resident.append(process.memory_info().rss / _MEGABYTE)
        results.memory = resident[0], resident[1]
        for _ in range(rounds):
            _add(results.chat, measure(_WHOLE, "latency", 1))
            _add(results.responses, measure(replace(_WHOLE, response=True), "latency", 1))
    with _script(standin, {"chunks": CHUNKS, "delay": DELAY}):
        for _ in range(rounds):
            _add(results.chat, measure(_STREAM, "paced", STREAMS))
            _add(results.responses, measure(replace(_STREAM, response=True), "paced", STREAMS))
    return results


def bridged_difference(results: BridgedResults, figure: Figure) -> list[float]:
    """How much more a call of the Responses API takes, in milliseconds."""
    pairs = zip(results.responses[figure], results.chat[figure], strict=True)
    return [response - chat for response, chat in pairs]


def bridged_table(results: BridgedResults) -> str:
    """Both beside each other, as a table of markdown."""
    rows = [["", "chat completions", "Responses"], ["---", "---:", "---:"]]
    for figure, what in (
        (Figure.CALL_P50, "one call at a time, p50, ms"),
        (Figure.FIRST_CHUNK, f"time to first token, {STREAMS} streams, p50, ms"),
        (Figure.CHUNK, f"time per chunk, {STREAMS} streams, p50, ms"),
    ):
        more = median(bridged_difference(results, figure))
        rows.append([what, f"{median(results.chat[figure]):.2f}", f"{more:+.2f}"])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _add(rows: dict[Figure, list[float]], figures: Figures) -> None:
    for figure, value in figures.items():
        rows.setdefault(figure, []).append(value)


@contextmanager
def _script(standin: Target, turn: dict[str, float]) -> Iterator[None]:
    """Has the stand-in's model answer with this turn in the block, whatever it is asked."""
    _control(standin, "PUT", {"turns": [turn]})
    try:
        yield
    finally:
        _control(standin, "DELETE")


def _control(standin: Target, method: str, script: dict[str, object] | None = None) -> None:
    request = urllib.request.Request(
        f"https://{standin.host}:{standin.port}/_standin/script",
        json.dumps(script).encode() if script else None,
        method=method,
    )
    context = ssl.create_default_context(cafile=standin.ca_file)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    opener.open(request, timeout=10).close()
