"""The results as a page of markdown, and the targets."""

import platform
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from string import Template

import psutil

from .load import Figure
from .measure import CLIENTS, FAST_STREAMS, PACED, PACED_STREAMS, Results
from .ways import (
    ADDON,
    BARE,
    BEFORE,
    DIRECT,
    LINK_DELAY,
    PROXIES,
    SERVE,
    SERVERLESS,
    SLOW_WAYS,
    WAYS,
)

_TITLES = {
    DIRECT: "direct",
    BARE: "bare mitmdump",
    SERVE: "vast-intercept serve",
    ADDON: "addon in mitmdump",
    SERVERLESS: "serve, serverless",
}
_OURS = (SERVE, ADDON)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, what was measured, and whether it is met."""

    target: str
    measured: str
    met: bool


# --- figures --------------------------------------------------------------------------------------


def _ratios(results: Results, figure: Figure, way: str) -> list[float]:
    """To bare mitmdump, in each round."""
    rows = results.figures[figure]
    return [ours / bare for ours, bare in zip(rows[way], rows[BARE], strict=True)]


def _more(results: Results, figure: Figure, way: str, than: str) -> list[float]:
    """Than another way, in each round."""
    rows = results.figures[figure]
    return [ours - other for ours, other in zip(rows[way], rows[than], strict=True)]


# --- the table ------------------------------------------------------------------------------------


def table(results: Results) -> str:
    """Medians of the rounds, beside each other."""
    plan = results.plan
    rows = [
        ["", *_TITLES.values()],
        ["---", *["---:"] * len(WAYS)],
        [f"requests/s, {CLIENTS} clients, kept connections", *_rates(results, Figure.KEPT)],
        [f"requests/s, {CLIENTS} clients, a new connection for each", *_rates(results, Figure.NEW)],
        ["one call at a time, p50, ms", *_times(results, Figure.CALL_P50)],
        ["one call at a time, p99, ms", *_times(results, Figure.CALL_P99)],
        [
            f"time to first token, {PACED_STREAMS} streams, p50, ms",
            *_times(results, Figure.FIRST_CHUNK),
        ],
        [
            f"time per chunk, {PACED_STREAMS} streams, p50, ms",
            *_times(results, Figure.CHUNK),
        ],
        [
            f"chunks/s, {FAST_STREAMS} streams of {plan.fast_chunks:,}",
            *_rates(results, Figure.FAST),
        ],
        [
            f"a call over a slow link ({LINK_DELAY} ms each way), a new connection each, p50, ms",
            *_slow(results),
        ],
        [
            f"resident memory after {plan.memory_calls:,} calls, MB",
            "",
            *[_memory(results, way) for way in PROXIES],
        ],
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _rates(results: Results, figure: Figure) -> Iterator[str]:
    for way in WAYS:
        ratio = median(_ratios(results, figure, way))
        yield f"{median(results.figures[figure][way]):,.0f} ({ratio:.2f}x)"


def _times(results: Results, figure: Figure) -> Iterator[str]:
    yield f"{median(results.figures[figure][DIRECT]):.2f}"
    added_by_bare = median(_more(results, figure, BARE, DIRECT))
    for way in PROXIES:
        added = median(_more(results, figure, way, DIRECT))
        # A ratio to next to nothing would say nothing.
        ratio = f" ({added / added_by_bare:.2f}x)" if added_by_bare > 0.1 else ""
        yield f"{added:+.2f}{ratio}"


def _slow(results: Results) -> Iterator[str]:
    """In brackets is the ratio to direct."""
    for way in WAYS:
        if way not in SLOW_WAYS:
            yield ""
            continue
        ratio = median(_to_direct(results, way))
        yield f"{median(results.figures[Figure.SLOW][way]):.1f} ({ratio:.2f}x)"


def _to_direct(results: Results, way: str) -> list[float]:
    """Over the slow link, in each round."""
    rows = results.figures[Figure.SLOW]
    return [ours / direct for ours, direct in zip(rows[way], rows[DIRECT], strict=True)]


def _memory(results: Results, way: str) -> str:
    before, after = results.memory[way]
    return f"{after:.1f} ({after - before:+.1f})"


def before_table(results: Results) -> str:
    """The same ways through the other checkout and through this one; nothing without one."""
    if not set(BEFORE.values()) <= set(results.ways):
        return ""
    rows = [["", *(f"{_TITLES[way]}, before" for way in BEFORE)], ["---", *["---:"] * len(BEFORE)]]
    for figure, title in (
        (Figure.KEPT, "requests/s, kept connections"),
        (Figure.NEW, "requests/s, a new connection for each"),
        (Figure.CALL_P50, "one call at a time, p50, ms"),
        (Figure.CALL_P99, "one call at a time, p99, ms"),
        (Figure.FIRST_CHUNK, "time to first token, p50, ms"),
        (Figure.CHUNK, "time per chunk, p50, ms"),
        (Figure.FAST, "chunks/s"),
    ):
        rows.append([title, *(_compared(results.figures[figure], way) for way in BEFORE)])
    rows.append(
        [
            "resident memory, MB",
            *(
                f"{results.memory[e][1]:.1f} → {results.memory[w][1]:.1f}"
                for w, e in BEFORE.items()
            ),
        ]
    )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _compared(rows: dict[str, list[float]], way: str) -> str:
    """Medians of both, and the median of the rounds' ratios of now to before."""
    before, now = rows[BEFORE[way]], rows[way]
    ratio = median(new / old for new, old in zip(now, before, strict=True))
    return f"{median(before):,.4g} → {median(now):,.4g} ({ratio:.2f}x)"


