"""`vast-intercept run -- CMD`: an app with an interceptor in front of it."""

import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import click

from ..certificates.nss import trusted_in_nss
from ..certificates.own_ca import CaError, CertificateAuthority, read_ca
from ..certificates.trust_files import files_in, write_trust_files
from ..engine.key_variables import hide_variables, with_the_same_key, without_variables
from ..engine.process import InterceptorProcess, StartError
from ..engine.running import NotRunningError, RunningInterceptor, ask_status
from ..launch.app import App, CannotRunError, exit_like, find_command, hold_signals
from ..launch.environment import (
    app_variables,
    bundle_variables,
    without_proxies,
)
from ..launch.jail.problems import JailError
from ..launch.shells import FORMATS
from ..launch.temporary import temporary_folder
from ..launch.upstream import UpstreamProxyError, named_proxy
from ..status import Status, Tally

# As `env`, `timeout` and `docker run` do: what the app itself may exit with stays its own.
_FAILED = 125
_TIMESTAMP = re.compile(r"^\[\d\d:\d\d:\d\d\.\d+\]\s*")
_MAX_PORT = 65535
_PORT = click.IntRange(1, _MAX_PORT)
_FAILURES = (StartError, NotRunningError, CaError, UpstreamProxyError, JailError)

type _Interceptor = InterceptorProcess | RunningInterceptor
type _Say = Callable[[str], None]


class _Address(click.ParamType[tuple[str, int]]):
    """A service on this machine's loopback."""

    name = "host:port"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        host, _, port = value.rpartition(":")
        host = "127.0.0.1" if host == "localhost" else host.strip("[]")
        numbers = re.fullmatch(r"[1-9]\d{0,4}", port)
        if not re.fullmatch(r"127(\.\d{1,3}){3}", host) or not numbers or int(port) > _MAX_PORT:
            self.fail(f"{value!r} is not an address such as 127.0.0.1:5432.", param, ctx)
        return host, int(port)


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--attach", metavar="PORT", type=_PORT, help="Use the interceptor at this port.")
@click.option(
    "--jail", is_flag=True, help="For apps that know no proxies: in a network of its own."
)
@click.option(
    "--jail-allow",
    "allowed",
    metavar="HOST:PORT",
    multiple=True,
    type=_Address(),
    help="A service on this machine's loopback that the jailed app may reach.",
)
@click.option(
    "--nss", is_flag=True, help="For Chromium: with the CA in NSS's database until the end."
)
@click.option("--config", metavar="PATH", help="Configuration file (option vast_config).")
@click.option("--endpoint", metavar="NAME", help="Vast endpoint (option vast_endpoint).")
@click.option("-p", "--port", type=_PORT, help="Where it listens. Default: a free port.")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="mitmproxy's option.")
@click.option("--web", is_flag=True, help="With mitmweb beside it, to watch.")
@click.option("--dry-run", is_flag=True, help="Print what would be set, and run nothing.")
@click.option("-q", "--quiet", is_flag=True, help="No summary, and no warnings.")
@click.argument("command", metavar="-- CMD...", nargs=-1, type=click.UNPROCESSED)
def run(
    *,
    attach: int | None,
    jail: bool,
    allowed: tuple[tuple[str, int], ...],
    nss: bool,
    config: str | None,
    endpoint: str | None,
    port: int | None,
    settings: tuple[str, ...],
    web: bool,
    dry_run: bool,
    quiet: bool,
    command: tuple[str, ...],
) -> None:
    """Run CMD so that it uses and trusts an interceptor, which starts and ends with it.

    Exits as CMD does, by exit code or by signal; with 127 if there is no such command, with 126 if
    it may not run, and with 125 if the interceptor or the jail cannot be had.
    """
    if not command:
        raise click.UsageError("There is no command. Write it behind --, as in: -- python app.py")
    if attach and (config or endpoint or port or settings or web):
        raise click.UsageError(
            "--attach uses an interceptor that runs already: leave out --config, --endpoint,"
            " --port, --set and --web, which are for one that is to be started."
        )
    if allowed and not jail:
        raise click.UsageError("--jail-allow needs --jail.")
    if dry_run:
        names = _key_variables(attach, config, settings)
        _show(attach or port, jail, command, without_variables(names, os.environ))
        return
    if os.name != "posix":
        _fail(
            "This takes Linux or macOS. Elsewhere, start `vast-intercept serve`, and set what"
            " `vast-intercept env --format powershell` prints.",
            _FAILED,
        )
    say = _silent if quiet else _say
    try:
        find_command(command[0], os.environ)
        with ExitStack() as stack:
            stack.enter_context(_ended_by_signals())
            folder = stack.enter_context(temporary_folder())
            interceptor: _Interceptor
            if attach:
                interceptor = RunningInterceptor(attach)
            else:
                arguments = _arguments(config, endpoint, port, settings)
                interceptor = InterceptorProcess(arguments, web=web, environ=os.environ, log=say)
            stack.enter_context(interceptor)
            wrapped = _Run(command, interceptor, folder, say, stack, nss=nss)
            status = wrapped.jailed(allowed) if jail else wrapped.plain()
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            tally = interceptor.stop()
    except CannotRunError as error:
        _fail(str(error), error.code)
    except _FAILURES as error:
        _fail(str(error), _FAILED)
    if tally:
        say(f"{tally}{_explained(tally, status, attach, jail=jail)}")
    exit_like(status)


