"""Real processes for the tests: the stand-in, mitmdump, mitmweb and `vast-intercept serve`."""

import base64
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
import trustme
import yaml

PROJECT = Path(__file__).parents[1]
ADDON = PROJECT / "addon" / "vast.py"

VAST_KEY = "vast-0123456789abcdefghijklmnopqrstuvwxyz"
APP_KEY = "sk-app-0123456789abcdefghijklmnopqrstuvwxyz"
ENDPOINT = "my-endpoint"

_START_SECONDS = 30
# mitmproxy's line, the banner of `serve`, and the stand-in's: the port is what ends the address.
_LISTENING = re.compile(
    r"(?:listening at|Listening on|ready at)\s+\S*:(\d+)\.?(?:[,\"]|$)", re.MULTILINE
)
# Early 3.12 reports client connections that are open when mitmproxy ends; later ones do not.
_PYTHON_312_AT_EXIT = re.compile(
    r"Exception in callback StreamReaderProtocol.*?\n(?:asyncio\.exceptions\.)?CancelledError.*?\n",
    re.DOTALL,
)
_OURS = {"VAST_API_KEY", "VAST_ENDPOINT", "VAST_INTERCEPT_CONFIG"}


def tool(name: str) -> str:
    """A command of the virtual environment that runs the tests."""
    return str(Path(sys.executable).with_name(name))


def clean_environ(**more: str) -> dict[str, str]:
    """This process's environment, without what would configure the interceptor or a client."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _OURS and "proxy" not in name.lower()
    }
    return kept | {"PYTHONUNBUFFERED": "1"} | more


class Process:
    """A process whose output is collected as it comes."""

    def __init__(self, *command: str, environ: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command,
            env=environ if environ is not None else clean_environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout:
            for line in self.process.stdout:
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        with self._changed:
            return "".join(self._lines)

    def wait_for(
        self, pattern: str | re.Pattern[str], seconds: float = _START_SECONDS
    ) -> re.Match[str]:
        """Waits until the output has the pattern. Fails if the process ends first."""
        pattern = re.compile(pattern)
        found: list[re.Match[str]] = []

        def there() -> bool:
            if match := pattern.search("".join(self._lines)):
                found.append(match)
            return bool(found) or not self._reader.is_alive()

        with self._changed:
            self._changed.wait_for(there, seconds)
        assert found, f"no {pattern.pattern!r} in the output:\n{self.output}"
        return found[0]

    def stop(self) -> int:
        """Ends it as a service manager would, and returns its exit code."""
        self.process.terminate()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self._reader.join(10)
        return code


class StandIn(Process):
    """The stand-in for Vast, over TLS or plain HTTP."""

    def __init__(self, *options: str, scheme: str = "http") -> None:
        super().__init__(
            tool("vast-intercept"),
            "standin",
            "--api-key",
            VAST_KEY,
            "--endpoint",
            ENDPOINT,
            "--endpoint",
            "big-one",
            *options,
        )
        self.url = f"{scheme}://localhost:{self.wait_for(_LISTENING)[1]}"
        self._session = requests.Session()
        self._session.trust_env = False

    def _control(self, method: str, path: str, **options: Any) -> Any:
        answer = self._session.request(method, f"{self.url}/_standin/{path}", timeout=30, **options)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def trust(self, ca: Path) -> None:
        """Has the control calls trust the CA of the stand-in's certificate."""
        self._session.verify = str(ca)

    def calls(self, **query: Any) -> list[dict[str, Any]]:
        """The calls that reached it, oldest first.

        Those to its own workers have `load` and `cost`: what the worker counted, and what the
        router had been told.
        """
        calls: list[dict[str, Any]] = self._control("GET", "calls", params=query)
        return calls

    def wait_for_calls(
        self, outcome: str, count: int = 1, seconds: float = 10, **query: Any
    ) -> None:
        """Waits until so many calls (to this `path`) have the outcome: running, done, cancelled."""
        self.calls(wait_for=outcome, count=count, timeout=seconds, **query)

    def forget_calls(self) -> None:
        """Starts the list of calls anew."""
        self._control("DELETE", "calls")

    def stats(self) -> dict[str, int]:
        """Numbers of connections and calls."""
        stats: dict[str, int] = self._control("GET", "stats")
        return stats

    def open_gate(self, name: str) -> None:
        """Lets the next chunk of a gated stream out."""
        self._control("POST", f"gates/{name}")

    def shut_gate(self, name: str) -> None:
        """Has a gated stream's first chunk wait for the gate, too."""
        self._control("PUT", f"gates/{name}")

    def workers(self) -> list[dict[str, Any]]:
        """The workers: number, endpoint, url, state, calls, load."""
        workers: list[dict[str, Any]] = self._control("GET", "workers")
        return workers

    def set_worker(self, number: int, state: str, **options: Any) -> None:
        """Makes a worker ready, cold, dead, hung, refusing, slow or breaking."""
        self._control("PUT", f"workers/{number}", json={"state": state, **options})

    def new_key(self, endpoint: str, *, hidden: bool = False) -> str:
        """Gives an endpoint a new key, of which the console does not tell if it is hidden."""
        query = {"hidden": "1"} if hidden else {}
        answer = self._control("PUT", f"endpoints/{endpoint}/key", params=query)
        key: str = answer["api_key"]
        return key

    def override(self, what: str, **answer: Any) -> None:
        """Has the next requests answered so: route, endptjobs, workers, instance or root."""
        self._control("PUT", f"overrides/{what}", json=answer)

    def remove_override(self, what: str) -> None:
        """Has them answered as usual."""
        self._control("DELETE", f"overrides/{what}")

    def faults(self, **plan: Any) -> None:
        """What goes wrong from now on: seed, probability, schedule."""
        self._control("PUT", "faults", json=plan)

    def play(self, *turns: dict[str, Any], replies: Sequence[dict[str, Any]] = ()) -> None:
        """Has the model answer by this script. Each turn is as the field `standin` of a body.

        A reply has `to`, what the last message holds, and `answers`, which are as turns.
        """
        self._control("PUT", "script", json={"turns": turns, "replies": replies})

    def end_script(self) -> None:
        """Has the model answer as usual."""
        self._control("DELETE", "script")

    def clear_faults(self) -> None:
        """Has nothing go wrong any more. Workers stay as they are."""
        self._control("DELETE", "faults")


