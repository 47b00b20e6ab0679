"""Gates: shares that the measures of a rehearsal must reach, so that a program can decide.

`--fail-under served=0.99,json=1,tools=0.95`
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from .comparison.measures import Measure
from .comparison.totals import Totals

_SHARE = re.compile(r"(?:0?\.[0-9]{1,12}|0|1|[01]\.0{0,12}|0\.[0-9]{1,12})", re.ASCII)
_SHOWN = 60
_HOW = (
    "A gate is a measure and the share of its cases that must hold, from 0 to 1, such as"
    " served=0.99,json=1. The measures are: " + ", ".join(Measure) + "."
)


class GateError(ValueError):
    """Gates that cannot be read. The message is for a person, and names the measures."""


@dataclass(frozen=True, slots=True)
class Gates:
    """The share that each measure must reach, in the order in which they were given."""

    shares: Mapping[Measure, Fraction]


def read_gates(text: str) -> Gates:
    """Reads the value of `--fail-under`. Raises GateError.

    >>> [str(share) for share in read_gates("served=0.99,json=1").shares.values()]
    ['99/100', '1']
    """
    shares: dict[Measure, Fraction] = {}
    for part in text.split(","):
        name, _, share = (piece.strip() for piece in part.partition("="))
        if not name or not share:
            raise GateError(f"{_quoted(part.strip())} is not a gate. {_HOW}")
        try:
            measure = Measure(name)
        except ValueError:
            raise GateError(f"{_quoted(name)} is not a measure. {_HOW}") from None
        if measure in shares:
            raise GateError(f"{measure} is named twice. {_HOW}")
        if not _SHARE.fullmatch(share):
            raise GateError(f"{measure}: {_quoted(share)} is not a share from 0 to 1. {_HOW}")
        # Exact, since 0.99 as a binary fraction is a little more than 99 of 100.
        shares[measure] = Fraction(share)
    return Gates(shares)


def fallen(gates: Gates, totals: Totals) -> list[str]:
    """A sentence for each gate that fell, with its numbers. Without a case, none falls."""
    sentences = []
    for measure, least in gates.shares.items():
        count = totals.measures.get(measure)
        if count and count.cases and Fraction(count.holds, count.cases) < least:
            needed = -(-least.numerator * count.cases // least.denominator)
            sentences.append(
                f"{measure}: {count.holds:,} of {count.cases:,} hold; {float(least):.12g} is asked"
                f" for, which is {needed:,}."
            )
    return sentences


def without_case(gates: Gates, totals: Totals) -> list[str]:
    """A sentence for each gate whose measure applied to no call, so that it says nothing."""
    return [
        f"{measure}: no call has anything to say of it, so its gate was not tested."
        for measure in gates.shares
        if not ((count := totals.measures.get(measure)) and count.cases)
    ]


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
