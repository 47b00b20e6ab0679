"""The ways from an app to Vast: direct, and through each of the proxies. All use TLS."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import trustme

from .http1 import Target

DIRECT = "direct"
BARE = "mitmdump"
SERVE = "serve"
ADDON = "addon"
SERVERLESS = "serverless"
PROXIES = (BARE, SERVE, ADDON, SERVERLESS)
WAYS = (DIRECT, *PROXIES)

#: The same ways through another checkout's code, such as that before a change.
BEFORE = {SERVE: "serve-before", ADDON: "addon-before", SERVERLESS: "serverless-before"}

#: mitmweb, for the cost of watching: unlike the others it keeps and shows calls.
WEB = "web"

#: A proxy of its own for calls of the Responses API, which it keeps in memory.
RESPONSES = "responses"

#: Ways that can be measured over a slow link. Not the serverless one: a worker names its own URL.
SLOW_WAYS = (DIRECT, BARE, SERVE, ADDON)
LINK_DELAY = 25  # ms, in each direction

PROJECT = Path(__file__).parents[2]
_MITMDUMP = (sys.executable, "-c", "from mitmproxy.tools.main import mitmdump; mitmdump()")
VAST_INTERCEPT = (sys.executable, "-c", "from vast_intercept.cli.main import main; main()")
_STANDIN = (sys.executable, str(Path(__file__).with_name("timed_standin.py")))
_SLOW_LINK = (sys.executable, str(Path(__file__).with_name("slow_link.py")))

_ENDPOINT = "bench"
_VAST_KEY = "vast-key-of-the-benchmark"
_APP_KEY = "sk-the-key-of-an-app-0123456789"
_MODEL = "gpt-4o"
_WEB_PASSWORD = "bench"  # noqa: S105  (of a mitmweb that lives for minutes)

# Without this script mitmproxy reads a whole stream before it sends any of it.
_STREAM_SCRIPT = """\
def responseheaders(flow):
    flow.response.stream = True
