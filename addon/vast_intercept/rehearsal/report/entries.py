"""Puts recorded calls and what came of them on Vast together, one call at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from ..calls import RecordedCall, RehearsedCall
from ..comparison.comparing import compare
from ..replies.reading import read_reply, read_wish
from ..replies.reply import Reply
from .report import Entry, RehearsedRun


def read_entries(
    calls: Iterable[RecordedCall], runs_of: Callable[[RecordedCall], Sequence[RehearsedCall]]
) -> Iterator[Entry]:
    """Compares each call that was made on Vast. Holds one call at a time.

    `runs_of` returns what came of a call, run by run. It is asked once for each call, in the order
    of the recording. A call that was not made is left out.
    """
    for call in calls:
        if runs := runs_of(call):
            yield read_entry(call, runs)


def read_entry(call: RecordedCall, runs: Sequence[RehearsedCall]) -> Entry:
    """Reads and compares all answers to one call."""
    wish = read_wish(call)
    provider = read_reply(call, call.answer) if call.answer else None
    replies = [(run, _reply_of(call, run)) for run in runs]
    comparisons = compare(wish, provider, replies)
    return Entry(
        call=call,
        wish=wish,
        provider=provider,
        runs=[
            RehearsedRun(rehearsed=run, reply=reply, comparison=comparison)
            for (run, reply), comparison in zip(replies, comparisons, strict=True)
        ],
    )


def _reply_of(call: RecordedCall, run: RehearsedCall) -> Reply:
    return read_reply(call, run.answer) if run.answer else Reply(complete=False)
