"""`vast-intercept rehearse FILE`: an app's recorded calls, made on Vast and compared."""

import sys
from pathlib import Path
from typing import Any, NoReturn

import click

_GATES_FELL = 1
_BAD_INPUT = 2
# As shells have it for a command that SIGINT has ended.
_INTERRUPTED = 130

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Make recorded calls on Vast, and compare the answers.")
@click.argument("file", type=_PATH)
@click.option("--endpoint", metavar="NAME", help="Vast endpoint (option vast_endpoint).")
@click.option("--config", metavar="PATH", help="Configuration file (option vast_config).")
@click.option("--limit", metavar="N", type=click.IntRange(1), help="Make the first N calls only.")
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(1, 1_000),
    default=4,
    show_default=True,
    help="How many calls run at once.",
)
@click.option(
    "--runs",
    metavar="N",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Make each call N times, to tell chance from the move.",
)
@click.option("--yes", is_flag=True, help="Do not ask before calls are made.")
@click.option("--fresh", is_flag=True, help="Forget earlier results, and make all calls again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for machines.")
@click.option("--output", metavar="PATH", type=_PATH, help="The page. Default: FILE.html.")
@click.option("--prices", metavar="PATH", type=_PATH, help="Prices of providers (YAML).")
@click.option("--per-hour", metavar="DOLLARS", help="What all workers cost an hour, together.")
@click.option("--judge", metavar="ENDPOINT", help="Have a model there compare the answers.")
@click.option(
    "--fail-under", "gates", metavar="GATES", help="Exit with 1 below these: served=0.99,json=1."
)
@click.option(
    "--set", "settings", metavar="NAME=VALUE", multiple=True, help="mitmproxy option to set."
)
def rehearse(*, yes: bool, **given: Any) -> None:
    """Make an app's recorded calls on Vast, and compare the answers with those of its provider.

    FILE is what `vast-intercept record` has written, a HAR file, or has a request body on each
    line. Says first what it will do, and asks. No call is sent to the provider. What came of each
    call is kept in FILE.rehearsal: started again, it goes on where it was.

    Exits with 0, with 1 if a gate fell, with 2 if it cannot be made, and with 130 if it was
    interrupted.
    """
    try:
        fell = _reported(yes=yes, **given)
    except click.Abort:
        _fail("No call was made.", _INTERRUPTED)
    except KeyboardInterrupt:
        from ..rehearsal.rehearse import same_command  # noqa: PLC0415

        _fail(f"Interrupted. {same_command(fresh=given['fresh'])}.", _INTERRUPTED)
    for said in fell:
        _say(f"Fell: {said}")
    sys.exit(_GATES_FELL if fell else 0)


def _reported(**given: Any) -> list[str]:
    """Rehearses, and ends the process if that cannot be done."""
    # Not before they are needed: mitmproxy takes half a second.
    from ..rehearsal.gates import GateError  # noqa: PLC0415
    from ..rehearsal.prices import PriceError  # noqa: PLC0415
    from ..rehearsal.rehearse import FAILURES, InterruptedRehearsalError  # noqa: PLC0415

    try:
        return _rehearse(**given)
    except InterruptedRehearsalError as error:
        _fail(str(error), _INTERRUPTED)
    except (*FAILURES, GateError, PriceError) as error:
        _fail(str(error), _BAD_INPUT)


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
    from ..rehearsal.gates import read_gates  # noqa: PLC0415
    from ..rehearsal.judged import Judge  # noqa: PLC0415
    from ..rehearsal.prices import read_prices  # noqa: PLC0415
    from ..rehearsal.rehearse import RehearseOptions, prepared  # noqa: PLC0415
    from ..rehearsal.reporting import ReportOptions, check_page, report  # noqa: PLC0415
    from ..rehearsal.worker_prices import read_per_hour  # noqa: PLC0415

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
