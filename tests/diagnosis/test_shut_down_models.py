"""Models that apps ask for and that their provider has shut down are named."""

from pathlib import Path
from typing import Any

import pytest
import requests

from .. import harness
from ..fixtures.watching import Dashboard
from ..harness import use
from .conftest import app_environ, run_check


def test_the_dashboard_and_the_check_name_them(
    vast_section: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dashboard = Dashboard(harness.unused_port())
    config = {"vast": vast_section, "inspect": {"port": dashboard.port}}
    with harness.intercept(tmp_path, config) as interceptor:
        use(interceptor, monkeypatch)
        dashboard.wait()
        url = "https://api.openai.com/v1/completions"
        assert requests.post(url, json={"model": "gpt-4o", "prompt": "x"}, timeout=30).ok
        assert dashboard.state()["notices"] == []
        for model in ("gpt-4", "text-davinci-003", "gpt-4"):
            assert requests.post(url, json={"model": model, "prompt": "x"}, timeout=30).ok
        (notice,) = dashboard.state()["notices"]
        named = "gpt-4 (openai, 2026-10-23), text-davinci-003 (openai, 2024-01-04)"
        assert named in notice
        options = ("--offline", "--config", str(tmp_path / "vast.yaml"))
        report = run_check(
            *options, "--port", str(interceptor.port), environ=app_environ(interceptor)
        )
        step = report.steps["interceptor"]
        assert step["status"] == "passed"
        assert named in step["advice"]
