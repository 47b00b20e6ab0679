"""`vast-intercept run -- CMD`: an app with an interceptor in front of it."""

import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

from ..launch.app import CannotRunError, exit_like
from ..launch.run import FAILURES, RunOptions, run_app, say
from .options import MAX_PORT, PORT

# As `env`, `timeout` and `docker run` do: what the app itself may exit with stays its own.
_FAILED = 125

#: What follows the command to run is the command's, options included.
IN_FRONT_OF_A_COMMAND = {"allow_interspersed_args": False}


class _Address(click.ParamType[tuple[str, int]]):
    """A service on this machine's loopback."""

    name = "host:port"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        host, _, port = value.rpartition(":")
        host = "127.0.0.1" if host == "localhost" else host.strip("[]")
        numbers = re.fullmatch(r"[1-9]\d{0,4}", port)
        if not re.fullmatch(r"127(\.\d{1,3}){3}", host) or not numbers or int(port) > MAX_PORT:
            self.fail(f"{value!r} is not an address such as 127.0.0.1:5432.", param, ctx)
        return host, int(port)


def app_command[F: Callable[..., Any]](function: F) -> F:
    """Adds the options and the argument of a command that runs an app."""
    for add in reversed(_OPTIONS):
        function = add(function)
    return function


_OPTIONS: tuple[Callable[..., Any], ...] = (
    click.option(
        "--jail",
        is_flag=True,
        help="Run CMD in a network of its own, for apps that ignore proxies.",
    ),
    click.option(
        "--jail-allow",
        "allowed",
        metavar="HOST:PORT",
        multiple=True,
        type=_Address(),
        help="Service on this machine's loopback that the app in the jail may reach.",
    ),
    click.option(
        "--nss", is_flag=True, help="Add the CA to NSS's database while CMD runs (Chromium)."
    ),
    click.option("--config", metavar="PATH", help="Configuration file (option vast_config)."),
    click.option("-p", "--port", type=PORT, help="Port to listen on. Default: a free port."),
    click.option(
        "--set", "settings", metavar="NAME=VALUE", multiple=True, help="mitmproxy option to set."
    ),
    click.option("--web", is_flag=True, help="Start mitmweb, to watch the calls in a browser."),
    click.option("--dry-run", is_flag=True, help="Print what would be set, and start nothing."),
    click.option("-q", "--quiet", is_flag=True, help="Print no summary and no warnings."),
    click.argument("command", metavar="-- CMD...", nargs=-1, type=click.UNPROCESSED),
)


@click.command(
    context_settings=IN_FRONT_OF_A_COMMAND,
    short_help="Run a command with an interceptor of its own, or a running one.",
)
@click.option("--attach", metavar="PORT", type=PORT, help="Use the interceptor on this port.")
@click.option("--endpoint", metavar="NAME", help="Vast endpoint (option vast_endpoint).")
@app_command
def run(*, dry_run: bool, **given: Any) -> None:
    """Run a command so that it uses and trusts an interceptor, which starts and ends with it.

    Exits as CMD does, by exit code or by signal. Exits with 127 if CMD is not found, with 126 if it
    may not be executed, and with 125 if the interceptor or the jail cannot be started.
    """
    start(RunOptions(**given), dry_run=dry_run)


def start(options: RunOptions, *, dry_run: bool) -> None:
    """Runs the app, or says what would be done, and exits as `run` says."""
    _check(options)
    if dry_run:
        # Not before it is needed: reading a configuration takes its time.
        from ..launch.dry_run import chosen_later, planned  # noqa: PLC0415

        click.echo(planned(options, os.environ))
        say(f"{chosen_later(options)} Nothing was started.")
        return
    if os.name != "posix":
        _fail(
            "This takes Linux or macOS. Elsewhere, start `vast-intercept serve`, and set what"
            " `vast-intercept env --format powershell` prints.",
            _FAILED,
        )
    try:
        status = run_app(options)
    except CannotRunError as error:
        _fail(str(error), error.code)
    except FAILURES as error:
        _fail(str(error), _FAILED)
    exit_like(status)


def _check(options: RunOptions) -> None:
    if not options.command:
        raise click.UsageError("There is no command. Write it behind --, as in: -- python app.py")
    of_a_new_one = options.config or options.endpoint or options.port or options.settings
    if options.attach and (of_a_new_one or options.web):
        raise click.UsageError(
            "--attach uses an interceptor that runs already: leave out --config, --endpoint,"
            " --port, --set and --web, which are for one that is to be started."
        )
    if options.allowed and not options.jail:
        raise click.UsageError("--jail-allow needs --jail.")


def _fail(text: str, code: int) -> NoReturn:
    say(text)
    sys.exit(code)
