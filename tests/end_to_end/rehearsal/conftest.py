"""One recording of the program, and what rehearses it."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ... import harness
from ...fixtures.workers import serverless, standin_with
from ...harness import APP_KEY, VAST_KEY, Certificates, StandIn, body_of
from .cases import PROVIDER_S_SCRIPT, VAST_S_SCRIPT
from .provider import provider_with

_SECONDS = 60
_PROGRAM = Path(__file__).with_name("program.py")


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    output: str
    errors: str

    @property
    def report(self) -> dict[str, Any]:
        """What `--json` has printed, which must be nothing else."""
        read: dict[str, Any] = json.loads(self.output)
        return read


@dataclass(frozen=True)
class Recorded:
    """The recording, and what came of the program and at its provider meanwhile."""

    path: Path
    ran: Ran
    #: Path and key of each call that reached the provider.
    received: list[tuple[str, str]]


@dataclass(frozen=True)
class Stage:
    """A folder with the recording and a configuration, in front of the stand-in for Vast."""

    folder: Path
    standin: StandIn
    recording: Path

    def start(self, *options: str, recording: Path | None = None) -> subprocess.Popen[str]:
        """Starts a rehearsal that asks nothing."""
        config = str(self.folder / "vast.yaml")
        return self._start("rehearse", recording, "--yes", "--config", config, *options)

    def _start(self, command: str, recording: Path | None, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [harness.tool("vast-intercept"), command, str(recording or self.recording), *options],
            env=harness.clean_environ(VAST_API_KEY=VAST_KEY, HOME=str(self.folder / "home")),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
        )

    def rehearse(self, *options: str, recording: Path | None = None) -> Ran:
        """Rehearses to the end."""
        return ended(self.start(*options, recording=recording))

    def export(self, *options: str) -> Ran:
        """Exports the recording."""
        return ended(self._start("export", None, *options))

    def sent(self, status: int | None = None) -> list[str]:
        """What workers were asked for, oldest first, of all calls or of those with a status."""
        return [
            json.dumps(json.loads(body_of(call))["payload"])
            for call in self.standin.calls()
            if call["path"].startswith("/v1/") and status in {None, call["status"]}
        ]

    def copy(self, name: str) -> Path:
        """The recording under another name, which has not been rehearsed."""
        return Path(shutil.copy(self.recording, self.folder / name))


def ended(process: subprocess.Popen[str]) -> Ran:
    """Waits for the end."""
    try:
        output, errors = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        output, errors = process.communicate()
        raise AssertionError(f"does not end:\n{output}\n{errors}") from None
    return Ran(process.returncode, output, errors)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all is written."""
    folder = tmp_path_factory.mktemp("rehearsal")
    (folder / "home").mkdir()
    return folder


@pytest.fixture(scope="module")
def recorded(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The program's calls, recorded by a command as a person types it."""
    certs = harness.certificate(tmp_path_factory.mktemp("provider"), "api.openai.com")
    with provider_with(PROVIDER_S_SCRIPT, certs) as provider:
        process = subprocess.Popen(
            [
                *(harness.tool("vast-intercept"), "record", "-w", "calls.flows"),
                *("--set", f"confdir={folder / 'home'}"),
                *("--set", f"ssl_verify_upstream_trusted_ca={certs.ca}"),
                *("--", sys.executable, str(_PROGRAM)),
            ],
            env=harness.clean_environ(
                HTTPS_PROXY=provider.proxy, OPENAI_API_KEY=APP_KEY, HOME=str(folder / "home")
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
        ran = ended(process)
        assert ran.code == 0, ran.errors
        return Recorded(folder / "calls.flows", ran, list(provider.received))


@pytest.fixture(scope="module")
def _stage(folder: Path, recorded: Recorded, certs: Certificates) -> Iterator[Stage]:
    routes = ("embeddings", "images/generations")
    with standin_with(certs, "--routes", ",".join(f"/v1/{each}" for each in routes)) as standin:
        harness.write_config(
            folder / "vast.yaml",
            vast=serverless(standin, certs.ca),
            endpoints={harness.ENDPOINT: {"serves": list(routes)}},
            # Recorded calls have no key any more, and are made all the same.
            clients={"keys": [{"name": "somebody", "sha256": "0" * 64}]},
        )
        yield Stage(folder, standin, recorded.path)


@pytest.fixture
def stage(_stage: Stage) -> Stage:
    """One on which Vast plays its script from the beginning, with which all is well."""
    _stage.standin.clear_faults()
    _stage.standin.play(replies=VAST_S_SCRIPT)
    _stage.standin.forget_calls()
    return _stage
