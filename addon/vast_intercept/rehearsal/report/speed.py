"""How fast the provider and Vast answer, measured on both in the same way."""

from array import array
from dataclasses import dataclass, field

from ..calls import Answer

# Answers that come in one piece, or nearly so, say nothing about how fast tokens come.
_SHORTEST_STREAM = 0.001  # seconds
_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast one answer came. Durations are in seconds; what is not known is None."""

    time_to_first_token: float | None = None
    #: Of a stream after its first token, of a whole answer in all of its time.
    tokens_per_second: float | None = None
    #: From the end of the request to the end of the answer.
    total: float | None = None


def pace_of(answer: Answer | None, tokens: int | None) -> Pace:
    """The pace of an answer that has so many tokens. That of an error is not known.

    A stream's first token is left out of its tokens per second, since its time was spent on the
    prompt.
    """
    if answer is None or answer.status >= 400 or not answer.whole:
        return Pace()
    first, total = answer.time_to_first_token, answer.duration
    rate = None
    if tokens and total and first is None:
        rate = tokens / total
    elif tokens and tokens > 1 and total and first is not None and total - first > _SHORTEST_STREAM:
        rate = (tokens - 1) / (total - first)
    return Pace(time_to_first_token=first, tokens_per_second=rate, total=total)


@dataclass(slots=True)
class Distribution:
    """Many values of one kind."""

    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, value: float | None) -> None:
        """Adds a value, unless it is not known."""
        if value is not None:
            self.values.append(value)

    def percentiles(self) -> list[float]:
        """101 values: the smallest, those that 1 to 99 percent are not above, and the largest.

        Empty if there are no values. The method is that of the nearest rank.
        """
        ordered = sorted(self.values)
        count = len(ordered)
        if not count:
            return []
        return [ordered[max(-(-count * rank // _PERCENT) - 1, 0)] for rank in range(_PERCENT + 1)]


@dataclass(slots=True)
class Compared:
    """One kind of values of both sides."""

    provider: Distribution = field(default_factory=Distribution)
    vast: Distribution = field(default_factory=Distribution)
    #: Answers whose value is known of both sides, and those of them that are better on Vast.
    pairs: int = 0
    vast_better: int = 0

    def add_pair(self, provider: float | None, vast: float | None, *, more_is_better: bool) -> None:
        """Compares Vast's value with the provider's of the same call."""
        if provider is not None and vast is not None:
            self.pairs += 1
            self.vast_better += vast > provider if more_is_better else vast < provider


@dataclass(slots=True)
class Speed:
    """The paces of all calls. Each run on Vast counts, and each of the provider's answers once."""

    time_to_first_token: Compared = field(default_factory=Compared)
    tokens_per_second: Compared = field(default_factory=Compared)
    total: Compared = field(default_factory=Compared)
    #: Runs that waited for a ready worker, which is part of their times; the longest in seconds.
    waited: int = 0
    longest_wait: float = 0.0

    def add(self, provider: Pace, runs: list[Pace]) -> None:
        """Adds a call."""
        for name in ("time_to_first_token", "tokens_per_second", "total"):
            compared: Compared = getattr(self, name)
            theirs: float | None = getattr(provider, name)
            compared.provider.add(theirs)
            for run in runs:
                ours: float | None = getattr(run, name)
                compared.vast.add(ours)
                compared.add_pair(theirs, ours, more_is_better=name == "tokens_per_second")

    def add_wait(self, seconds: float) -> None:
        """Counts a run that waited for a worker, if it did."""
        if seconds > 0:
            self.waited += 1
            self.longest_wait = max(self.longest_wait, seconds)
