"""The targets: what each demands, and whether the results meet it."""

from dataclasses import dataclass
from statistics import median

from vast_intercept.relay.stored_responses.bounds import Bounds

from .bridged import bridged_difference
from .figures import (
    TITLES,
    difference,
    jail_ratios,
    ratios_to_bare,
    ratios_to_direct,
    watching_difference,
)
from .load import Figure
from .measure import Results
from .ways import ADDON, BARE, SERVE, SERVERLESS

_OURS = (SERVE, ADDON)
_LEAST_OF_PLAIN = 0.8
_MOST_TO_START = 2.0  # s
_MOST_FOR_JAIL = 1.0  # s
_MOST_OF_DIRECT = 0.7
_MOST_LONGER = 1.0  # ms
_MOST_GROWTH = 10  # MB
_MOST_FOR_RESPONSE = 1.0  # ms
_MOST_FOR_EVENT = 0.1  # ms
_MOST_STORED = Bounds().bytes / 1_000_000  # MB


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, what was measured, and whether it is met."""

    target: str
    measured: str
    met: bool


def verdicts(results: Results) -> list[Verdict]:
    """All targets, each judged by the results."""
    found = [
        _at_least(results, figure, way, what, least)
        for figure, what, least_of in (
            (Figure.KEPT, "requests/s with kept connections", {SERVE: 1.0, ADDON: 0.65}),
            (Figure.NEW, "requests/s with new connections", {SERVE: 1.25, ADDON: 0.9}),
            (Figure.FAST, "chunks/s", {SERVE: 1.0, ADDON: 1.0}),
        )
        for way, least in least_of.items()
    ]
    found += [
        _at_most_longer(results, figure, way, what)
        for figure, what in (
            (Figure.FIRST_CHUNK, "time to first token"),
            (Figure.CHUNK, "time per chunk"),
        )
        for way in _OURS
    ]
    found.append(_at_most_longer(results, Figure.CHUNK, SERVERLESS, "time per chunk"))
    found += [_faster_than_direct(results, way) for way in _OURS]
    found += _wrapper_verdicts(results)
    found.append(_watching_costs_little(results))
    found += _bridged_verdicts(results)
    return found + [_memory_grows_little(results, way) for way in (*_OURS, SERVERLESS)]


def _at_least(results: Results, figure: Figure, way: str, what: str, least: float) -> Verdict:
    ratios = ratios_to_bare(results, figure, way)
    return Verdict(
        f"{TITLES[way]}: at least {least:.2f}x the {what} of bare mitmdump",
        f"{median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})",
        median(ratios) >= least,
    )


def _wrapper_verdicts(results: Results) -> list[Verdict]:
    ratios = jail_ratios(results, Figure.KEPT)
    start, adds = results.wrapper.start, results.wrapper.jail_adds
    return [
        Verdict(
            f"run --jail: at least {_LEAST_OF_PLAIN:.2f}x the requests/s of the plain proxy",
            f"{median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})",
            median(ratios) >= _LEAST_OF_PLAIN,
        ),
        Verdict(
            f"run -- true: takes less than {_MOST_TO_START:.0f} s",
            f"{median(start):.2f} s ({min(start):.2f} to {max(start):.2f})",
            median(start) < _MOST_TO_START,
        ),
        Verdict(
            f"run --jail -- true: takes less than {_MOST_FOR_JAIL:.0f} s more",
            f"{median(adds):+.2f} s ({min(adds):+.2f} to {max(adds):+.2f})",
            median(adds) < _MOST_FOR_JAIL,
        ),
    ]


def _faster_than_direct(results: Results, way: str) -> Verdict:
    ratios = ratios_to_direct(results, way)
    return Verdict(
        f"{TITLES[way]}: a call over the slow link (p50) takes at most {_MOST_OF_DIRECT:.2f} of"
        " direct",
        f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        median(ratios) <= _MOST_OF_DIRECT,
    )


def _at_most_longer(results: Results, figure: Figure, way: str, what: str) -> Verdict:
    more = difference(results, figure, way, BARE)
    return Verdict(
        f"{TITLES[way]}: {what} (p50) at most {_MOST_LONGER:.0f} ms above bare mitmdump's",
        f"{median(more):+.2f} ms ({min(more):+.2f} to {max(more):+.2f})",
        median(more) <= _MOST_LONGER,
    )


def _watching_costs_little(results: Results) -> Verdict:
    more = watching_difference(results, Figure.CHUNK)
    return Verdict(
        f"mitmweb with a page open: time per chunk (p50) at most {_MOST_LONGER:.0f} ms above that"
        " without one",
        f"{median(more):+.2f} ms ({min(more):+.2f} to {max(more):+.2f})",
        median(more) <= _MOST_LONGER,
    )


def _bridged_verdicts(results: Results) -> list[Verdict]:
    verdicts = []
    for figure, what, most in (
        (Figure.CALL_P50, "a whole answer", _MOST_FOR_RESPONSE),
        (Figure.CHUNK, "time per chunk", _MOST_FOR_EVENT),
    ):
        more = bridged_difference(results.bridged, figure)
        verdicts.append(
            Verdict(
                f"Responses API: {what} (p50) at most {most:.1f} ms above the same chat completion",
                f"{median(more):+.3f} ms ({min(more):+.3f} to {max(more):+.3f})",
                median(more) <= most,
            )
        )
    before, after = results.bridged.memory
    verdicts.append(
        Verdict(
            f"Responses API: memory grows by no more than the store's {_MOST_STORED:.0f} MB over"
            f" {results.plan.stored_calls:,} calls that are stored",
            f"{after - before:+.1f} MB",
            after - before <= _MOST_STORED,
        )
    )
    return verdicts


def _memory_grows_little(results: Results, way: str) -> Verdict:
    before, after = results.memory[way]
    return Verdict(
        f"{TITLES[way]}: memory grows by less than {_MOST_GROWTH} MB over"
        f" {results.plan.memory_calls:,} calls",
        f"{after - before:+.1f} MB",
        after - before < _MOST_GROWTH,
    )


def verdict_lines(results: Results) -> str:
    """The targets as a list in markdown."""
    return "\n".join(
        f"- {'met' if verdict.met else '**missed**'}: {verdict.target}: {verdict.measured}"
        for verdict in verdicts(results)
    )
