"""`vast-intercept check` where calls go to machines of one's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .. import harness
from ..end_to_end.pyworker import worker_certificate
from ..fixtures.watching import Dashboard
from ..harness import Certificates, StandIn
from .conftest import Report, bare_environ, run_check

BOX_KEY = "box-0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def _parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandIn, Path]]:
    """A machine with a certificate of Vast's root, and the root."""
    certs = Certificates(*worker_certificate(tmp_path_factory.mktemp("certificates")))
    box = StandIn(
        *("--machine-key", BOX_KEY),
        *("--tls-cert", str(certs.certificate), "--tls-key", str(certs.key)),
        scheme="https",
    )
    yield box, certs.ca
    box.stop()


@pytest.fixture(scope="module")
def _console(_parts: tuple[StandIn, Path]) -> Iterator[StandIn]:
    console = StandIn("--root-cert", str(_parts[1]))
    yield console
    console.stop()


@pytest.fixture
def root(_parts: tuple[StandIn, Path]) -> Path:
    """Vast's root in a file."""
    return _parts[1]


@pytest.fixture
def config(_parts: tuple[StandIn, Path], _console: StandIn) -> dict[str, Any]:
    """A machine is the default, and Vast has nothing to do but to have its root."""
    box = {"url": _parts[0].url, "api_key": "env:BOX_KEY"}
    return {
        "vast": {"endpoint": "my-box", "console_url": _console.url},
        "endpoints": {"my-box": box},
    }


def check(folder: Path, config: dict[str, Any], *options: str, key: str = BOX_KEY) -> Report:
    path = harness.write_config(folder / "checked.yaml", **config)
    environ = bare_environ(BOX_KEY=key)
    del environ["VAST_API_KEY"]
    report = run_check("--config", str(path), *options, environ=environ)
    assert BOX_KEY not in report.output
    return report


def test_a_machine_alone_needs_nothing_of_vast(config: dict[str, Any], tmp_path: Path) -> None:
    """Also not its key, neither here nor where the interceptor runs."""
    variables = {"VAST_API_KEY": "", "BOX_KEY": BOX_KEY}
    dashboard = Dashboard(harness.unused_port())
    served = {**config, "inspect": {"port": dashboard.port}}
    with harness.intercept(tmp_path / "confdir", served, environ=variables) as interceptor:
        assert dashboard.wait().get("/readyz").status_code == 200
        report = check(tmp_path, config, "-p", str(interceptor.port))
    assert "There is no Vast API key" not in interceptor.output
    steps = report.steps
    failed = report.named("failed")
    assert failed <= {"variables"}, report.output
    assert steps["key"]["message"] == "***wxyz for my-box"
    assert "localhost is" in steps["names"]["message"]
    assert "my-box: localhost:" in steps["tls"]["message"]
    assert "'Vast.ai root of the tests'" in steps["tls"]["message"]
    assert steps["endpoint"]["status"] == "skipped"
    assert "answered by my-box" in steps["whole_call"]["message"]
    details = "\n".join(steps["configuration"]["details"])
    assert f"endpoints    my-box at {config['endpoints']['my-box']['url']}" in details


def failing(folder: Path, config: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The steps, where no interceptor runs."""
    port = str(harness.unused_port())
    return check(folder, config, "-p", port, **options).steps


def test_a_key_that_is_missing_is_named(config: dict[str, Any], tmp_path: Path) -> None:
    key = failing(tmp_path, config, key="")["key"]
    assert key["status"] == "failed"
    assert "machine 'my-box' (endpoints.my-box.api_key)" in key["message"]
    assert "BOX_KEY is not set" in key["message"]


def test_a_certificate_of_somebody_else_s_is_a_problem_of_the_machine(
    config: dict[str, Any], tmp_path: Path, standin: StandIn
) -> None:
    config["endpoints"]["my-box"]["url"] = standin.url
    tls = failing(tmp_path, config)["tls"]
    assert tls["status"] == "failed"
    assert tls["message"].startswith("the machine 'my-box': the certificate of localhost:")
    assert "CA that is not trusted here" in tls["message"]


def test_a_machine_that_is_off_is_named(config: dict[str, Any], tmp_path: Path) -> None:
    config["endpoints"]["my-box"]["url"] = f"http://127.0.0.1:{harness.unused_port()}"
    tls = failing(tmp_path, config)["tls"]
    assert tls["status"] == "failed"
    assert "the machine 'my-box': 127.0.0.1:" in tls["message"]
    assert "refuses connections" in tls["message"]


def test_vast_s_root_in_a_file_is_taken_as_calls_take_it(
    config: dict[str, Any], tmp_path: Path, root: Path
) -> None:
    config["vast"] |= {"ca_file": str(root), "console_url": "http://127.0.0.1:1"}
    tls = failing(tmp_path, config)["tls"]
    assert tls["status"] == "passed", tls
    assert "'Vast.ai root of the tests'" in tls["message"]
