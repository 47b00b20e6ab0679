"""Results belong to the settings that decide them, and to no key."""

from pathlib import Path
from typing import Any

import pytest

from vast_intercept.config import load_config
from vast_intercept.rehearsal.replaying.settings_digest import settings_digest

from ...harness import write_config

BOX = {"box": {"url": "https://box.test", "api_key": "env:BOX_KEY", "serves": ["embeddings"]}}


@pytest.fixture
def digest(tmp_path: Path) -> Any:
    def of(environ: dict[str, str] | None = None, endpoint: str = "e", **sections: Any) -> str:
        written = {"vast": {"endpoint": "e"}, "endpoints": BOX} | sections
        path = write_config(tmp_path / "vast.yaml", **written)
        environ = {"VAST_API_KEY": "k" * 40, "BOX_KEY": "b" * 40} | (environ or {})
        return settings_digest(load_config(path, environ, endpoint=endpoint))

    return of


def test_the_same_settings_have_the_same_digest(digest: Any) -> None:
    assert digest() == digest()


@pytest.mark.parametrize(
    "changed",
    [
        {"environ": {"VAST_API_KEY": "another" * 8, "BOX_KEY": "another" * 8}},
        {"inspect": {"port": 0, "keep_flows": 10}},
        {"clients": {"keys": [{"name": "a", "sha256": "0" * 64}]}},
        {"vast": {"endpoint": "e", "drain": 1}},
        {"models": ["a-name"]},
    ],
)
def test_keys_and_what_is_shown_decide_nothing(digest: Any, changed: dict[str, Any]) -> None:
    assert digest(**changed) == digest()


@pytest.mark.parametrize(
    "changed",
    [
        {"endpoint": "another"},
        {"vast": {"endpoint": "e", "interface": "serverless"}},
        {"vast": {"endpoint": "e", "openai_url": "https://elsewhere.test"}},
        {"vast": {"endpoint": "e", "timeout": {"total": 7}}},
        {"routes": [{"model": "*", "endpoint": "e", "fallback": ["box"]}]},
        {"unsupported": {"files": "pass"}},
        {"responses": {"builtin_tools": "reject"}},
        {"endpoints": {"box": BOX["box"] | {"url": "https://another.test"}}},
        {"endpoints": {"box": BOX["box"] | {"serves": ["rerank"]}}},
    ],
)
def test_what_becomes_of_calls_decides(digest: Any, changed: dict[str, Any]) -> None:
    assert digest(**changed) != digest()