@dataclass(frozen=True)
class _Run:
    """A command with its interceptor."""

    command: Sequence[str]
    interceptor: _Interceptor
    #: For the files that the app is to find.
    folder: Path
    say: _Say
    #: Of what is to be undone at the end.
    stack: ExitStack
    nss: bool

    def plain(self) -> int:
        """Runs it with variables that name the proxy and the CAs. Returns its status."""
        ready, ca = self._ready()
        environ = self._environ(ready)
        files = write_trust_files(self.folder, ca, environ)
        for host in ready.provider_hosts:
            if proxy_bypass_environment(host):
                self.say(f"no_proxy has the app call {host} directly, past the interceptor.")
        proxy = f"http://127.0.0.1:{self.interceptor.port}"
        hold_signals()
        app = App(self.command, {**environ, **app_variables(proxy, files, environ)})
        return app.wait(_once(self.interceptor.died, "The app runs on, without it."))

    def jailed(self, allowed: Sequence[tuple[str, int]]) -> int:
        """Runs it in a jail, which ends if the interceptor does. Returns its status."""
        # Not before it is needed: asyncio takes its time.
        from ..launch.jail.files import TrustedFiles  # noqa: PLC0415
        from ..launch.jail.jail import Jail  # noqa: PLC0415

        with Jail(self.command, os.environ, allowed) as jail:
            trusted = TrustedFiles(self.command, os.environ)
            ready, ca = self._ready()
            environ = without_proxies(self._environ(ready))
            files = write_trust_files(self.folder, ca, environ)
            mounts = trusted.replaced(self.folder, ca, files)
            hold_signals()
            proxy = ("127.0.0.1", self.interceptor.port)
            environ |= bundle_variables(files, environ)
            jail.start(proxy, ready.provider_ports, mounts, environ)
            return jail.wait(
                _once(
                    lambda: self.interceptor.died() or jail.died(),
                    "Without it the app cannot run on in its jail.",
                    jail.end_soon,
                )
            )

    def _environ(self, ready: Status) -> dict[str, str]:
        """The app's environment. The Vast key is in none that the app can see."""
        names = with_the_same_key(ready.key_variables, os.environ)
        if "OPENAI_API_KEY" in names:
            self.say(
                "OPENAI_API_KEY holds the Vast key, so the app does not get it. Set it to any other"
                " text for an app that needs one."
            )
        hide_variables(names)
        for name in names:
            del os.environ[name]
        return dict(os.environ)

    def _ready(self) -> tuple[Status, CertificateAuthority]:
        ready = self.interceptor.wait_until_ready()
        if self.interceptor.web_url:
            self.say(f"mitmweb is at {self.interceptor.web_url}")
        ca = read_ca(Path(ready.ca_file))
        ca.check_validity()
        if self.nss:
            self.stack.enter_context(trusted_in_nss(ca, os.environ))
        return ready, ca