def wrapper_table(results: Results) -> str:
    """The wrapper beside what it wraps."""
    wrapper = results.wrapper
    rows = [
        ["", _TITLES[SERVE], "run --jail in front of it"],
        ["---", "---:", "---:"],
    ]
    for what, figure in (
        ("kept connections", Figure.KEPT),
        ("a new connection for each", Figure.NEW),
    ):
        rate = (
            f"{median(wrapper.jailed[figure]):,.0f} ({median(_jail_ratios(results, figure)):.2f}x)"
        )
        title = f"requests/s, {CLIENTS} clients, {what}"
        rows.append([title, f"{median(wrapper.plain[figure]):,.0f}", rate])
    start, adds = median(wrapper.start), median(wrapper.jail_adds)
    rows.append(["`run -- true`, from start to end, s", f"{start:.2f}", f"{adds:+.2f}"])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def watching_table(results: Results) -> str:
    """mitmweb with a page open, beside the same without one."""
    watching = results.watching
    rows = [["", "mitmweb", "with a page open"], ["---", "---:", "---:"]]
    for figure, what in (
        (Figure.FIRST_CHUNK, "time to first token"),
        (Figure.CHUNK, "time per chunk"),
    ):
        more = median(_watching_more(results, figure))
        title = f"{what}, {PACED_STREAMS} streams, p50, ms"
        rows.append([title, f"{median(watching.unwatched[figure]):.2f}", f"{more:+.2f}"])
    refreshes = f"{median(watching.refreshes):.1f}"
    rows.append(["times a second that the page shows more of a stream", "", refreshes])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _watching_more(results: Results, figure: Figure) -> list[float]:
    """Than without a page, in each round."""
    watching = results.watching
    pairs = zip(watching.watched[figure], watching.unwatched[figure], strict=True)
    return [watched - unwatched for watched, unwatched in pairs]


def _jail_ratios(results: Results, figure: Figure) -> list[float]:
    """To the plain proxy, in each round."""
    wrapper = results.wrapper
    pairs = zip(wrapper.jailed[figure], wrapper.plain[figure], strict=True)
    return [jailed / plain for jailed, plain in pairs]


# --- the targets ----------------------------------------------------------------------------------


def verdicts(results: Results) -> list[Verdict]:
    """Each target."""
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
    return found + [_memory_grows_little(results, way) for way in (*_OURS, SERVERLESS)]


