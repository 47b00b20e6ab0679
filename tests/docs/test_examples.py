"""docs/examples: what is in these files fits the program, and each other."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from vast_intercept.certificates.trust_files import files_in
from vast_intercept.config import VastSection
from vast_intercept.launch.variables import app_variables

from ..harness import ENDPOINT, PROJECT, VAST_KEY
from .machine import Machine

EXAMPLES = PROJECT / "docs" / "examples"
# What clients have left to take their answers, and what comes after that.
_LAST_SECONDS = 10
_CONTAINER_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """Compose's."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((EXAMPLES / "compose.yaml").read_text())[
        "services"
    ]
    return services


def variables(path: Path) -> dict[str, str]:
    """A file with one variable a line, as Docker reads it."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


class TestUnit:
    FILE = EXAMPLES / "vast-intercept.service"

    def test_gives_calls_the_time_that_they_have(self) -> None:
        (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", self.FILE.read_text(), re.MULTILINE)
        assert int(seconds) >= VastSection().drain + _LAST_SECONDS

    def test_is_one_that_systemd_understands_and_finds_safe(self, machine: Machine) -> None:
        if not shutil.which("systemd-analyze"):
            pytest.skip("systemd-analyze is not here; on Debian: apt-get install systemd")
        unit = "/etc/systemd/system/vast-intercept.service"
        program = "/opt/vast-intercept/bin/vast-intercept"
        machine.run(f"install -D -m 644 {self.FILE} {unit}; install -D /bin/true {program}")
        assert machine.run(f"systemd-analyze verify --man=no {unit}") == ""
        machine.run(f"systemd-analyze security --offline=true --threshold=20 {unit}")  # of 100
        machine.run(f"rm -r {unit} /opt/vast-intercept")


def test_the_image_is_made_from_one_that_stays_the_same() -> None:
    (base,) = re.findall(r"^FROM (.+)$", (EXAMPLES / "Dockerfile").read_text(), re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+-slim@sha256:[0-9a-f]{64}", base)


class TestCompose:
    def test_gives_calls_the_time_that_they_have(self, services: dict[str, dict[str, Any]]) -> None:
        seconds = int(services["interceptor"]["stop_grace_period"].removesuffix("s"))
        assert seconds >= VastSection().drain + _LAST_SECONDS

    def test_the_app_has_the_variables_that_it_needs(
        self, services: dict[str, dict[str, Any]]
    ) -> None:
        trust, folder, _ = services["app"]["volumes"][0].split(":")
        assert f"{trust}:{folder}" in services["interceptor"]["volumes"]
        expected = app_variables("http://127.0.0.1:8080", files_in(Path(folder)), {})
        assert variables(EXAMPLES / services["app"]["env_file"]) == expected

    def test_the_interceptor_and_the_app_work_together(
        self, services: dict[str, dict[str, Any]], machine: Machine
    ) -> None:
        """Without containers: their commands, with nothing but their variables."""
        dockerfile = (EXAMPLES / "Dockerfile").read_text()
        (command,) = re.findall(r"^CMD (.+)$", dockerfile, re.MULTILINE)
        set_there = dict(re.findall(r"^ENV (\w+)=(.+)$", dockerfile, re.MULTILINE))
        given = {"VAST_API_KEY": VAST_KEY, "VAST_ENDPOINT": ENDPOINT}
        assert services["interceptor"]["environment"] == list(given)
        path = {"PATH": f"{machine.environ['PATH']}:{_CONTAINER_PATH}"}
        environ = {**path, **set_there, **given}
        kind, *check = services["interceptor"]["healthcheck"]["test"]
        assert kind == "CMD"
        with machine.running(shlex.join(json.loads(command)), environ):
            machine.run(shlex.join(check), environ)
            app = {**path, **variables(EXAMPLES / services["app"]["env_file"])}
            assert machine.run("python legacy.py", app) == "You said: hello there\n"
        assert len(machine.calls()) == 1
