"""The comparisons of all calls, counted."""

from dataclasses import dataclass, field

from .measures import Comparison, Measure


@dataclass(slots=True, kw_only=True)
class Count:
    """How often one measure applied, and how often it held."""

    cases: int = 0
    holds: int = 0
    #: How often the provider's own answer held, of the cases where that can be told.
    provider_cases: int = 0
    provider_holds: int = 0

    @property
    def share(self) -> float | None:
        """The share of the cases that hold, from 0 to 1; None without a case."""
        return self.holds / self.cases if self.cases else None


@dataclass(slots=True)
class Totals:
    """What `add` was given, counted. Each run of a call counts."""

    compared: int = 0
    by_chance: int = 0
    measures: dict[Measure, Count] = field(default_factory=dict)
    #: How many calls were not served, by the reason and what would help.
    not_served: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, comparison: Comparison) -> None:
        """Counts one comparison."""
        self.compared += 1
        self.by_chance += bool(comparison.by_chance)
        for measure, check in comparison.checks.items():
            count = self.measures.setdefault(measure, Count())
            count.cases += 1
            count.holds += check.holds
            if check.provider_holds is not None:
                count.provider_cases += 1
                count.provider_holds += check.provider_holds
        if comparison.reason:
            why = (comparison.reason, comparison.advice)
            self.not_served[why] = self.not_served.get(why, 0) + 1
