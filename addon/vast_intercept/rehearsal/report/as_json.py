"""The report as one JSON object. `docs/rehearsing.md` documents its members, which stay."""

import json
from collections.abc import Iterable
from typing import Any, TextIO

from ..comparison.measures import Measure
from ..comparison.totals import Totals
from .collected import Shown
from .reasons import reasons
from .report import Money, Rehearsal
from .shown import LONGEST_NAME, LONGEST_SENTENCE, cut
from .speed import Compared, Distribution, Speed

#: Counts up when a member goes or changes its meaning. A new member does not change it.
FORMAT = 1

type Json = dict[str, Any]


def as_object(rehearsal: Rehearsal) -> Json:
    """The report as a JSON object, without its calls."""
    totals = rehearsal.totals
    return {
        "format": FORMAT,
        "recording": rehearsal.recording,
        "began": rehearsal.began,
        "ended": rehearsal.ended,
        "endpoints": list(rehearsal.endpoints),
        "runs": rehearsal.runs,
        "concurrency": rehearsal.concurrency,
        "busy_seconds": rehearsal.busy,
        "recorded_calls": rehearsal.calls,
        "rehearsed_calls": rehearsal.rehearsed,
        "differing_calls": rehearsal.differing,
        "answers": totals.compared,
        "answers_by_chance": totals.by_chance,
        "not_served": _not_served(totals),
        "measures": _measures(totals),
        "speed": _speed(rehearsal.speed),
        "cost": {
            "provider": _money(rehearsal.costs.provider),
            "vast": _money(rehearsal.costs.vast),
        },
        "judgement": _judgement(rehearsal),
        "fallen_gates": list(rehearsal.fallen),
        "unusable": [
            {"place": cut(part.place, LONGEST_NAME), "why": cut(part.why, LONGEST_SENTENCE)}
            for part in rehearsal.unusable
        ],
    }


def write_json(rehearsal: Rehearsal, calls: Iterable[Shown], out: TextIO) -> None:
    """Writes the report as one line of JSON, in ASCII, its calls one after another."""
    head = json.dumps(as_object(rehearsal))
    out.write(f'{head[:-1]}, "calls": [')
    comma = ""
    for call in calls:
        out.write(comma + call.numbers.decode("ascii"))
        comma = ", "
    out.write("]}\n")


def _not_served(totals: Totals) -> list[Json]:
    return [
        {
            "reason": cut(reason.name, LONGEST_NAME),
            "answers": reason.answers,
            "advice": [cut(text, LONGEST_SENTENCE) for text in reason.advice],
        }
        for reason in reasons(totals)
    ]


def _measures(totals: Totals) -> Json:
    """Each measure that applied to an answer, in the order in which `Measure` names them."""
    return {
        measure.value: {
            "cases": count.cases,
            "holds": count.holds,
            "share": count.share,
            "provider_cases": count.provider_cases,
            "provider_holds": count.provider_holds,
        }
        for measure in Measure
        if (count := totals.measures.get(measure))
    }


def _speed(speed: Speed) -> Json:
    return {
        "time_to_first_token": _compared(speed.time_to_first_token),
        "tokens_per_second": _compared(speed.tokens_per_second),
        "seconds": _compared(speed.total),
        "waited": {"answers": speed.waited, "longest": speed.longest_wait},
    }


def _compared(compared: Compared) -> Json:
    return {
        "provider": _distribution(compared.provider),
        "vast": _distribution(compared.vast),
        "pairs": compared.pairs,
        "vast_better": compared.vast_better,
    }


def _distribution(distribution: Distribution) -> Json:
    percentiles = distribution.percentiles()
    return {
        "answers": len(distribution.values),
        "median": percentiles[50] if percentiles else None,
        "p95": percentiles[95] if percentiles else None,
        "percentiles": percentiles,
    }


def _money(money: Money) -> Json:
    return {"dollars": money.dollars, "assumptions": list(money.assumptions)}


def _judgement(rehearsal: Rehearsal) -> Json | None:
    judgement = rehearsal.judgement
    if judgement is None:
        return None
    return {
        "endpoint": judgement.endpoint,
        "pairs": judgement.pairs,
        "vast": judgement.vast,
        "provider": judgement.provider,
        "even": judgement.even,
        "contradictory": judgement.contradictory,
        "failed": judgement.failed,
        "why_failed": cut(judgement.why_failed, LONGEST_SENTENCE),
        "agreement": judgement.agreement,
    }
