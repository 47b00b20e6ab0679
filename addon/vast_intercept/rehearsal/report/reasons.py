"""Why calls are not served, and what would help, so that a person can read it."""

from collections import defaultdict
from dataclasses import dataclass

from ..comparison.totals import Totals

# Codes and texts of errors may come from a server, and texts may quote what a call sent.
_MOST_REASONS = 100
_MOST_ADVICE = 5
_OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason why answers are not served."""

    name: str
    answers: int
    #: What would help, most frequent first; the first few where calls have texts of their own.
    advice: tuple[str, ...]


def reasons(totals: Totals) -> list[Reason]:
    """All reasons, those of most answers first. Beyond a hundred they are summed up in `others`."""
    advice: dict[str, dict[str, int]] = defaultdict(dict)
    for (name, text), answers in totals.not_served.items():
        advice[name][text] = advice[name].get(text, 0) + answers
    found = sorted(
        (_reason(name, texts) for name, texts in advice.items()),
        key=lambda reason: (-reason.answers, reason.name),
    )
    rest = found[_MOST_REASONS:]
    if rest:
        found[_MOST_REASONS:] = [Reason(_OTHERS, sum(each.answers for each in rest), ())]
    return found


def _reason(name: str, texts: dict[str, int]) -> Reason:
    frequent = sorted(filter(None, texts), key=lambda text: (-texts[text], text))
    return Reason(name, sum(texts.values()), tuple(frequent[:_MOST_ADVICE]))
