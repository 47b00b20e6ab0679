"""Unchanged apps with their defaults in front of the stand-in, and what became of their calls.

An app has a home of its own, with nothing in it, and finds its key in its environment. It cannot
leave the machine: the interceptor refuses connections to hosts that are not the providers', answers
itself what is no call of the provider's API, and no connection of its own may leave the machine.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import harness
from ...harness import APP_KEY, ENDPOINT, VAST_KEY, Certificates, Interceptor, StandIn

ANTHROPIC_KEY = "sk-ant-0123456789abcdefghijklmnopqrstuvwxyz"
_SECONDS = 90
_GUARD = """\
import logging

from mitmproxy import http

def http_connect(flow):
    if flow.request.host not in ("api.openai.com", "api.anthropic.com"):
        flow.response = http.Response.make(403)

def request(flow):
    if flow.request.path.startswith("/api/"):
        flow.response = http.Response.make(404)

def server_connect(data):
    if data.server.address[0] not in ("localhost", "127.0.0.1"):
        logging.warning("a connection to %s", data.server.address)
        data.server.error = "No test leaves this machine."
"""


# What `run` says at the end of an app.
_SUMMARY = re.compile(
    r"^vast-intercept: ([\d,]+) calls?, .* ([\d,]+) refused, ([\d,]+) errors?", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Ran:
    """An app that has come to its end."""

    output: str
    #: Its calls that were answered well, that were refused, and that failed.
    served: int
    refused: int
    failed: int


@dataclass(frozen=True, slots=True)
class Apps:
    """Runs apps through an interceptor that serves both providers."""

    interceptor: Interceptor
    standin: StandIn

    def run(self, folder: Path, *command: str, **environ: str) -> Ran:
        """Runs an app in a folder, to its end, which must be good."""
        home = folder.parent / f"{folder.name}-home"
        home.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        run = [harness.tool("vast-intercept"), "run", "--attach", str(self.interceptor.port)]
        done = subprocess.run(
            [*run, "--", *command],
            cwd=folder,
            env=kept | {"HOME": str(home), "TERM": "dumb"} | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        print(done.stderr)  # which pytest shows if the test fails
        summary = _SUMMARY.search(done.stderr)
        assert summary, done.stderr
        calls, refused, failed = (int(number.replace(",", "")) for number in summary.groups())
        return Ran(done.stdout, calls - refused - failed, refused, failed)

    def asked(self) -> list[dict[str, Any]]:
        """The chat completions that the stand-in was asked for, each with Vast's key alone."""
        bodies = []
        for call in self.standin.calls():
            assert call["path"] == f"/{ENDPOINT}/v1/chat/completions"
            headers = [(name.lower(), value) for name, value in call["headers"]]
            keys = [value for name, value in headers if name in ("authorization", "x-api-key")]
            assert keys == [f"Bearer {VAST_KEY}"]
            assert APP_KEY not in str(headers)
            assert ANTHROPIC_KEY not in str(headers)
            bodies.append(json.loads(harness.body_of(call)))
        return bodies


@contextmanager
def apps_through(
    folder: Path, standin: StandIn, certs: Certificates, **sections: object
) -> Iterator[Apps]:
    """Runs an interceptor for apps."""
    guard = folder / "guard.py"
    guard.write_text(_GUARD)
    vast = harness.vast_section(standin, certs.ca, timeout={"total": 30})
    config = {"providers": ["openai", "anthropic"], "vast": vast, **sections}
    options = ["-s", str(guard), "--set", "vast_log=json"]
    with harness.intercept(folder, config, *options, kind="serve") as interceptor:
        yield Apps(interceptor, standin)
        assert "a connection to" not in interceptor.output
