"""A public conformance suite of the APIs, `llm-comply`, against the interceptor.

docs/calls.md has the table of what it finds, with the reason of each exception.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from .. import harness
from ..fixtures.workers import serverless, standin_with
from ..harness import APP_KEY, ENDPOINT, PROJECT, Certificates, StandIn
from .clients import environments

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),  # on first use, it is installed
]

FORMATS = {
    "open-responses": ("https://api.openai.com", "gpt-5"),
    "openai-chat": ("https://api.openai.com", "gpt-5"),
    "anthropic": ("https://api.anthropic.com", "claude-opus-4-5"),
}
# What vLLM has as null where OpenAI's description has no null. Its answers reach apps unchanged.
NULLS = frozenset(
    {
        *("choices.0.message.annotations", "choices.0.message.function_call", "service_tier"),
        *("usage.completion_tokens_details", "usage.prompt_tokens_details"),
    }
)
_EXCEPTION = re.compile(
    rf"^\| `(?P<format>{'|'.join(FORMATS)})` \| (?P<tests>`[^|]+`) \| [^|]{{20,}} \|$", re.MULTILINE
)


@pytest.fixture(scope="module")
def _standin(certs: Certificates) -> Iterator[StandIn]:
    """One whose model sees images."""
    with standin_with(certs, "--input-modality", "image") as standin:
        yield standin


def exceptions() -> dict[str, set[str]]:
    """The tests that fail, by format, as the documentation has them."""
    page = (PROJECT / "docs" / "calls.md").read_text("utf-8")
    found: dict[str, set[str]] = {name: set() for name in FORMATS}
    for row in _EXCEPTION.finditer(page):
        found[row["format"]] |= set(re.findall(r"`([\w-]+)`", row["tests"]))
    return found


def run(form: str, standin: StandIn, certs: Certificates, folder: Any) -> list[dict[str, Any]]:
    """What each of its tests came to."""
    suite = environments.python("llm_comply")
    config = {
        "vast": serverless(standin, certs.ca, timeout={"total": 20}),
        "providers": ["openai", "anthropic"],
        "endpoints": {ENDPOINT: {"input_modalities": ["image"]}},
    }
    url, model = FORMATS[form]
    # It knows of no proxies.
    with harness.intercept(folder, config, "--mode", f"reverse:{url}") as interceptor:
        done = subprocess.run(
            [
                *(suite, "-m", "llm_comply.cli", "--json", "--format", form, "--model", model),
                *("--base-url", f"{interceptor.url}/v1", "--api-key", APP_KEY),
            ],
            capture_output=True,
            env=harness.clean_environ(),
            timeout=120,
            check=False,
        )
    assert done.stdout, done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    return results


@pytest.mark.parametrize("form", FORMATS)
def test_all_pass_but_what_the_documentation_explains(
    form: str, standin: StandIn, certs: Certificates, tmp_path: Any
) -> None:
    results = run(form, standin, certs, tmp_path)
    assert len(results) >= 9
    failed = {each["id"]: each["errors"] for each in results if each["status"] != "passed"}
    assert set(failed) == exceptions()[form], failed
    for name, errors in failed.items():
        if "error-handling" in name:
            assert errors == ["HTTP 200 (expected [400, 422])"]
        else:
            nulls = {error.partition(": None is not ")[0] for error in errors}
            assert nulls <= NULLS, errors
