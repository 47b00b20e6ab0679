"""Has a judge asked about the answers of a rehearsal, and counts what it said."""

from collections.abc import Callable, Iterable, Iterator

from .calls import RecordedCall
from .judging import Judging, judge_calls
from .replaying.results import CallKey, Results
from .report.report import Entry, Judgement

_NAME = "judge"


class Judge:
    """A judge at an endpoint, and what it has said so far, which is kept beside the results."""

    def __init__(self, endpoint: str, results: Results) -> None:
        self.endpoint = endpoint
        self.results = results.beside(_NAME)
        self._judging = Judging(endpoint)

    def calls(
        self, entries: Iterable[Entry], left_out: Callable[[int], None]
    ) -> Iterator[tuple[CallKey, RecordedCall]]:
        """The calls to the judge that have no result yet.

        `left_out` is told of the others, of two for each entry. Raises ResultsError.
        """
        for entry in entries:
            left = [
                (key, call)
                for call in judge_calls(self.endpoint, entry)
                if not self.results.has(key := _key_of(call))
            ]
            left_out(2 - len(left))
            yield from left

    def count(self, entry: Entry) -> None:
        """Counts what the judge has said of an entry. Raises ResultsError."""
        kept = [self.results.get(_key_of(call)) for call in judge_calls(self.endpoint, entry)]
        self._judging.add(entry, [each.answer if each else None for each in kept])

    def judgement(self) -> Judgement:
        """What was counted so far."""
        return self._judging.judgement()


def _key_of(call: RecordedCall) -> CallKey:
    # Entries that are alike share one result: the judge would say the same.
    return CallKey(call.digest, 0, 0)
