"""`vast-intercept check` as a process, and interceptors and servers for it to find."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import Purpose, create_default_context
from typing import Any

import certifi
import pytest

from vast_intercept.certificates.trust_files import CA_VARIABLES

from .. import harness
from ..harness import APP_KEY, VAST_KEY, Certificates, Interceptor, StandIn

STEPS = [
    "configuration",
    "key",
    "names",
    "tls",
    "endpoint",
    "workers",
    "interceptor",
    "ca",
    "variables",
    "whole_call",
    "streamed_call",
    "responses_call",
]
CALLS = {"whole_call", "streamed_call", "responses_call"}
ONLINE = {"names", "tls", "endpoint", "workers"} | CALLS


@dataclass(frozen=True)
class Report:
    """What the command has said."""

    code: int
    output: str

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        """By name."""
        answer = json.loads(self.output)
        assert set(answer) == {"ok", "steps"}
        assert answer["ok"] == (self.code == 0)
        return {step["name"]: step for step in answer["steps"]}

    def named(self, status: str) -> set[str]:
        """The steps that went like this."""
        return {name for name, step in self.steps.items() if step["status"] == status}

    def only_failure(self, name: str) -> str:
        """What the one step says that failed, and what it advises."""
        assert self.named("failed") == {name}, self.output
        assert self.code == 1
        step = self.steps[name]
        assert step["advice"], step
        return f"{step['message']}\n{step['advice']}"


def run_check(*options: str, environ: dict[str, str], text: bool = False) -> Report:
    """Runs it. No key is ever in what it prints."""
    done = subprocess.run(
        [harness.tool("vast-intercept"), "check", *([] if text else ["--json"]), *options],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    output = done.stdout + done.stderr
    assert VAST_KEY not in output
    assert APP_KEY not in output
    assert "Traceback" not in output, output
    assert "the check itself stumbled" not in output, output
    return Report(done.returncode, output if text else done.stdout)


def bare_environ(**more: str) -> dict[str, str]:
    """A shell that knows nothing of an interceptor, but the Vast key."""
    others = {*CA_VARIABLES, "SSL_CERT_DIR", "OPENAI_API_KEY", "OPENAI_BASE_URL"}
    kept = {name: value for name, value in harness.clean_environ().items() if name not in others}
    return kept | {"VAST_API_KEY": VAST_KEY} | more


def app_environ(interceptor: Interceptor, **more: str) -> dict[str, str]:
    """A shell that is set up for the interceptor, by hand."""
    bundle = interceptor.folder / "apps-cas.pem"
    if not bundle.exists():
        bundle.write_bytes(Path(certifi.where()).read_bytes() + interceptor.ca.read_bytes())
    usual = {
        "HTTPS_PROXY": interceptor.url,
        "SSL_CERT_FILE": str(bundle),
        "REQUESTS_CA_BUNDLE": str(bundle),
        "NODE_EXTRA_CA_CERTS": str(bundle),
        "OPENAI_API_KEY": APP_KEY,
    }
    return bare_environ(**{**usual, **more})


@dataclass(frozen=True)
class Setup:
    """A running interceptor, and a configuration that may be changed for the check."""

    interceptor: Interceptor
    sections: dict[str, Any]
    folder: Path

    def check(
        self,
        *options: str,
        environ: dict[str, str] | None = None,
        vast: dict[str, Any] | None = None,
        sections: dict[str, Any] | None = None,
        text: bool = False,
    ) -> Report:
        """Checks, with changes of the configuration."""
        path = self.interceptor.folder / "vast.yaml"
        if vast is not None or sections is not None:
            changed = {**self.sections, **(sections or {})}
            changed["vast"] = {**self.sections["vast"], **(vast or {})}
            path = harness.write_config(self.folder / "checked.yaml", **changed)
        return run_check(
            "--config",
            str(path),
            "--port",
            str(self.interceptor.port),
            *options,
            environ=app_environ(self.interceptor) if environ is None else environ,
            text=text,
        )

    def environ(self, **more: str) -> dict[str, str]:
        """A shell that is set up, and what is different in it."""
        return app_environ(self.interceptor, **more)


def sections_for(standin: StandIn, ca: Path, **more: Any) -> dict[str, Any]:
    """A configuration with which all is well."""
    return {
        "vast": harness.vast_section(
            standin,
            ca,
            console_url=standin.url,
            route_url=standin.url,
            timeout={"total": 1},
            **more,
        )
    }


@contextmanager
def interceptor_for(
    folder: Path, sections: dict[str, Any], *options: str, **environ: str
) -> Iterator[Setup]:
    """A `vast-intercept serve` of one's own."""
    with harness.intercept(
        folder, sections, *options, kind="serve", environ=environ
    ) as interceptor:
        yield Setup(interceptor, sections, folder)


@pytest.fixture(scope="session")
def _setup(
    _standin: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setup]:
    sections = sections_for(_standin, certs.ca)
    with interceptor_for(tmp_path_factory.mktemp("check"), sections) as setup:
        yield setup


@pytest.fixture
def setup(_setup: Setup, standin: StandIn, tmp_path: Path) -> Setup:
    """All is well: an interceptor in front of the stand-in."""
    del standin
    return Setup(_setup.interceptor, _setup.sections, tmp_path)


class _Web(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<h1>It works!</h1>"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that does not trust this leaves in the handshake."""


@contextmanager
def web_server(certificate: Path | None = None, key: Path | None = None) -> Iterator[int]:
    """Something else that speaks HTTP, perhaps over TLS, at the port."""
    server = _Quiet(("127.0.0.1", 0), _Web)
    if certificate:
        tls = create_default_context(Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