class Interceptor(Process):
    """mitmproxy with the addon, with a folder of its own for CA and configuration."""

    @property
    def said(self) -> str:
        """Its output, without what an early Python 3.12 adds at the end."""
        return _PYTHON_312_AT_EXIT.sub("", self.output)

    def __init__(
        self, command: list[str], folder: Path, *options: str, environ: dict[str, str]
    ) -> None:
        self.folder = folder
        super().__init__(
            *command, "-p", "0", "--set", f"confdir={folder}", *options, environ=environ
        )
        self.port = int(self.wait_for(_LISTENING)[1])

    @property
    def url(self) -> str:
        """The proxy's URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path:
        """mitmproxy's CA certificate."""
        return self.folder / "mitmproxy-ca-cert.pem"

    def app_environ(self) -> dict[str, str]:
        """What an app's environment needs to go through it."""
        ca = str(self.ca)
        return {
            "HTTPS_PROXY": self.url,
            "HTTP_PROXY": self.url,
            "SSL_CERT_FILE": ca,
            "REQUESTS_CA_BUNDLE": ca,
            "CURL_CA_BUNDLE": ca,
            "OPENAI_API_KEY": APP_KEY,
        }

    def session(self) -> requests.Session:
        """A client with an app's key that goes through it, whatever the environment says."""
        session = requests.Session()
        session.trust_env = False
        session.proxies = {"http": self.url, "https": self.url}
        session.verify = str(self.ca)
        session.headers["authorization"] = f"Bearer {APP_KEY}"
        return session


def vast_section(standin: StandIn, ca: Path | None = None, **more: Any) -> dict[str, Any]:
    """The configuration's `vast`, for a stand-in.

    There is little time for attempts: in many tests Vast fails for good.
    """
    section: dict[str, Any] = {
        "endpoint": ENDPOINT,
        "openai_url": standin.url,
        "timeout": {"total": 2},
        **more,
    }
    if ca:
        section["ca_file"] = str(ca)
    return section


def write_config(path: Path, **sections: Any) -> Path:
    """Writes a configuration file. There is a dashboard only where it says so: ports are few."""
    path.write_text(yaml.safe_dump({"inspect": {"port": 0}} | sections))
    return path


def command_for(kind: str) -> list[str]:
    """mitmdump or mitmweb with the addon, or `vast-intercept serve`."""
    if kind == "serve":
        return [tool("vast-intercept"), "serve"]
    return [tool(kind), "-s", str(ADDON), "--listen-host", "127.0.0.1"]


@contextmanager
def intercept(
    folder: Path,
    config: dict[str, Any] | None,
    *options: str,
    kind: str = "mitmdump",
    command: list[str] | None = None,
    environ: dict[str, str] | None = None,
) -> Iterator[Interceptor]:
    """Runs an interceptor. It must end well, with nothing left over that Python warns of."""
    folder.mkdir(parents=True, exist_ok=True)
    variables = {"VAST_API_KEY": VAST_KEY} | (environ or {})
    if config is not None:
        path = write_config(folder / "vast.yaml", **config)
        options = ("--set", f"vast_config={path}", *options)
    interceptor = Interceptor(
        command or command_for(kind), folder, *options, environ=clean_environ(**variables)
    )
    try:
        yield interceptor
    finally:
        code = interceptor.stop()
    assert code == 0, interceptor.output
    output = interceptor.said
    for sign in ("Traceback", "Warning:", "Unhandled", "Unclosed", "Task was destroyed"):
        assert sign not in output, interceptor.output


class Certificates(NamedTuple):
    """Paths of PEM files: a CA, a server's certificate that it has issued, and its key."""

    ca: Path
    certificate: Path
    key: Path


def certificate(folder: Path, *names: str) -> Certificates:
    """A new CA, and a certificate for the names."""
    ca = trustme.CA()
    issued = ca.issue_cert(*names)
    paths = Certificates(folder / "test-ca.pem", folder / "server.pem", folder / "server.key")
    ca.cert_pem.write_to_path(str(paths.ca))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(paths.certificate), append=True)
    issued.private_key_pem.write_to_path(str(paths.key))
    return paths


class HTTP2Only(ssl.SSLContext):
    """Offers HTTP/2 alone: httpx would offer HTTP/1.1 first, and get it."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        super().set_alpn_protocols(["h2"])


def http2_only(interceptor: Interceptor) -> ssl.SSLContext:
    """A TLS context that trusts the interceptor's CA, for httpx with http2=True."""
    context = HTTP2Only(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(interceptor.ca)
    return context


def error_of(response: requests.Response) -> dict[str, Any]:
    """The error in an answer of OpenAI's shape."""
    body = json.loads(response.content)
    assert list(body) == ["error"]
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    return error


def body_of(call: dict[str, Any]) -> bytes:
    """The request body of a call that the stand-in received."""
    return base64.b64decode(call["body_base64"])


def unused_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def use(interceptor: Interceptor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the clients of this process go through the interceptor, as an app's environment would."""
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in interceptor.app_environ().items():
        monkeypatch.setenv(name, value)
