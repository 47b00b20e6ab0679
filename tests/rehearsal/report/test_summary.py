"""The summary on the terminal."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.rehearsal.report.report import Costs, Judgement, Money
from vast_intercept.rehearsal.report.summary import Summary

from . import made


def summary(*entries: made.Entry, width: int = 80, colour: bool = False, **more: Any) -> str:
    """The summary of a rehearsal."""
    with made.collected(entries) as collected:
        return Summary(width, colour=colour).of(made.rehearsal(collected, **more))


def test_says_all_in_short() -> None:
    text = summary(*made.of_all_kinds(), judgement=made.JUDGEMENT, unusable=made.UNUSABLE)
    for line in (
        "Rehearsed 7 calls of 9, 2 runs each, on my-endpoint.",
        "At least one measure fails in 5 calls.",
        "  Served                      79 %  11 of 14",
        "  Valid JSON                  50 %  1 of 2  (provider 100 %)",
        "  unsupported_endpoint: 2 answers",
        "  First token      0.48 s     0.21 s",
        "  Provider  $0.418",
        "Not used: 2 parts of the recording",
    ):
        assert line in text.splitlines()
    assert "Add `serves: [embeddings]`" in text
    assert "Most often, its answer has no choice in it" in text
    assert "It says the same in both orders for 84 % of the pairs" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [10, 40, 61, 80, 300])
def test_keeps_within_the_width(width: int) -> None:
    text = summary(*made.of_all_kinds(), width=width, judgement=made.JUDGEMENT)
    assert max(map(len, text.splitlines())) <= max(width, 40)
    assert max(map(len, text.splitlines())) <= 100


def test_colours_only_where_they_are_wanted() -> None:
    assert "\x1b[31m  Valid JSON" in summary(*made.of_all_kinds(), colour=True)


def test_what_others_chose_cannot_control_the_terminal() -> None:
    text = summary(made.hostile(), endpoints=(made.HOSTILE,))
    assert all(char == "\n" or char.isprintable() for char in text)
    assert made.KEY not in text
    text.encode()


def test_says_what_is_not_known() -> None:
    costs = Costs(
        provider=Money(dollars=None, assumptions=("No price is known of gpt-9.",)),
        vast=Money(dollars=None),
    )
    judgement = Judgement(endpoint="judge")
    text = summary(*made.of_all_kinds()[6:], costs=costs, judgement=judgement)
    assert "  Provider  not known\n      No price is known of gpt-9." in text
    assert "judge was asked for 0 pairs" in text
    assert "in both orders" not in text
    assert "  In all        not known     0.70 s" in text


def test_nothing_is_said_of_what_is_not_there() -> None:
    text = summary()
    assert text.startswith("Rehearsed 0 calls of 2")
    assert "measure" not in text
    assert "Speed" not in text


def test_a_recording_without_answers_is_not_said_to_differ_from_its_provider() -> None:
    alone = replace(made.of_all_kinds()[3], provider=None)
    text = summary(alone)
    assert "At least one measure fails in 1 call." in text
    assert "provider" not in text.partition("Speed")[0]
    text = summary(made.of_all_kinds()[6])
    assert "No measure fails in any call." in text


def not_served(*advice: str) -> made.Entry:
    """A call that fails in each run, with other advice."""
    runs = [
        replace(run, comparison=replace(run.comparison, advice=each))
        for each in advice
        for run in made.of_all_kinds()[3].runs[:1]
    ]
    return replace(made.of_all_kinds()[3], runs=runs)


def test_advice_says_no_sentence_twice_and_that_there_is_more() -> None:
    advice = [f"POST /{each} is not served. Served are chats." for each in "abc"]
    text = summary(not_served(*advice[:2]))
    assert text.count("is not served.") == 2
    assert text.count("Served are chats.") == 1
    assert "see the report" not in text
    assert "For other calls, see the report." in summary(not_served(*advice))


@given(st.integers(0, 70), st.integers(40, 100))
def test_a_line_for_the_configuration_can_be_copied_as_it_is(before: int, width: int) -> None:
    line = "`  demo: {serves: [embeddings]}`"
    text = summary(not_served(f"{'x' * before} {line}, and so on."), width=width)
    assert line in text
    assert max(map(len, text.splitlines())) <= width
