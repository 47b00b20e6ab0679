"""`vast-intercept run`: an app with an interceptor in front of it, from its start to its end."""

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from ..certificates.nss import trusted_in_nss
from ..certificates.own_ca import CaError, CertificateAuthority, read_ca
from ..certificates.trust_files import write_trust_files
from ..engine.key_variables import hide_variables, with_the_same_key
from ..engine.process import InterceptorProcess, StartError, interceptor_arguments
from ..engine.running import NotRunningError, RunningInterceptor
from ..status import Recorded, Status, Tally
from .app import find_command, forward_signals, hold_signals, start_app
from .jail.problems import JailError
from .named_proxy import NamedProxyError, named_proxy
from .temporary_folder import temporary_folder
from .variables import app_variables, bundle_variables, without_proxies

#: Why there may be no interceptor, or no jail. Each message says what to do.
FAILURES = (StartError, NotRunningError, CaError, NamedProxyError, JailError)

_TIMESTAMP = re.compile(r"^\[\d\d:\d\d:\d\d\.\d+\]\s*")

type _Interceptor = InterceptorProcess | RunningInterceptor


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What `vast-intercept run` is asked for."""

    #: The app's program, and its arguments.
    command: Sequence[str]
    #: The port of a running interceptor; None starts one, with the options below.
    attach: int | None = None
    #: The port where it listens; None for any that is free.
    port: int | None = None
    #: Its options `vast_config` and `vast_endpoint`.
    config: str | None = None
    endpoint: str | None = None
    #: Its option `vast_record`: the file to record calls in, instead of serving them.
    record: str | None = None
    #: Other options of mitmproxy, each as `NAME=VALUE`.
    settings: Sequence[str] = ()
    #: Whether it is mitmweb.
    web: bool = False
    jail: bool = False
    #: Services on this machine's loopback that an app in a jail may reach.
    allowed: Sequence[tuple[str, int]] = ()
    #: Whether NSS's database has the CA while the app runs.
    nss: bool = False
    #: Whether nothing is said but why something failed.
    quiet: bool = False

    def say(self, text: str) -> None:
        """Tells the user something that is no failure."""
        if not self.quiet:
            say(text)


def say(text: str) -> None:
    """Tells the user something on standard error, where an app's output is not mixed with it."""
    print(f"vast-intercept: {_TIMESTAMP.sub('', text)}", file=sys.stderr, flush=True)


def run_app(options: RunOptions) -> int:
    """Runs the app, and returns how it ended, as `os.waitpid` does.

    Raises CannotRunError where the command cannot be run, or one of FAILURES.
    """
    find_command(options.command[0], os.environ)
    with ExitStack() as stack:
        stack.enter_context(_ended_by_signals())
        folder = stack.enter_context(temporary_folder())
        interceptor: _Interceptor
        if options.attach:
            interceptor = RunningInterceptor(options.attach)
        else:
            interceptor = InterceptorProcess(
                arguments_for(options), options.say, web=options.web, environ=os.environ
            )
            stack.callback(interceptor.kill)
        run = _Run(options, interceptor, folder, stack)
        status = run.jailed() if options.jail else run.plain()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        tally = interceptor.stop()
    if tally:
        then = tally.next_step if isinstance(tally, Recorded) else ""
        options.say(f"{tally}{explained(tally, status, options)}{then}")
    return status


def arguments_for(options: RunOptions) -> list[str]:
    """mitmproxy's command line, for an interceptor that is heard only when something is wrong."""
    arguments = interceptor_arguments(options.config, options.endpoint, options.record)
    arguments += ["-p", str(options.port or 0), "--set", "termlog_verbosity=warn"]
    # A proxy that the environment names already is between this machine and Vast.
    if proxy := named_proxy(os.environ):
        arguments += proxy.arguments()
    for setting in options.settings:
        arguments += ["--set", setting]
    return arguments


@dataclass(frozen=True, slots=True)
class _Run:
    """A command with its interceptor."""

    options: RunOptions
    interceptor: _Interceptor
    #: For the files that the app is to find.
    folder: Path
    #: What is to be undone at the end.
    stack: ExitStack

    def plain(self) -> int:
        """Runs it with variables that name the proxy and the CAs. Returns its status."""
        ready, ca = self._ready()
        environ = self._environ(ready)
        files = write_trust_files(self.folder, ca, environ)
        for host in ready.provider_hosts:
            if proxy_bypass_environment(host):
                self.options.say(
                    f"no_proxy has the app call {host} directly, past the interceptor."
                )
        proxy = f"http://127.0.0.1:{self.interceptor.port}"
        hold_signals()
        pid = start_app(self.options.command, environ | app_variables(proxy, files, environ))
        look = _once(self.interceptor.died, "The app runs on, without it.")
        return forward_signals(pid, lambda number: os.kill(pid, number), look)

    def jailed(self) -> int:
        """Runs it in a jail, which ends if the interceptor does. Returns its status."""
        # Not before it is needed: asyncio takes its time.
        from .jail.jail import Jail  # noqa: PLC0415
        from .jail.replaced_files import ReplacedFiles  # noqa: PLC0415

        command = self.options.command
        with Jail(command, os.environ, self.options.allowed) as jail:
            trusted = ReplacedFiles(command, os.environ)
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
        """The app's environment. No key of Vast or of a machine is where the app can see it.

        An app that is recorded keeps its own, whosever keys it uses.
        """
        if self.options.record:
            return dict(os.environ)
        names = with_the_same_key(ready.key_variables, os.environ)
        if "OPENAI_API_KEY" in names:
            self.options.say(
                "OPENAI_API_KEY holds the Vast key or a machine's, so the app does not get it. Set"
                " it to any other text for an app that needs one."
            )
        hide_variables(names)
        for name in names:
            del os.environ[name]
        return dict(os.environ)

    def _ready(self) -> tuple[Status, CertificateAuthority]:
        ready = self.interceptor.wait_until_ready()
        if self.interceptor.web_url:
            self.options.say(f"mitmweb is at {self.interceptor.web_url}")
        ca = read_ca(Path(ready.ca_file))
        ca.check_validity()
        if self.options.nss:
            self.stack.enter_context(trusted_in_nss(ca, os.environ))
        return ready, ca


def explained(tally: Tally | Recorded, status: int, options: RunOptions) -> str:
    """What goes with the numbers: whose calls they count, and what it may mean that there are none.

    `status` is how the app ended, as `os.waitpid` says it.
    """
    if tally.calls:
        return f" (all apps that use port {options.attach})" if options.attach else ""
    if status:
        return ": the app ended with an error before a call of its reached the interceptor"
    if options.jail:
        return ""
    return (
        ": the app called no provider, or not through the proxy. If it should have, put --jail in"
        " front of the --, which works whatever the app knows of proxies. If its provider is not"
        " OpenAI, name that under `providers` in the configuration"
    )


def _once(
    died: Callable[[], str | None], so: str, then: Callable[[], None] = lambda: None
) -> Callable[[], None]:
    """A function that looks whether something has died, and tells of it the first time.

    `died` says why, `so` what follows from it for the app. `then` is called when it is told.
    """
    told = False

    def look() -> None:
        nonlocal told
        if not told and (why := died()):
            told = True
            say(f"{why}\n{so}")
            then()

    return look


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
