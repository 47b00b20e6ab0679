"""The end of a rehearsal: compares all answers, and writes the report."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from .bill import Bill
from .gates import Gates, fallen, without_case
from .judged import Judge
from .prices import Prices
from .rehearse import Prepared, RehearsalError, RehearseOptions
from .report.as_json import write_json
from .report.collected import Collected
from .report.page import is_special, write_page
from .report.report import Rehearsal
from .report.summary import Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """How a rehearsal is reported."""

    page: Path
    as_json: bool
    prices: Prices
    gates: Gates | None = None


def check_page(page: Path, options: RehearseOptions, prices: Path | None) -> None:
    """Raises RehearsalError if the page could not be written, before calls are made for it.

    Also if it would take the place of what the rehearsal needs.
    """
    given = (options.file, options.results_file, prices, options.config)
    for needed in (Path(each) for each in given if each is not None):
        if page.resolve() == needed.resolve() or (page.exists() and _is_same(page, needed)):
            raise RehearsalError(f"--output: {page} is {needed}, which a page would replace.")
    folder = page.resolve().parent
    if not folder.is_dir():
        raise RehearsalError(f"{page} cannot be written: there is no folder {folder}.")
    if not os.access(folder, os.W_OK) and not is_special(page):
        raise RehearsalError(f"{page} cannot be written: its folder is not writable.")


def _is_same(page: Path, other: Path) -> bool:
    return other.is_file() and page.samefile(other)


def report(prepared: Prepared, options: ReportOptions, judge: Judge | None) -> list[str]:
    """Compares all answers, writes the page, and prints the summary or the JSON object.

    Returns a sentence for each gate that fell. Raises what is in FAILURES.
    """
    try:
        # Beside the page, where there is room for it; but not among devices.
        folder = None if is_special(options.page) else options.page.resolve().parent
        with Collected(folder) as collected:
            rehearsal = _collect(prepared, options, collected, judge)
            write_page(rehearsal, collected, options.page)
            if options.as_json:
                write_json(rehearsal, collected.worst_first(), sys.stdout)
            else:
                _print_summary(rehearsal, options)
            sys.stdout.flush()
    except BrokenPipeError:
        raise  # who reads the output, such as `head`, has read enough
    except OSError as error:
        raise RehearsalError(f"{options.page} cannot be written: {error.strerror}.") from None
    for said in without_case(options.gates, rehearsal.totals) if options.gates else ():
        print(said, file=sys.stderr)
    return list(rehearsal.fallen)


def _collect(
    prepared: Prepared, options: ReportOptions, collected: Collected, judge: Judge | None
) -> Rehearsal:
    """Adds up all entries."""
    bill = Bill(options.prices, prepared.options.per_hour)
    for entry in prepared.entries():
        collected.add(entry)
        bill.add(entry)
        if judge:
            judge.count(entry)
    results, runs = prepared.results, prepared.options.runs
    return Rehearsal(
        recording=str(prepared.options.file),
        began=results.began,
        ended=results.ended,
        endpoints=bill.endpoints,
        runs=runs,
        concurrency=results.concurrency,
        busy=results.busy_seconds,
        calls=prepared.plan.calls,
        rehearsed=len(collected),
        totals=collected.totals,
        speed=collected.speed,
        differing=collected.differing,
        costs=bill.costs(prepared.config, results, runs, os.environ),
        judgement=judge.judgement() if judge else None,
        fallen=tuple(fallen(options.gates, collected.totals)) if options.gates else (),
        unusable=prepared.unusable,
    )


def _print_summary(rehearsal: Rehearsal, options: ReportOptions) -> None:
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size().columns
    print(Summary(width, colour=colour).of(rehearsal), end="")
    print(f"\nThe report: {options.page}")