def _at_least(results: Results, figure: Figure, way: str, what: str, least: float) -> Verdict:
    ratios = _ratios(results, figure, way)
    return Verdict(
        f"{_TITLES[way]}: at least {least:.2f}x the {what} of bare mitmdump",
        f"{median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})",
        median(ratios) >= least,
    )


_LEAST_OF_PLAIN = 0.8
_MOST_TO_START = 2.0  # s
_MOST_FOR_JAIL = 1.0  # s


def _wrapper_verdicts(results: Results) -> list[Verdict]:
    ratios = _jail_ratios(results, Figure.KEPT)
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


_MOST_OF_DIRECT = 0.7


def _faster_than_direct(results: Results, way: str) -> Verdict:
    ratios = _to_direct(results, way)
    return Verdict(
        f"{_TITLES[way]}: a call over the slow link (p50) takes at most {_MOST_OF_DIRECT:.2f} of"
        " direct",
        f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        median(ratios) <= _MOST_OF_DIRECT,
    )


_MOST_LONGER = 1.0  # ms


def _at_most_longer(results: Results, figure: Figure, way: str, what: str) -> Verdict:
    more = _more(results, figure, way, BARE)
    return Verdict(
        f"{_TITLES[way]}: {what} (p50) at most {_MOST_LONGER:.0f} ms above bare mitmdump's",
        f"{median(more):+.2f} ms ({min(more):+.2f} to {max(more):+.2f})",
        median(more) <= _MOST_LONGER,
    )


def _watching_costs_little(results: Results) -> Verdict:
    more = _watching_more(results, Figure.CHUNK)
    return Verdict(
        f"mitmweb with a page open: time per chunk (p50) at most {_MOST_LONGER:.0f} ms above that"
        " without one",
        f"{median(more):+.2f} ms ({min(more):+.2f} to {max(more):+.2f})",
        median(more) <= _MOST_LONGER,
    )


_MOST_GROWTH = 10  # MB


def _memory_grows_little(results: Results, way: str) -> Verdict:
    before, after = results.memory[way]
    return Verdict(
        f"{_TITLES[way]}: memory grows by less than {_MOST_GROWTH} MB over"
        f" {results.plan.memory_calls:,} calls",
        f"{after - before:+.1f} MB",
        after - before < _MOST_GROWTH,
    )


def verdict_lines(results: Results) -> str:
    """The targets as a list."""
    return "\n".join(
        f"- {'met' if verdict.met else '**missed**'}: {verdict.target}: {verdict.measured}"
        for verdict in verdicts(results)
    )


# --- the page -------------------------------------------------------------------------------------


def page(results: Results) -> str:
    """The whole page."""
    plan = results.plan
    template = Template(Path(__file__).with_name("page.md").read_text("utf-8"))
    return template.substitute(
        machine=machine(),
        table=table(results),
        wrapper_table=wrapper_table(results),
        watching_table=watching_table(results),
        verdicts=verdict_lines(results),
        direct=_TITLES[DIRECT],
        bare=_TITLES[BARE],
        serve=_TITLES[SERVE],
        addon=_TITLES[ADDON],
        serverless=_TITLES[SERVERLESS],
        link_delay=LINK_DELAY,
        slow_seconds=f"{plan.slow_seconds:g}",
        rounds=plan.rounds,
        seconds=f"{plan.seconds:g}",
        clients=CLIENTS,
        paced_streams=PACED_STREAMS,
        paced_chunks=PACED.chunks,
        paced_delay=f"{1000 * PACED.delay:g}",
        fast_streams=FAST_STREAMS,
        fast_chunks=f"{plan.fast_chunks:,}",
        memory_calls=f"{plan.memory_calls:,}",
        warm_up_calls=f"{plan.warm_up_calls:,}",
    )


def machine() -> str:
    """What it was measured on."""
    return ", ".join(
        [
            f"{psutil.cpu_count()} cores ({_processor()})",
            platform.system(),
            f"Python {platform.python_version()}",
            f"mitmproxy {version('mitmproxy')}",
            f"aiohttp {version('aiohttp')}",
            ssl.OPENSSL_VERSION,
        ]
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        text = ""
    name = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return name[1] if name else platform.processor() or platform.machine()
