"""What a report shows: as JSON, on a page, and in short on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..calls import RecordedCall, RehearsedCall, Unusable
from ..comparison.measures import Comparison
from ..comparison.totals import Totals
from ..replies.reply import Reply, Wish
from .speed import Speed


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedRun:
    """One run of a call on Vast."""

    rehearsed: RehearsedCall
    reply: Reply
    comparison: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A call, its answers, and what differs."""

    call: RecordedCall
    wish: Wish
    #: The provider's answer; None if the recording has none.
    provider: Reply | None
    runs: Sequence[RehearsedRun]

    @property
    def severity(self) -> float:
        """The worst of all runs: larger is worse."""
        return max((run.comparison.severity for run in self.runs), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What calls cost, in US dollars."""

    #: None if it is not known.
    dollars: float | None
    #: Each price, number and time that it was computed from, one sentence each; or what is missing.
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The same calls at their provider, and on Vast."""

    provider: Money
    vast: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a model on another endpoint says of the pairs of answers. Each is asked for twice."""

    endpoint: str
    pairs: int = 0
    #: Pairs where it prefers Vast's answer in both orders, the provider's in both, or neither.
    vast: int = 0
    provider: int = 0
    even: int = 0
    #: Pairs where it says otherwise in the other order.
    contradictory: int = 0
    #: Pairs where it gave no usable answer.
    failed: int = 0
    #: The most frequent reason for that, for a person to read; empty if there is none.
    why_failed: str = ""

    @property
    def agreement(self) -> float | None:
        """How often it says the same in both orders, from 0 to 1; None if it was never asked."""
        judged = self.pairs - self.failed
        return (judged - self.contradictory) / judged if judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A whole rehearsal, but for its calls."""

    #: The recording's file.
    recording: str
    #: When its calls were made on Vast, Unix time.
    began: float
    ended: float
    #: The endpoints that the calls went to, most calls first.
    endpoints: tuple[str, ...]
    runs: int
    concurrency: int
    #: Seconds in which calls ran on Vast.
    busy: float
    #: Calls of the recording, and those of them that were made.
    calls: int
    rehearsed: int
    totals: Totals
    costs: Costs
    speed: Speed = field(default_factory=Speed)
    #: Calls with a measure that fails in any run.
    differing: int = 0
    judgement: Judgement | None = None
    #: A sentence for each gate of `--fail-under` that fell.
    fallen: tuple[str, ...] = ()
    unusable: tuple[Unusable, ...] = ()
