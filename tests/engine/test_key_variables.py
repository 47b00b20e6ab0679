"""The Vast key is in no environment that the app can read, whatever its variable is called."""

import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from .. import harness
from ..harness import Certificates, StandIn
from ..launch.wrapped import WAITING, run, wrapped

#: Prints the names of its own variables that have the key, and those of the processes from `run`
#: (or the jail's first) on that show it.
SEARCH = """
import os, psutil, sys
key = sys.stdin.readline().strip()
for name, value in os.environ.items():
    if key in value:
        print("variable", name)
names = {"vast-intercept", "inside.py"}
first = next(each for each in psutil.Process().parents()
             if names & {os.path.basename(word) for word in each.cmdline()})
for process in [first, *first.children(recursive=True)]:
    if key in str(process.environ()):
        print("process", process.name())
print("looked at", first.name() != "", os.environ["KEPT"])
"""
WAYS = pytest.mark.parametrize("way", [[], ["--jail"]], ids=["plain", "jail"])


def search(options: list[str], **variables: str) -> tuple[str, str]:
    """What a wrapped app finds of the key, and what `run` says."""
    environ = harness.clean_environ(KEPT="1", **variables)
    reading = ["sh", "-c", f'echo {harness.VAST_KEY} | "$@"', "", sys.executable, "-c", SEARCH]
    code, output, errors = run(*reading, options=options, environ=environ)
    assert code == 0, errors
    return output, errors


def config_with(folder: Path, standin: StandIn, ca: Path, **vast: Any) -> list[str]:
    section = harness.vast_section(standin, ca, **vast)
    return ["--config", str(harness.write_config(folder / "named.yaml", vast=section))]


@WAYS
def test_what_the_configuration_names(
    way: list[str],
    standin: StandIn,
    certs: Certificates,
    confdir: Path,
    tmp_path: Path,
) -> None:
    config = config_with(tmp_path, standin, certs.ca, api_key="env:MY_VAST_TOKEN")
    options = [*way, *config, "--set", f"confdir={confdir}"]
    found, _ = search(options, MY_VAST_TOKEN=harness.VAST_KEY)
    assert found == "looked at True 1\n"


def test_what_the_configuration_names_for_a_machine(
    standin: StandIn, certs: Certificates, confdir: Path, tmp_path: Path
) -> None:
    box = {"url": "https://203.0.113.7:41234", "api_key": "env:MY_BOX_TOKEN"}
    sections = {"vast": harness.vast_section(standin, certs.ca), "endpoints": {"my-box": box}}
    config = str(harness.write_config(tmp_path / "named.yaml", **sections))
    options = ["--config", config, "--set", f"confdir={confdir}"]
    key = harness.VAST_KEY  # for which the app looks
    found, errors = search(options, MY_BOX_TOKEN=key, OPENAI_API_KEY=key, VAST_API_KEY="another")
    assert found == "looked at True 1\n"
    assert "OPENAI_API_KEY holds the Vast key or a machine's" in errors


@WAYS
def test_the_usual_variable_and_one_that_holds_the_same(
    way: list[str], run_options: list[str]
) -> None:
    key = harness.VAST_KEY
    found, errors = search([*way, *run_options], VAST_API_KEY=key, OPENAI_API_KEY=key)
    assert found == "looked at True 1\n"
    assert "OPENAI_API_KEY holds the Vast key or a machine's, so the app does not get it" in errors


@WAYS
def test_no_process_that_run_has_started_shows_it(way: list[str], run_options: list[str]) -> None:
    """Seen from outside, where there are more than in the jail."""
    with wrapped("sh", "-c", WAITING, options=[*way, *run_options]) as started:
        started.wait_for_line()
        processes = [psutil.Process(started.process.pid), *started.children()]
        assert len(processes) > len(["run", "interceptor", "app"])
        assert not [each for each in processes if harness.VAST_KEY in str(each.environ())]


def test_a_variable_that_holds_what_a_file_has(
    standin: StandIn, certs: Certificates, confdir: Path, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(harness.VAST_KEY)
    config = config_with(tmp_path, standin, certs.ca, api_key=f"file:{tmp_path}/key")
    found, _ = search([*config, "--set", f"confdir={confdir}"], COPY=harness.VAST_KEY)
    assert found == "looked at True 1\n"


def test_what_an_interceptor_that_runs_already_names(
    vast_section: dict[str, Any], tmp_path: Path
) -> None:
    config = {"vast": {**vast_section, "api_key": "env:MY_VAST_TOKEN"}}
    key = harness.VAST_KEY
    environ = {"MY_VAST_TOKEN": key, "VAST_API_KEY": ""}
    with harness.intercept(tmp_path, config, kind="serve", environ=environ) as serve:
        found, _ = search(["--attach", str(serve.port)], MY_VAST_TOKEN=key)
        assert key not in Path(f"/proc/{serve.process.pid}/environ").read_text()
    assert found == "looked at True 1\n"


def test_dry_run_says_it(tmp_path: Path) -> None:
    config = harness.write_config(tmp_path / "vast.yaml", vast={"api_key": "env:MY_VAST_TOKEN"})
    environ = harness.clean_environ(MY_VAST_TOKEN="x", VAST_INTERCEPT_CONFIG=str(config))
    _, output, _ = run("app", options=["--dry-run"], environ=environ)
    assert output.startswith("unset MY_VAST_TOKEN\nexport ")