"""

_START_LIMIT = 30  # seconds
_STOP_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Way:
    """One way. Streams, whole answers and calls over a slow link may have different targets."""

    target: Target
    stream_target: Target
    slow_target: Target | None = None
    pid: int | None = None  # of the proxy
    page_url: str | None = None  # mitmweb's


@contextmanager
def all_ways(folder: Path, before: Path | None = None) -> Iterator[dict[str, Way]]:
    """Starts everything, with files in `folder`, and stops it at the end.

    `before` is another checkout of the project, for the ways in `BEFORE`.
    """
    ca_file = folder / "ca.pem"
    with ExitStack() as stack:
        standin_port = stack.enter_context(_standin(folder, ca_file))
        direct = Target(
            host="localhost",
            port=standin_port,
            path=f"/{_ENDPOINT}/v1/chat/completions",
            ca_file=str(ca_file),
            api_key=_VAST_KEY,
            model="",
        )
        slow_port = stack.enter_context(_slow_link(folder, standin_port))
        slow = replace(direct, port=slow_port)
        script = folder / "stream.py"
        script.write_text(_STREAM_SCRIPT, "utf-8")
        trust = ("--set", f"ssl_verify_upstream_trusted_ca={ca_file}")
        near = _config(folder / "near.yaml", standin_port, ca_file)
        far = _config(folder / "far.yaml", slow_port, ca_file)
        workers = (*near, "--set", "vast_interface=serverless")
        web_port = _free_port()
        web = ("--web", "--set", "web_open_browser=false", "--set", f"web_port={web_port}")
        web = (*web, "--set", f"web_password={_WEB_PASSWORD}")
        addon = ("-s", str(PROJECT / "addon" / "vast.py"))
        proxies = {
            name: stack.enter_context(_proxy(folder / name, command))
            for name, command in {
                "mitmdump": (*_MITMDUMP, *trust),
                "mitmdump-stream": (*_MITMDUMP, *trust, "-s", str(script)),
                "serve": (*VAST_INTERCEPT, "serve", *near),
                "serve-slow": (*VAST_INTERCEPT, "serve", *far),
                "addon": (*_MITMDUMP, *addon, *near),
                "addon-slow": (*_MITMDUMP, *addon, *far),
                "serverless": (*VAST_INTERCEPT, "serve", *workers),
                "web": (*VAST_INTERCEPT, "serve", *web, *near),
                "responses": (*VAST_INTERCEPT, "serve", *near),
            }.items()
        }
        app = {name: proxy.target_of_an_app() for name, proxy in proxies.items()}
        earlier = {}
        if before:
            script = str(before.resolve() / "addon" / "vast.py")
            for name, command in {
                SERVE: (*VAST_INTERCEPT, "serve", *near),
                ADDON: (*_MITMDUMP, "-s", script, *near),
                SERVERLESS: (*VAST_INTERCEPT, "serve", *workers),
            }.items():
                proxy = stack.enter_context(_proxy(folder / BEFORE[name], command, before))
                target = proxy.target_of_an_app()
                earlier[BEFORE[name]] = Way(target, target, pid=proxy.pid)
        yield {
            **earlier,
            DIRECT: Way(direct, direct, slow),
            BARE: Way(
                proxies["mitmdump"].target(direct),
                proxies["mitmdump-stream"].target(direct),
                proxies["mitmdump"].target(slow),
                proxies["mitmdump"].pid,
            ),
            SERVE: Way(app["serve"], app["serve"], app["serve-slow"], proxies["serve"].pid),
            ADDON: Way(app["addon"], app["addon"], app["addon-slow"], proxies["addon"].pid),
            SERVERLESS: Way(app["serverless"], app["serverless"], pid=proxies["serverless"].pid),
            RESPONSES: Way(app["responses"], app["responses"], pid=proxies["responses"].pid),
            WEB: Way(
                app["web"],
                app["web"],
                page_url=f"http://127.0.0.1:{web_port}/?token={_WEB_PASSWORD}",
            ),
        }


@dataclass(frozen=True, slots=True)
class _Proxy:
    pid: int
    port: int
    ca_file: Path

    def target(self, behind: Target) -> Target:
        """The URL of `behind`, through this proxy."""
        return Target(
            host=behind.host,
            port=behind.port,
            path=behind.path,
            ca_file=str(self.ca_file),
            api_key=behind.api_key,
            model=behind.model,
            proxy_port=self.port,
        )

    def target_of_an_app(self) -> Target:
        """The URL that an app calls that knows nothing of Vast."""
        return Target(
            host="api.openai.com",
            port=443,
            path="/v1/chat/completions",
            ca_file=str(self.ca_file),
            api_key=_APP_KEY,
            model=_MODEL,
            proxy_port=self.port,
        )


def _config(path: Path, vast_port: int, ca_file: Path) -> tuple[str, str]:
    """The option that names a configuration for a Vast at this port."""
    url = f"https://localhost:{vast_port}"
    path.write_text(
        f"vast:\n"
        f"  endpoint: {_ENDPOINT}\n"
        f"  openai_url: {url}\n"
        f"  route_url: {url}\n"
        f"  console_url: {url}\n"
        f"  ca_file: {ca_file}\n"
        "inspect:\n"
        "  port: 0\n",
        "utf-8",
    )
    return "--set", f"vast_config={path}"


@contextmanager
def _slow_link(folder: Path, target_port: int) -> Iterator[int]:
    """Starts the slow link, and yields its port."""
    port = _free_port()
    command = [*_SLOW_LINK, str(port), str(target_port), str(LINK_DELAY)]
    with _running(command, port, folder / "slow_link.log"):
        yield port


@contextmanager
def _standin(folder: Path, ca_file: Path) -> Iterator[int]:
    """The stand-in for Vast, with a certificate for localhost from a CA of its own."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(ca_file))
    certificate = ca.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(folder / "standin.key"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "standin.pem"))
    port = _free_port()
    command = [
        *_STANDIN,
        *("--host", "localhost"),
        *("--port", str(port)),
        *("--api-key", _VAST_KEY),
        *("--endpoint", _ENDPOINT),
        *("--tls-cert", str(folder / "standin.pem")),
        *("--tls-key", str(folder / "standin.key")),
    ]
    with _running(command, port, folder / "standin.log"):
        yield port


@contextmanager
def _proxy(folder: Path, command: tuple[str, ...], project: Path = PROJECT) -> Iterator[_Proxy]:
    folder.mkdir()
    port = _free_port()
    options = ["-q", "--listen-host", "127.0.0.1", "-p", str(port), "--set", f"confdir={folder}"]
    environ = environment(project)
    with _running([*command, *options], port, folder / "log", environ) as process:
        yield _Proxy(process.pid, port, folder / "mitmproxy-ca-cert.pem")


def environment(project: Path = PROJECT) -> dict[str, str]:
    """An environment without the user's Vast account and proxies, for the code of `project`."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("VAST_") and not name.lower().endswith("_proxy")
    } | {"VAST_API_KEY": _VAST_KEY, "PYTHONPATH": str(project.resolve() / "addon")}


@contextmanager
def _running(
    command: list[str], port: int, log: Path, environ: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a process that listens on `port`. Its output goes to `log`, shown if it fails."""
    with log.open("wb") as output:
        # It has its own session, so that Ctrl-C reaches only this process, which stops it.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environ or environment(),
            start_new_session=True,
        )
    try:
        _wait_for_port(process, port)
        yield process
    except Exception as error:
        said = log.read_text("utf-8", "replace")[-4000:]
        status = "runs" if process.poll() is None else f"ended with {process.returncode}"
        error.add_note(f"{status}: {' '.join(command)}\n{said}")
        raise
    finally:
        _stop(process)


def _wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _START_LIMIT
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"It does not listen on port {port}: {process.args!r}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