def _explained(tally: Tally, status: int, attach: int | None, *, jail: bool) -> str:
    """What goes with the numbers: whose they are, and what it may mean that there are none."""
    if tally.calls:
        return f" (all apps that use port {attach})" if attach else ""
    if status:
        return ": the app ended with an error before a call of its reached the interceptor"
    if jail:
        return ""
    return (
        ": the app called no provider, or not through the proxy. If it should have, put --jail in"
        " front of the --, which works whatever the app knows of proxies"
    )


def _once(
    died: Callable[[], str | None], so: str, then: Callable[[], None] = lambda: None
) -> Callable[[], None]:
    """Looks whether something has died, and says so the first time."""
    told = False

    def look() -> None:
        nonlocal told
        if not told and (why := died()):
            told = True
            _say(f"{why}\n{so}")
            then()

    return look


def _arguments(
    config: str | None, endpoint: str | None, port: int | None, settings: Sequence[str]
) -> list[str]:
    """mitmproxy's, for an interceptor that is heard only when something is wrong."""
    arguments = ["--listen-host", "127.0.0.1", "-p", str(port or 0)]
    arguments += ["--set", "termlog_verbosity=warn"]
    # A proxy that the environment names already is between this machine and Vast.
    if proxy := named_proxy(os.environ):
        arguments += proxy.arguments()
    if config is not None:
        arguments += ["--set", f"vast_config={config}"]
    if endpoint is not None:
        arguments += ["--set", f"vast_endpoint={endpoint}"]
    for setting in settings:
        arguments += ["--set", setting]
    return arguments


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Until the app runs, and once it has ended, a signal ends this process, and all it started."""

    def end(number: int, frame: object) -> None:
        del frame
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


def _key_variables(attach: int | None, config: str | None, settings: Sequence[str]) -> list[str]:
    """What the interceptor would say of them, as far as that can be told without one."""
    # Not before they are needed: they take their time.
    from ..config import (  # noqa: PLC0415
        ConfigError,
        config_file,
        load_config,
    )

    names: Sequence[str] = ()
    with suppress(NotRunningError, ConfigError):
        if attach:
            names = ask_status(attach).key_variables
        else:
            set_path = dict(each.partition("=")[::2] for each in settings).get("vast_config")
            names = load_config(config_file(set_path or config)).key_variables
    return with_the_same_key(names, os.environ)


def _show(port: int | None, jail: bool, command: Sequence[str], environ: Mapping[str, str]) -> None:
    """What `--dry-run` prints: what would be set, as `sh` would have it."""
    files = files_in(Path("FOLDER"))
    if jail:
        environ = without_proxies(environ)
        variables = bundle_variables(files, environ)
    else:
        variables = app_variables(f"http://127.0.0.1:{port or 'PORT'}", files, environ)
    for name in sorted(set(os.environ) - set(environ)):
        click.echo(f"unset {name}")
    click.echo(FORMATS["sh"](variables))
    click.echo(shlex.join(command))
    what = "FOLDER is" if port or jail else "PORT and FOLDER are"
    _say(f"{what} chosen when it runs. Nothing was started.")


def _say(text: str) -> None:
    print(f"vast-intercept: {_TIMESTAMP.sub('', text)}", file=sys.stderr, flush=True)


def _silent(text: str) -> None:
    pass


def _fail(text: str, code: int) -> NoReturn:
    _say(text)
    sys.exit(code)
