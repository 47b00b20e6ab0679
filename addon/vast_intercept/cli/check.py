"""`vast-intercept check`: what does not work, and what to do about it."""

import io
import os
import sys

import click

from ..diagnosis.findings import Result
from ..diagnosis.output import TextOutput, is_ok, redacted, summary, to_json
from ..diagnosis.plan import steps
from ..diagnosis.steps import run
from ..diagnosis.subject import Subject
from .options import interceptor_port


@click.command()
@click.option("--config", metavar="PATH", help="Configuration file, as for `serve`.")
@click.option("--endpoint", metavar="NAME", help="Vast endpoint, as for `serve`.")
@interceptor_port
@click.option("--offline", is_flag=True, help="Test only what needs neither Vast nor a network.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for machines.")
def check(
    *, config: str | None, endpoint: str | None, port: int, offline: bool, as_json: bool
) -> None:
    """Find out what does not work, from this shell to Vast and back.

    Tests the configuration, the key, Vast's names and certificates, the endpoint and its workers,
    the running interceptor, its CA and this shell's variables. Then makes calls as an app does:
    chat completions, and one of each operation that an endpoint is said to serve. Each costs a few
    tokens, a second of audio or a small image. Exits with 0 if nothing failed, else with 1.
    """
    subject = Subject(
        config_option=config, endpoint=endpoint, port=port, offline=offline, environ=os.environ
    )
    output = TextOutput(
        _output_encoding(), color=sys.stdout.isatty() and "NO_COLOR" not in os.environ
    )
    results: list[Result] = []
    for result in redacted(run(steps(subject)), subject):
        results.append(result)
        if not as_json:
            # Not click's echo: that takes an output that is ASCII for a mistake.
            print(output.lines(result), flush=True)
    print(to_json(results) if as_json else f"\n{summary(results)}")
    sys.exit(0 if is_ok(results) else 1)


def _output_encoding() -> str | None:
    """Has what the output cannot show escaped, such as letters in a path."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return sys.stdout.encoding
