"""The results as a page of markdown."""

import platform
import re
import ssl
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from string import Template

import psutil

from .bridged import bridged_table
from .figures import (
    TITLES,
    difference,
    jail_ratios,
    ratios_to_bare,
    ratios_to_direct,
    watching_difference,
)
from .load import Figure
from .measure import CLIENTS, FAST_STREAMS, PACED, PACED_STREAMS, Results
from .targets import verdict_lines
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


def table(results: Results) -> str:
    """The medians of the rounds, with a column for each way."""
    plan = results.plan
    rows = [
        ["", *TITLES.values()],
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
        ratio = median(ratios_to_bare(results, figure, way))
        yield f"{median(results.figures[figure][way]):,.0f} ({ratio:.2f}x)"


def _times(results: Results, figure: Figure) -> Iterator[str]:
    yield f"{median(results.figures[figure][DIRECT]):.2f}"
    added_by_bare = median(difference(results, figure, BARE, DIRECT))
    for way in PROXIES:
        added = median(difference(results, figure, way, DIRECT))
        # A ratio to almost nothing would mean nothing.
        ratio = f" ({added / added_by_bare:.2f}x)" if added_by_bare > 0.1 else ""
        yield f"{added:+.2f}{ratio}"


def _slow(results: Results) -> Iterator[str]:
    """The cells of the slow link's row, with the ratio to direct in brackets."""
    for way in WAYS:
        if way not in SLOW_WAYS:
            yield ""
            continue
        ratio = median(ratios_to_direct(results, way))
        yield f"{median(results.figures[Figure.SLOW][way]):.1f} ({ratio:.2f}x)"


def _memory(results: Results, way: str) -> str:
    before, after = results.memory[way]
    return f"{after:.1f} ({after - before:+.1f})"


def before_table(results: Results) -> str:
    """The ways through another checkout beside those through this one. Empty if there is none."""
    if not set(BEFORE.values()) <= set(results.ways):
        return ""
    rows = [["", *(f"{TITLES[way]}, before" for way in BEFORE)], ["---", *["---:"] * len(BEFORE)]]
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
    """The wrapper, beside the interceptor that it starts."""
    wrapper = results.wrapper
    rows = [
        ["", TITLES[SERVE], "run --jail in front of it"],
        ["---", "---:", "---:"],
    ]
    for what, figure in (
        ("kept connections", Figure.KEPT),
        ("a new connection for each", Figure.NEW),
    ):
        rate = (
            f"{median(wrapper.jailed[figure]):,.0f} ({median(jail_ratios(results, figure)):.2f}x)"
        )
        title = f"requests/s, {CLIENTS} clients, {what}"
        rows.append([title, f"{median(wrapper.plain[figure]):,.0f}", rate])
    start, adds = median(wrapper.start), median(wrapper.jail_adds)
    rows.append(["`run -- true`, from start to end, s", f"{start:.2f}", f"{adds:+.2f}"])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def watching_table(results: Results) -> str:
    """mitmweb with a page open, beside mitmweb without one."""
    watching = results.watching
    rows = [["", "mitmweb", "with a page open"], ["---", "---:", "---:"]]
    for figure, what in (
        (Figure.FIRST_CHUNK, "time to first token"),
        (Figure.CHUNK, "time per chunk"),
    ):
        more = median(watching_difference(results, figure))
        title = f"{what}, {PACED_STREAMS} streams, p50, ms"
        rows.append([title, f"{median(watching.unwatched[figure]):.2f}", f"{more:+.2f}"])
    refreshes = f"{median(watching.refreshes):.1f}"
    rows.append(["times a second that the page shows more of a stream", "", refreshes])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def page(results: Results) -> str:
    """The whole page."""
    plan = results.plan
    template = Template(Path(__file__).with_name("page.md").read_text("utf-8"))
    return template.substitute(
        machine=machine(),
        table=table(results),
        wrapper_table=wrapper_table(results),
        watching_table=watching_table(results),
        bridged_table=bridged_table(results.bridged),
        verdicts=verdict_lines(results),
        direct=TITLES[DIRECT],
        bare=TITLES[BARE],
        serve=TITLES[SERVE],
        addon=TITLES[ADDON],
        serverless=TITLES[SERVERLESS],
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
        stored_calls=f"{plan.stored_calls:,}",
        warm_up_calls=f"{plan.warm_up_calls:,}",
    )


def machine() -> str:
    """The machine and the versions that were measured."""
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
