"""What a comparison says of two answers: which measures apply, which hold, and how bad it is."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from vast_intercept.openai_api.operations import Operation
from vast_intercept.rehearsal.calls import Answer
from vast_intercept.rehearsal.comparison.comparing import compare
from vast_intercept.rehearsal.comparison.measures import Comparison, Measure
from vast_intercept.rehearsal.comparison.severity import WEIGHTS
from vast_intercept.rehearsal.replies.reply import Reply, ReplyError, ToolCall, Wish

from ..recorded import on_vast

ANSWER = Answer(status=200)
CHAT = Wish(operation=Operation.CHAT_COMPLETIONS)
JSON = replace(CHAT, wants_json=True)
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "born": {"type": "integer"}},
    "required": ["name", "born"],
    "additionalProperties": False,
}
WITH_SCHEMA = replace(JSON, schema=PERSON)
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = replace(CHAT, tools={"weather": CITY, "time": CITY, "now": None, "write": None})
TOOLS = replace(TOOLS, text_tools=frozenset({"write"}))
ENGLISH = "A mountain is a part of the land that is much higher than all that is around it."
GERMAN = "Ein Berg ist ein Teil der Landschaft, der viel höher ist als alles um ihn herum."


def said(text: str = "", **more: Any) -> Reply:
    """An answer of a model."""
    return Reply(text=text, finish_reason=more.pop("finish_reason", "stop"), **more)


def calls(*named: tuple[str, str]) -> Reply:
    """An answer that is calls of tools."""
    made = tuple(ToolCall(name=name, arguments=arguments) for name, arguments in named)
    return Reply(tool_calls=made, finish_reason="tool_calls")


def failed(status: int, code: str = "code", message: str = "Why.") -> Reply:
    """An error in place of an answer."""
    error = ReplyError(status=status, code=code, message=message)
    return Reply(error=error, complete=False)


def compared(wish: Wish, provider: Reply | None, reply: Reply) -> Comparison:
    """The comparison of one run."""
    (comparison,) = compare(wish, provider, [(on_vast(ANSWER), reply)])
    return comparison


def wrong(comparison: Comparison) -> set[str]:
    """The measures that do not hold, each of which says why."""
    for check in comparison.checks.values():
        assert check.holds == (not check.why)
    return {measure for measure, check in comparison.checks.items() if not check.holds}


@pytest.mark.parametrize(
    ("wish", "provider", "vast", "fails"),
    [
        (CHAT, said(ENGLISH), said(ENGLISH), ()),
        (CHAT, said(ENGLISH), said(ENGLISH, finish_reason="length"), ["finish_reason"]),
        (CHAT, said(ENGLISH), said(ENGLISH * 3), ["length"]),
        (CHAT, said(ENGLISH), said(ENGLISH[:30]), ["length"]),
        (CHAT, said(ENGLISH), said(GERMAN), ["language"]),
        (CHAT, said("一只狐狸在森林里跑来跑去"), said("きつねが森の中を走っている"), ["language"]),
        (CHAT, said(ENGLISH), said(""), ["not_empty"]),
        (CHAT, said(ENGLISH), said(" \n"), ["not_empty"]),
        (CHAT, said(""), said(""), ()),
        (
            CHAT,
            said("I can do that at once."),
            said("I'm sorry, but I can't do that."),
            ["refusal"],
        ),
        (CHAT, said("I can't help with that."), said("Here it is, as you asked."), ()),
        (CHAT, said("Certainly."), said(refusal="No."), ["refusal"]),
        (replace(CHAT, greedy=True), said("Six."), said("Seven."), ["exact"]),
        (replace(CHAT, greedy=True), said("Six."), said("Six."), ()),
        (JSON, said('{"a": 1}'), said('{"a": 2}'), ()),
        (JSON, said('{"a": 1}'), said('{"a": 2'), ["json"]),
        (JSON, said('{"a": 1}'), said('```json\n{"a": 1}\n```'), ["json", "length"]),
        (JSON, said('{"a": 1}'), said("NaN"), ["json", "length"]),
        (WITH_SCHEMA, said('{"name": "A", "born": 1}'), said('{"name": "B", "born": 2}'), ()),
        (
            WITH_SCHEMA,
            said('{"name": "A", "born": 1}'),
            said('{"name": "A", "born": "1"}'),
            ["schema"],
        ),
        (
            WITH_SCHEMA,
            said('{"name": "A", "born": 1}'),
            said('{"name": "A", "born": 1'),
            ["json", "schema"],
        ),
        (TOOLS, calls(("weather", '{"city":"B"}')), calls(("weather", '{ "city": "B" }')), ()),
        (TOOLS, calls(("weather", '{"city":"B"}')), calls(("time", '{"city":"B"}')), ["tools"]),
        (
            TOOLS,
            calls(("weather", '{"city":"B"}')),
            said("It is warm."),
            ["finish_reason", "tools"],
        ),
        (TOOLS, said("It is."), calls(("now", "{}")), ["finish_reason", "tools"]),
        (
            TOOLS,
            calls(("weather", '{"city":"B"}')),
            calls(("weather", '{"city":"C"}')),
            ["same_arguments"],
        ),
        (
            TOOLS,
            calls(("weather", '{"city":"B"}')),
            calls(("weather", '{"town":"B"}')),
            ["arguments", "same_arguments"],
        ),
        (
            TOOLS,
            calls(("weather", '{"city":"B"}')),
            calls(("weather", '{"city":"B"')),
            ["arguments", "same_arguments"],
        ),
        (TOOLS, calls(("now", "{}")), calls(("now", "")), ["arguments", "same_arguments"]),
        (TOOLS, calls(("now", "{}")), calls(("now", "[]")), ["arguments", "same_arguments"]),
        (TOOLS, calls(("now", '{"a":1.0,"b":2}')), calls(("now", '{"b":2,"a":1}')), ()),
        (TOOLS, calls(("write", "any text")), calls(("write", "other")), ["same_arguments"]),
        (TOOLS, calls(("now", "{}")), calls(("never", "{}")), ["arguments", "tools"]),
        (
            TOOLS,
            calls(("now", "{}"), ("time", '{"city":"B"}')),
            calls(("time", '{"city":"B"}'), ("now", "{}")),
            ["tools"],
        ),
        (
            Wish(operation=Operation.EMBEDDINGS),
            Reply(form="2 embeddings of 1,536 numbers"),
            Reply(form="2 embeddings of 768 numbers"),
            ["form"],
        ),
    ],
)
def test_a_comparison_says_which_measures_fail(
    wish: Wish, provider: Reply, vast: Reply, fails: list[str]
) -> None:
    comparison = compared(wish, provider, vast)
    assert wrong(comparison) == set(fails)
    assert (comparison.severity >= 35) == bool(fails)
    assert not comparison.reason


def test_only_measures_that_say_something_are_there() -> None:
    text = compared(CHAT, said("Four."), said("Five."))
    assert set(text.checks) == {"served", "not_empty", "finish_reason", "refusal", "length"}
    assert "language" in compared(CHAT, said(ENGLISH), said(GERMAN)).checks
    tools = compared(TOOLS, calls(("now", "{}")), calls(("now", "{}")))
    assert set(tools.checks) == {
        *("served", "not_empty", "finish_reason"),
        *("tools", "arguments", "same_arguments"),
    }
    other = compared(TOOLS, calls(("now", "{}")), calls(("write", "")))
    assert "same_arguments" not in other.checks
    vectors = Reply(form="1 embedding of 3 numbers")
    embedded = compared(Wish(operation=Operation.EMBEDDINGS), vectors, vectors)
    assert set(embedded.checks) == {"served", "form"}


def test_without_a_recorded_answer_only_what_needs_none_is_measured() -> None:
    comparison = compared(WITH_SCHEMA, None, said('{"name": 1}'))
    assert set(comparison.checks) == {"served", "not_empty", "json", "schema"}
    assert wrong(comparison) == {"schema"}
    assert all(check.provider_holds is None for check in comparison.checks.values())
    assert comparison.similarity is None
    comparison = compared(TOOLS, None, calls(("weather", "{}")))
    assert wrong(comparison) == {"arguments"}
    assert wrong(compared(CHAT, None, said(""))) == {"not_empty"}


def test_what_the_providers_answer_fails_too_is_counted_and_weighs_nothing() -> None:
    comparison = compared(JSON, said("no JSON"), said("no JSON"))
    check = comparison.checks[Measure.JSON]
    assert (check.holds, check.provider_holds) == (False, False)
    assert comparison.severity == 0
    worse = compared(JSON, said("{}"), said("no"))
    assert worse.checks[Measure.JSON].provider_holds is True
    assert worse.severity > 80


def test_a_call_that_is_not_served_has_the_reports_reason_and_advice() -> None:
    run = on_vast(Answer(status=400), "operation_not_served", "Set serves of the endpoint.")
    (comparison,) = compare(CHAT, said(ENGLISH), [(run, failed(400))])
    assert comparison.reason == "operation_not_served"
    assert comparison.advice == "Set serves of the endpoint."
    assert set(comparison.checks) == {Measure.SERVED}
    check = comparison.checks[Measure.SERVED]
    assert (check.holds, check.provider_holds) == (False, True)
    assert comparison.severity == max(WEIGHTS.values())


@pytest.mark.parametrize(
    ("answer", "reply", "reason"),
    [
        (ANSWER, failed(503, "vast_unavailable"), "vast_unavailable"),
        (ANSWER, said("The begin", complete=False), "broken_off"),
        (None, Reply(complete=False), "no_answer"),
        (None, Reply(), "no_answer"),
    ],
)
def test_an_answer_that_is_none_is_not_served(
    answer: Answer | None, reply: Reply, reason: str
) -> None:
    (comparison,) = compare(CHAT, said(ENGLISH), [(on_vast(answer), reply)])
    assert comparison.reason == reason
    assert wrong(comparison) == {"served"}


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_an_error_about_the_call_that_the_provider_gave_too_is_no_fault(status: int) -> None:
    refused = failed(status)
    comparison = compared(CHAT, refused, failed(400, "other"))
    assert comparison.checks[Measure.SERVED].holds
    assert comparison.checks[Measure.SERVED].provider_holds is False
    assert (comparison.reason, comparison.severity) == ("", 0)
    served = compared(CHAT, refused, said("An answer."))
    assert set(served.checks) == {Measure.SERVED}
    assert served.severity == 0
    # Vast's own failure is one.
    assert wrong(compared(CHAT, refused, failed(502))) == {"served"}


@pytest.mark.parametrize("status", [401, 408, 429, 500, 503])
def test_an_error_of_the_moment_says_nothing_about_the_call(status: int) -> None:
    comparison = compared(CHAT, failed(status), said(ENGLISH))
    assert set(comparison.checks) == {"served", "not_empty"}
    assert comparison.checks[Measure.SERVED].provider_holds is False
    assert wrong(compared(CHAT, failed(status), failed(status))) == {"served"}


def test_a_providers_answer_that_is_cut_is_not_compared_with() -> None:
    comparison = compared(CHAT, said("A mount", complete=False), said(GERMAN))
    assert set(comparison.checks) == {"served", "not_empty"}
    assert comparison.similarity is None


def test_the_worst_come_first() -> None:
    provider = said(ENGLISH)
    answers = [
        failed(500),
        said(""),
        said("I'm sorry, but I can't help with a text that is as long as the other one."),
        said(GERMAN),
        said(ENGLISH, finish_reason="length"),
        said(ENGLISH * 4),
        said(ENGLISH.replace("mountain", "hill").replace("higher", "larger")),
        said(ENGLISH.replace("mountain", "hill")),
        said(ENGLISH),
    ]
    severities = [compared(CHAT, provider, answer).severity for answer in answers]
    assert severities == sorted(severities, reverse=True)
    assert len(set(severities)) == len(severities)
    assert severities[-1] == 0


def test_all_that_is_wrong_together_is_less_than_a_step() -> None:
    weights = sorted(WEIGHTS.values())
    step = min(b - a for a, b in pairwise(weights))
    assert 0.004 * sum(weights) + 1 < step
    assert set(WEIGHTS) == set(Measure)


def several(provider: Reply, *replies: Reply, wish: Wish = CHAT) -> list[Comparison]:
    """The comparisons of several runs."""
    return compare(wish, provider, [(on_vast(ANSWER), reply) for reply in replies])


FACTS = [
    said("The heart of a shrimp is in its head, and it beats two hundred times a minute."),
    said("An octopus has three hearts, and two of them stop when the animal swims away."),
    said("Honey does not spoil: what was found in old tombs could still be eaten."),
    said("A day on Venus is longer than its year, since the planet turns so slowly."),
]


def test_runs_that_differ_from_each_other_as_much_are_chance() -> None:
    comparisons = several(FACTS[0], *FACTS[1:])
    assert [each.by_chance for each in comparisons] == [True] * 3
    alone = compared(CHAT, FACTS[0], FACTS[1])
    assert alone.by_chance is None
    assert comparisons[0].severity < alone.severity


def test_runs_that_agree_with_each_other_and_not_with_the_provider_are_no_chance() -> None:
    assert [each.by_chance for each in several(FACTS[0], FACTS[1], FACTS[1])] == [False] * 2
    refusal = said("I'm sorry, but I can't tell you that, whatever you may say to me about it.")
    assert [each.by_chance for each in several(FACTS[0], refusal, refusal)] == [False] * 2


def test_nothing_that_differs_is_no_chance() -> None:
    assert [each.by_chance for each in several(FACTS[0], FACTS[0], FACTS[0])] == [False] * 2


def test_a_tool_that_is_chosen_now_and_then_is_chance_and_broken_json_is_not() -> None:
    right, other = calls(("weather", '{"city":"B"}')), calls(("time", '{"city":"B"}'))
    assert [each.by_chance for each in several(right, other, right, wish=TOOLS)] == [True, False]
    assert [each.by_chance for each in several(right, other, other, wish=TOOLS)] == [False] * 2
    broken, whole = said('{"a":'), said('{"a": 1}')
    assert several(whole, broken, whole, wish=JSON)[0].by_chance is False


def test_other_arguments_each_time_are_chance() -> None:
    provider = calls(("weather", '{"city":"B"}'))
    runs = [calls(("weather", f'{{"city":"{name}"}}')) for name in "CDE"]
    assert [each.by_chance for each in several(provider, *runs, wish=TOOLS)] == [True] * 3


def test_runs_that_are_not_served_take_no_part_in_the_spread() -> None:
    runs = [(on_vast(ANSWER), FACTS[1]), (on_vast(None, "vast_timeout"), Reply(complete=False))]
    served, lost = compare(CHAT, FACTS[0], runs)
    assert served.by_chance is None
    assert lost.reason == "vast_timeout"
    assert served.similarity is not None
