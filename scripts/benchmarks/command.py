"""The command line of the benchmarks."""

import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from .bridged import bridged_table
from .measure import FULL, QUICK, measure
from .report import before_table, machine, page, table, watching_table, wrapper_table
from .targets import verdict_lines, verdicts
from .ways import all_ways


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="A short run without targets, to see that it works.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write a page of markdown, such as docs/benchmarks.md.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=FULL.rounds,
    show_default=True,
    help="How many times everything is measured in turn. Fewer are faster, and noisier.",
)
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another checkout of this project, to compare with in the same run.",
)
def main(quick: bool, output: Path | None, rounds: int, before: Path | None) -> None:
    """Measure the interceptor beside a bare mitmdump. Exits with 1 if a target is missed."""
    if quick and output:
        raise click.UsageError("--quick measures too little to be written down.")
    # SIGTERM ends the processes started here, too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        tempfile.TemporaryDirectory(prefix="vast-bench-") as folder,
        all_ways(Path(folder), before) as ways,
    ):
        plan = QUICK if quick else replace(FULL, rounds=rounds)
        results = measure(ways, plan, Path(folder))
    tables = [table(results), wrapper_table(results), watching_table(results)]
    tables.append(bridged_table(results.bridged))
    print(machine(), *tables, sep="\n\n")
    if before:
        print("", before_table(results), sep="\n")
    if quick:
        return
    print("\nTargets:", verdict_lines(results), f"Took {results.seconds:.0f} s.", sep="\n\n")
    if output:
        output.write_text(page(results), "utf-8")
    if not all(verdict.met for verdict in verdicts(results)):
        sys.exit(1)
