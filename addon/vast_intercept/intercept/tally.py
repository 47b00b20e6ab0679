"""Counts what becomes of calls."""

from ..relay.call import Call
from ..status import Tally


def count(tally: Tally, call: Call) -> None:
    """Adds a call that has ended."""
    outcome = call.outcome
    tally.calls += 1
    if outcome.error:
        if outcome.attempts or outcome.error.status >= 500:
            tally.errors += 1
        else:
            tally.refused += 1
    elif outcome.usage:
        tally.tokens += outcome.usage.total
    elif outcome.attempts:
        tally.uncounted += 1
