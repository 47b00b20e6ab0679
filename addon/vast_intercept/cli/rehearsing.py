"""What `vast-intercept rehearse` does: rehearses, tells of it, and exits as its help says."""

import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from ..rehearsal.gates import GateError, read_gates
from ..rehearsal.judged import Judge
from ..rehearsal.prices import PriceError, read_prices
from ..rehearsal.rehearse import (
    FAILURES,
    InterruptedRehearsalError,
    RehearseOptions,
    prepared,
    same_command,
)
from ..rehearsal.reporting import ReportOptions, check_page, report
from ..rehearsal.worker_prices import read_per_hour

_GATES_FELL = 1
_BAD_INPUT = 2
# As shells have it for a command that SIGINT has ended.
_INTERRUPTED = 130


def rehearse_and_exit(**given: Any) -> NoReturn:
    """Rehearses with the options of the command line, by their names there, and exits."""
    try:
        fell = _rehearse(**given)
    except click.Abort:
        _fail("No call was made.", _INTERRUPTED)
    except KeyboardInterrupt:
        _fail(f"Interrupted. {same_command(fresh=given['fresh'])}.", _INTERRUPTED)
    except InterruptedRehearsalError as error:
        _fail(str(error), _INTERRUPTED)
    except (*FAILURES, GateError, PriceError) as error:
        _fail(str(error), _BAD_INPUT)
    for said in fell:
        _say(f"Fell: {said}")
    sys.exit(_GATES_FELL if fell else 0)


def _rehearse(
    *,
    file: Path,
    yes: bool,
    as_json: bool,
    output: Path | None,
    prices: Path | None,
    per_hour: str | None,
    gates: str | None,
    **given: Any,
) -> list[str]:
    """Returns a sentence for each gate that fell."""
    # All that may be wrong with the options, before anything is done.
    hourly = read_per_hour(per_hour) if per_hour is not None else None
    options = RehearseOptions(file=file, per_hour=hourly, **given)
    reported = ReportOptions(
        page=output or file.with_name(f"{file.name}.html"),
        as_json=as_json,
        prices=read_prices(prices),
        gates=read_gates(gates) if gates is not None else None,
    )
    check_page(reported.page, options, prices)
    with prepared(options) as rehearsal:
        _say(rehearsal.announcement())
        if rehearsal.left:
            _ask(yes=yes)
            rehearsal.make_calls()
        else:
            _say("All calls were made before.")
        judge = Judge(options.judge, rehearsal.results) if options.judge else None
        if judge:
            rehearsal.ask_judge(judge)
        if rehearsal.has_changed():
            _say(f"{file} has changed meanwhile: calls that are new or others now are left out.")
        return report(rehearsal, reported, judge)


def _ask(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        _fail("There is no terminal to ask on: pass --yes to make the calls.", _BAD_INPUT)
    click.confirm("Make these calls?", abort=True, err=True)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _fail(text: str, code: int) -> NoReturn:
    _say(f"vast-intercept rehearse: {text}")
    sys.exit(code)
