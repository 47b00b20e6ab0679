"""The JSON object, whose members programs rely on."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vast_intercept.rehearsal.comparison.measures import Measure
from vast_intercept.rehearsal.report.as_json import write_json
from vast_intercept.rehearsal.report.report import Costs, Money

from . import made


def report(*entries: made.Entry, **more: Any) -> Any:
    """The JSON of a rehearsal."""
    out = io.StringIO()
    with made.collected(entries) as collected:
        write_json(made.rehearsal(collected, **more), collected.worst_first(), out)
    text = out.getvalue()
    assert text.isascii()
    assert text.endswith("}\n")
    assert text.count("\n") == 1
    return json.loads(text)


def test_has_all_that_is_counted() -> None:
    found = report(
        *made.of_all_kinds(), judgement=made.JUDGEMENT, unusable=made.UNUSABLE,
        fallen=("json: 1 of 2 hold.",),
    )  # fmt: skip
    calls = found.pop("calls")
    speed = found.pop("speed")
    measures = found.pop("measures")
    assert found == {
        "format": 1,
        "recording": "calls.flows",
        "began": made.BEGAN,
        "ended": made.BEGAN + 840,
        "endpoints": ["my-endpoint"],
        "runs": 2,
        "concurrency": 4,
        "busy_seconds": 611.5,
        "recorded_calls": 9,
        "rehearsed_calls": 7,
        "differing_calls": 5,
        "answers": 14,
        "answers_by_chance": 2,
        "not_served": [
            {
                "reason": "unsupported_endpoint",
                "answers": 2,
                "advice": [made.of_all_kinds()[3].runs[0].comparison.advice],
            },
            {"reason": "vast_unreachable", "answers": 1, "advice": []},
        ],
        "cost": {
            side: {"dollars": money.dollars, "assumptions": list(money.assumptions)}
            for side, money in (("provider", made.COSTS.provider), ("vast", made.COSTS.vast))
        },
        "judgement": {
            "endpoint": "the-judge", "pairs": 20, "vast": 7, "provider": 6, "even": 3,
            "contradictory": 3, "failed": 1,
            "why_failed": "its answer has no choice in it", "agreement": 16 / 19,
        },
        "fallen_gates": ["json: 1 of 2 hold."],
        "unusable": [{"place": each.place, "why": each.why} for each in made.UNUSABLE],
    }  # fmt: skip
    assert list(measures)[:3] == ["served", "json", "schema"]
    assert measures["json"] == {
        "cases": 2, "holds": 1, "share": 0.5, "provider_cases": 2, "provider_holds": 2
    }  # fmt: skip
    first_token = speed["time_to_first_token"]
    assert (first_token["provider"]["median"], first_token["vast"]["answers"]) == (0.48, 4)
    assert (first_token["pairs"], first_token["vast_better"]) == (4, 3)
    assert speed["waited"] == {"answers": 1, "longest": 34.2}
    assert [call["place"] for call in calls][:2] == ["flow 4", "flow 5"]
    assert [len(call["runs"]) for call in calls] == [2] * 7


def test_has_nothing_that_a_prompt_or_an_answer_says() -> None:
    text = json.dumps(report(*made.of_all_kinds()))
    assert "Oslo tomorrow" not in text
    assert "God morgen" not in text


def test_nothing_is_an_object_too() -> None:
    costs = Costs(provider=Money(dollars=None), vast=Money(dollars=None, assumptions=("why",)))
    found = report(costs=costs)
    assert found["calls"] == []
    assert found["cost"]["vast"] == {"dollars": None, "assumptions": ["why"]}
    assert found["judgement"] is None
    assert found["speed"]["seconds"]["vast"] == {
        "answers": 0, "median": None, "p95": None, "percentiles": []
    }  # fmt: skip


def test_lone_surrogates_pass() -> None:
    found = report(made.hostile(), recording=made.HOSTILE)
    assert found["recording"] == made.HOSTILE
    assert "\ud800" in found["calls"][0]["place"]


def _members(value: Any) -> Iterator[str]:
    """The names of all members, but for those that are measures."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from [name] if name not in set(Measure) else []
            yield from _members(each)
    elif isinstance(value, list):
        for each in value:
            yield from _members(each)


def test_the_documentation_names_all_members() -> None:
    documented = Path(__file__).parents[3].joinpath("docs", "rehearsing.md").read_text("utf-8")
    chapter = documented.partition("### The JSON")[2].partition("\n## ")[0]
    found = report(*made.of_all_kinds(), judgement=made.JUDGEMENT, unusable=made.UNUSABLE)
    assert {each for each in _members(found) if f"`{each}`" not in chapter} == set()
