"""Has a judge asked about the answers of a rehearsal, and counts what it said."""

from collections.abc import Callable, Iterable, Iterator

from .calls import Answer, RecordedCall
from .judging import Judging, judge_calls
from .replaying.results import CallKey, Results
from .report.report import Entry, Judgement

_NAME = "judge"
# How often the judge is asked the same, in as many rehearsals, until it answers.
_MOST_TRIES = 10
_ANSWERED = 200


class Judge:
    """A judge at an endpoint, and what it has said so far, which is kept beside the results."""

    def __init__(self, endpoint: str, results: Results) -> None:
        self.endpoint = endpoint
        self.results = results.beside(_NAME)
        self._judging = Judging(endpoint)

    def calls(
        self, entries: Iterable[Entry], left_out: Callable[[int], None]
    ) -> Iterator[tuple[CallKey, RecordedCall]]:
        """The calls to the judge that it has not answered yet.

        Those that failed in an earlier rehearsal, such as in an outage, are among them. `left_out`
        is told of the others, of two for each entry. Raises ResultsError.
        """
        for entry in entries:
            left = [
                (key, call)
                for call in judge_calls(self.endpoint, entry)
                if (key := self._next_try(call))
            ]
            left_out(2 - len(left))
            yield from left

    def count(self, entry: Entry) -> None:
        """Counts what the judge has said of an entry. Raises ResultsError."""
        calls = judge_calls(self.endpoint, entry)
        self._judging.add(entry, [self._last_answer(call) for call in calls])

    def judgement(self) -> Judgement:
        """What was counted so far."""
        return self._judging.judgement()

    def _next_try(self, call: RecordedCall) -> CallKey | None:
        """The key for the result of asking now; None if the judge has answered."""
        for number in range(_MOST_TRIES):
            kept = self.results.get(key := _key_of(call, number))
            if kept is None:
                return key
            if kept.answer and kept.answer.status == _ANSWERED:
                return None
        return None

    def _last_answer(self, call: RecordedCall) -> Answer | None:
        answer = None
        for number in range(_MOST_TRIES):
            kept = self.results.get(_key_of(call, number))
            if kept is None:
                break
            answer = kept.answer
        return answer


def _key_of(call: RecordedCall, number: int) -> CallKey:
    # Entries that are alike share one result: the judge would say the same.
    return CallKey(call.digest, 0, number)
