"""What reports call things, in words for people."""

import math

from ..comparison.measures import Measure

#: The page says the same, in `page/report.js`.
MEASURES = {
    Measure.SERVED: "Served",
    Measure.JSON: "Valid JSON",
    Measure.SCHEMA: "Valid against the schema",
    Measure.TOOLS: "Same tools",
    Measure.ARGUMENTS: "Valid arguments",
    Measure.SAME_ARGUMENTS: "Same arguments",
    Measure.FINISH_REASON: "Finish reason",
    Measure.LENGTH: "Length",
    Measure.REFUSAL: "No refusal",
    Measure.LANGUAGE: "Language",
    Measure.NOT_EMPTY: "Not empty",
    Measure.EXACT: "Exact match",
    Measure.FORM: "Form",
}


def percent(share: float) -> str:
    """A share in percent. What is not all is not called 100 %, and what is not nothing not 0 %."""
    if share in {0, 1}:
        return f"{100 * share:.0f} %"
    value = min(max(100 * share, 0.1), 99.9)
    return f"{value:.1f} %" if value < 10 or value >= 99 else f"{value:.0f} %"


def dollars(value: float | None) -> str:
    """An amount of US dollars with two digits that say something, or that it is not known."""
    if value is None:
        return "not known"
    if value == 0 or value >= 0.995:
        return f"${value:,.2f}"
    return f"${value:.{1 - math.floor(math.log10(value))}f}"


def counted(number: int, word: str) -> str:
    """A number of things, such as `1 call` or `1,234 calls`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
