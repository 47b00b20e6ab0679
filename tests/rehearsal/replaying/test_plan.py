"""What a rehearsal says that it will do: numbers that can be checked by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from vast_intercept.config import Config, load_config
from vast_intercept.openai_api.operations import Operation
from vast_intercept.rehearsal.calls import Answer, RecordedCall
from vast_intercept.rehearsal.replaying.announcing import announced
from vast_intercept.rehearsal.replaying.plan import Plan, Planning, prompt_tokens
from vast_intercept.rehearsal.replies.reading import read_wish
from vast_intercept.rehearsal.report.report import Money

from ...harness import write_config


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = write_config(
        tmp_path / "vast.yaml",
        vast={"endpoint": "small", "interface": "serverless"},
        routes=[{"model": "gpt-4*", "endpoint": "big", "fallback": ["provider"]}],
        endpoints={"embedder": {"serves": ["embeddings"]}},
    )
    return load_config(path, {})


def call(path: str, seconds: float | None = None, **body: Any) -> RecordedCall:
    answer = None if seconds is None else Answer(status=200, duration=seconds)
    return RecordedCall(
        place="",
        method="POST",
        url=f"https://api.openai.com{path}",
        headers=(("content-type", "application/json"),),
        body=json.dumps(body).encode(),
        answer=answer,
    )


def chat(model: str, seconds: float | None = None, text: str = "x" * 400) -> RecordedCall:
    messages = [{"role": "user", "content": text}]
    return call("/v1/chat/completions", seconds, model=model, messages=messages)


def plan(config: Config, *calls: RecordedCall, runs: int = 1, concurrency: int = 2) -> Plan:
    planning = Planning(config=config, runs=runs, concurrency=concurrency)
    for each in calls:
        planning.add(each, read_wish(each))
    return planning.plan()


def test_calls_are_counted_by_operation_and_by_the_endpoint_that_they_go_to(
    config: Config,
) -> None:
    made = plan(
        config,
        chat("gpt-4o"),
        chat("gpt-4o-mini"),
        chat("gpt-3.5"),
        call("/v1/responses", model="gpt-4o", input="hi"),
        call("/v1/embeddings", model="e", input="hi"),
        call("/v1/images/generations", prompt="a cat"),
    )
    assert made.operations == {
        Operation.CHAT_COMPLETIONS: 3,
        Operation.RESPONSES: 1,
        Operation.EMBEDDINGS: 1,
        Operation.IMAGES_GENERATIONS: 1,
    }
    assert made.endpoints == ("big", "small", "embedder")
    assert (made.calls, made.in_all) == (6, 6)


def test_time_is_that_of_the_provider_shared_by_the_calls_at_a_time(config: Config) -> None:
    made = plan(config, chat("a", 3.0), chat("a", 1.0), chat("a"), runs=4, concurrency=3)
    assert made.seconds == pytest.approx((3 + 1 + 2) * 4 / 3)
    assert made.seconds_for(3) == pytest.approx(made.seconds / 4)
    assert "Of 1 calls it is not known how long they took: each takes 2 s" in str(made.assumptions)


def test_without_a_recorded_time_a_guess_is_said_to_be_one(config: Config) -> None:
    made = plan(config, chat("a"), concurrency=1)
    assert made.seconds == 5
    assert "The recording does not say how long calls took: each takes 5 s." in made.assumptions


def test_prompt_tokens_do_not_count_the_bytes_of_images(config: Config) -> None:
    words = plan(config, chat("a"), runs=2)
    assert words.prompt_tokens == 2 * prompt_tokens(chat("a").body, Operation.CHAT_COMPLETIONS)
    assert 100 <= words.prompt_tokens / 2 <= 120
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 900_000}"}}
    seen = call("/v1/chat/completions", messages=[{"role": "user", "content": [image]}])
    assert 1_000 <= plan(config, seen).prompt_tokens <= 1_050
    embedded = call("/v1/embeddings", model="e", input="x" * 400)
    assert plan(config, embedded).prompt_tokens == 0  # no text is generated


def test_what_is_left_is_what_is_told(config: Config) -> None:
    made = plan(config, *[chat("gpt-4o", 2.0)] * 10, runs=2)
    lines = list(
        announced(made, left=5, money=Money(dollars=0.25, assumptions=("A.",)), judge="j", failed=0)
    )
    assert lines[:3] == [
        "10 calls, 2 times each, on big, at most 2 at a time:",
        "        10  chat/completions",
        (
            "15 of 20 calls have a result from before and are not made again: 5 are left."
            " --fresh makes all of them again."
        ),
    ]
    assert f"Prompt tokens  about {made.prompt_tokens // 4:,}" in lines
    assert "Time           about 5.0 s" in lines
    assert "Cost           about $0.25" in lines
    assert "And up to 20 calls to the judge, j: they are not included." in lines
    assert lines[-1] == "- A."


def test_a_short_time_is_not_told_as_none(config: Config) -> None:
    made = plan(config, chat("gpt-4o", 0.02))
    lines = list(announced(made, left=1, money=Money(dollars=None), judge=None, failed=0))
    assert "Time           less than 0.1 s" in lines


def test_what_is_not_known_is_not_invented(config: Config) -> None:
    made = plan(config, chat("a"))
    lines = list(announced(made, left=1, money=Money(dollars=None), judge=None, failed=0))
    assert "Cost           not known" in lines
    assert not any("$" in line for line in lines)


def test_a_finished_rehearsal_announces_nothing_to_be_done(config: Config) -> None:
    made = plan(config, chat("a"))
    lines = list(announced(made, left=0, money=Money(dollars=None), judge=None, failed=1))
    assert not any(line.startswith(("Prompt", "Time", "Cost", "-")) for line in lines)
    assert lines[-1].startswith("1 of the results are errors that may have passed since")
