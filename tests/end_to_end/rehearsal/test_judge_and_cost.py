"""A rehearsal with a judge on another endpoint, and with the price that Vast's console shows."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ... import harness
from ...fixtures.workers import WORKERS
from ...harness import VAST_KEY, Certificates, StandIn
from ...rehearsal.recordings.files import entry, har

_SECONDS = 60
JUDGE = "big-one"
MODEL = "gpt-4o-mini-2024-07-18"

# Of each question: what the provider said, and what Vast says.
ASKED = {
    "What is a hash?": ("A number.", "A short number made of data."),
    "What is a lock?": ("Something.", "Something else."),
    "What is a key?": ("It opens locks.", "It opens locks."),
}


def _rule(to: str, text: str) -> dict[str, Any]:
    return {"to": to, "answers": [{"text": text}]}


def _chooses(first: str, choice: str) -> dict[str, Any]:
    """What the judge says if this answer stands first."""
    return _rule(f"\n{first}\n=== end of the first answer", json.dumps({"better": choice}))


# The judge prefers Vast's hash wherever it stands, and of locks whatever stands first.
SCRIPT = [
    _chooses("A number.", "second"),
    _chooses("A short number made of data.", "first"),
    _chooses("Something.", "first"),
    _chooses("Something else.", "first"),
    *(_rule(question, vast) for question, (_, vast) in ASKED.items()),
]


def _recorded(question: str, answer: str) -> dict[str, Any]:
    request = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}]}
    response = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 1_000_000,
            "completion_tokens": 100_000,
            "total_tokens": 1_100_000,
            "prompt_tokens_details": {"cached_tokens": 200_000},
        },
    }
    return entry(
        request__postData__text=json.dumps(request),
        response__content__text=json.dumps(response),
    )


@dataclass(frozen=True)
class Ran:
    """A rehearsal that has ended, and the paths of the calls that Vast got."""

    code: int
    report: dict[str, Any]
    errors: str
    paths: Sequence[str]


class Stage:
    """A recording, in front of the stand-in for Vast."""

    def __init__(self, folder: Path, vast: StandIn, ca: Path) -> None:
        self.folder, self._vast = folder, vast
        urls = {"console_url": vast.url, "route_url": vast.url}
        harness.write_config(folder / "vast.yaml", vast=harness.vast_section(vast, ca, **urls))
        calls = [_recorded(question, provider) for question, (provider, _) in ASKED.items()]
        (folder / "calls.har").write_text(har(*calls), "utf-8")

    def rehearse(self, *options: str) -> Ran:
        """Rehearses it."""
        self._vast.forget_calls()
        ran = subprocess.run(
            [
                *(harness.tool("vast-intercept"), "rehearse", "calls.har", "--yes", "--json"),
                *("--config", "vast.yaml", *options),
            ],
            env=harness.clean_environ(VAST_API_KEY=VAST_KEY, HOME=str(self.folder)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=_SECONDS,
            check=False,
        )
        paths = [call["path"] for call in self._vast.calls() if "chat" in call["path"]]
        report = json.loads(ran.stdout) if ran.stdout else {}
        return Ran(ran.returncode, report, ran.stderr, paths)


@pytest.fixture
def stage(tmp_path: Path, vast: StandIn, certs: Certificates) -> Iterator[Stage]:
    vast.play(replies=SCRIPT)
    yield Stage(tmp_path, vast, certs.ca)
    vast.play()


def test_a_judge_is_asked_once_in_each_order_and_costs_have_their_assumptions(
    stage: Stage,
) -> None:
    first = stage.rehearse("--judge", JUDGE, "--fail-under", "served=1,exact=0.5")
    assert first.code == 0, first.errors
    assert first.report["judgement"] == {
        "endpoint": JUDGE, "pairs": 3, "vast": 1, "provider": 0, "even": 1,
        "contradictory": 1, "failed": 0, "why_failed": "", "agreement": 2 / 3,
    }  # fmt: skip
    # Equal answers are not judged.
    assert sorted(first.paths) == sorted(
        [f"/{harness.ENDPOINT}/v1/chat/completions"] * 3 + [f"/{JUDGE}/v1/chat/completions"] * 4
    )
    assert "exact: no call has anything to say of it" in first.errors

    cost = first.report["cost"]
    each = 0.8 * 0.15 + 0.2 * 0.075 + 0.1 * 0.6
    assert cost["provider"]["dollars"] == pytest.approx(3 * each)
    hourly = WORKERS * 0.36
    busy = first.report["busy_seconds"]
    assert cost["vast"]["dollars"] == pytest.approx(hourly * busy / 3600)
    said = " ".join(cost["vast"]["assumptions"])
    assert f"{WORKERS} workers of {harness.ENDPOINT} ready, for $1.08 an hour in all" in said
    assert "at most 4 at a time" in said

    # All of it is kept: nothing is asked twice, of the judge neither, and a gate may fall.
    prices = "prices: {any: {gpt-4o-mini: {input: 1, output: 1}}}"
    (stage.folder / "ours.yaml").write_text(prices, "utf-8")
    again = stage.rehearse(
        *("--judge", JUDGE, "--per-hour", "36", "--prices", "ours.yaml"),
        *("--fail-under", "length=1,served=1"),
    )
    assert again.paths == []
    assert again.code == 1, again.errors
    assert "length: 2 of 3 hold; 1 is asked for, which is 3." in again.errors
    assert "served" not in again.errors.rpartition("Fell")[2]
    assert again.report["fallen_gates"] == ["length: 2 of 3 hold; 1 is asked for, which is 3."]
    assert again.report["judgement"] == first.report["judgement"]
    assert again.report["cost"]["provider"]["dollars"] == pytest.approx(3.3)
    assert again.report["cost"]["vast"]["dollars"] == pytest.approx(36 * busy / 3600)
