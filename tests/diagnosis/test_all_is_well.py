"""With nothing broken, every step passes; and what is shown, and how."""

import json
import subprocess
from pathlib import Path

from .. import harness
from ..harness import VAST_KEY, StandIn, unused_port
from .conftest import ONLINE, STEPS, Setup, bare_environ, run_check


def test_every_step_passes(setup: Setup) -> None:
    report = setup.check()
    assert report.named("passed") == set(STEPS), report.output
    assert list(report.steps) == STEPS
    assert report.code == 0
    for step in report.steps.values():
        assert set(step) == {"name", "status", "milliseconds", "message", "details", "advice"}
        assert 0 <= step["milliseconds"] < 10_000
    assert report.steps["key"]["message"] == "***wxyz, from VAST_API_KEY"
    assert "answered by my-endpoint" in report.steps["whole_call"]["message"]
    assert "first token after" in report.steps["streamed_call"]["message"]
    assert "response.completed, the first token" in report.steps["responses_call"]["message"]
    assert "1 idle" in report.steps["workers"]["message"]


def test_the_serverless_interface_is_checked_too(setup: Setup) -> None:
    report = setup.check(vast={"interface": "serverless", "openai_url": "https://nowhere.invalid"})
    assert report.named("passed") == set(STEPS), report.output


def test_people_get_a_line_for_each_step(setup: Setup) -> None:
    report = setup.check(text=True)
    assert report.code == 0
    lines = report.output.splitlines()
    marked = [line for line in lines if line.startswith(("✓", "✗", "–"))]  # noqa: RUF001
    assert [line.split("  ")[0] for line in marked] == [
        f"✓ {name.replace('_', ' ')}" for name in STEPS
    ]
    assert all(" ms  " in line for line in marked)
    assert lines[-1] == "All is well."


def test_the_output_is_ascii_where_it_must_be(setup: Setup) -> None:
    folder = setup.folder / "Straße"
    folder.mkdir()
    config = harness.write_config(folder / "vast.yaml", **setup.sections)
    report = run_check(
        "--offline",
        "--config",
        str(config),
        "--port",
        str(unused_port()),
        environ=setup.environ(PYTHONIOENCODING="ascii"),
        text=True,
    )
    assert report.output.isascii()
    marks = [line.split()[0] for line in report.output.splitlines() if line[:1].strip()]
    assert marks[:2] == ["ok", "ok"]
    assert "FAIL" in marks
    assert "Stra\\xdfe" in report.output


def test_each_value_has_its_origin(setup: Setup) -> None:
    report = setup.check(
        vast={"interface": "openai"}, environ=setup.environ(VAST_ENDPOINT="big-one")
    )
    details = {line.split()[0]: line for line in report.steps["configuration"]["details"]}
    assert details["endpoint"].split() == ["endpoint", "big-one", "(VAST_ENDPOINT)"]
    assert details["interface"].split() == ["interface", "openai", "(file)"]
    assert details["api_key"].split() == ["api_key", "***wxyz", "(VAST_API_KEY)"]
    assert details["openai_url"].endswith("(file)")
    assert details["providers"].split() == ["providers", "openai", "(default)"]
    report = setup.check("--endpoint", "big-one")
    assert report.code == 0
    assert "endpoint     big-one  (--endpoint)" in report.steps["configuration"]["details"]


def test_a_key_may_come_from_a_file(setup: Setup) -> None:
    key = setup.folder / "key"
    key.write_text(f"{VAST_KEY}\n")
    report = setup.check(vast={"api_key": f"file:{key}"}, environ=setup.environ(VAST_API_KEY=""))
    assert report.steps["key"]["message"] == f"***wxyz, from {key}"
    report = setup.check(vast={"api_key": VAST_KEY}, environ=setup.environ(VAST_API_KEY=""))
    assert report.steps["key"]["status"] == "passed"
    assert "holds the key itself" in report.steps["key"]["advice"]
    assert "api_key      ***wxyz  (file)" in report.steps["configuration"]["details"]


def test_offline_needs_no_vast(setup: Setup) -> None:
    nowhere = dict.fromkeys(("openai_url", "route_url", "console_url"), "https://nowhere.invalid")
    report = setup.check("--offline", vast=nowhere)
    assert report.code == 0
    assert report.named("skipped") == ONLINE
    assert report.named("failed") == set()


def test_another_configuration_is_told_of(setup: Setup) -> None:
    report = setup.check("--offline", vast={})
    assert report.code == 0
    advice = report.steps["interceptor"]["advice"]
    assert f"--config {setup.interceptor.folder / 'vast.yaml'}" in advice


def test_cold_workers_are_told_of(setup: Setup, standin: StandIn) -> None:
    standin.set_worker(0, "cold")
    try:
        report = setup.check()
    finally:
        standin.set_worker(0, "ready")
    assert report.steps["workers"]["status"] == "passed"
    assert "1 stopped" in report.steps["workers"]["message"]
    assert "cold start" in report.steps["workers"]["advice"]


def test_what_vast_does_not_tell_of_the_workers_fails_nothing(
    setup: Setup, standin: StandIn
) -> None:
    standin.override("workers", status=500)
    report = setup.check()
    assert report.code == 0
    assert report.named("skipped") == {"workers"}
    assert "Vast does not say what the workers do" in report.steps["workers"]["message"]


def test_the_advice_for_a_bare_shell_sets_it_up(setup: Setup) -> None:
    config = str(setup.interceptor.folder / "vast.yaml")
    port = str(setup.interceptor.port)
    options = ("--config", config, "--port", port)
    environ = bare_environ(PATH=f"{Path(harness.tool('vast-intercept')).parent}:/usr/bin:/bin")
    report = run_check(*options, environ=environ)
    advice = report.only_failure("variables").splitlines()[-1]
    assert advice == f'eval "$(vast-intercept env --port {port})"'
    done = subprocess.run(
        ["sh", "-c", f"{advice} && vast-intercept check --json --config {config} --port {port}"],
        env=environ,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert json.loads(done.stdout)["ok"] is True, done.stdout


def test_wrong_use_exits_with_2() -> None:
    for options in (["--port", "0"], ["something"]):
        assert run_check(*options, environ=bare_environ(), text=True).code == 2
