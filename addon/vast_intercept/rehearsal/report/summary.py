"""The report in short, for the terminal."""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence

from ...secret import mask_shapes
from ...telemetry.wording import printable, rate, seconds
from ..comparison.measures import Measure
from ..comparison.totals import Count, Totals
from ..wording import counted, in_dollars, percent
from .reasons import reasons
from .report import Costs, Judgement, Money, Rehearsal
from .speed import Compared, Speed
from .wording import MEASURES

_NARROWEST = 40
_WIDEST = 100
_BOLD, _RED, _GREEN, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[0m"
_LONGEST = 1_000  # characters of a text that others chose
_MOST_REASONS = 12
_MOST_ADVICE = 2
_MOST_UNUSABLE = 5
_CODE = re.compile("`[^`]*`")
_JOINED = "\x00"  # for a space; `_said` leaves no such character in a text
_SENTENCE_ENDS = re.compile(r"(?<=\.) ")


class Summary:
    """Makes the summary: plain lines of a bounded width, with colours if they are wanted."""

    def __init__(self, width: int = 80, *, colour: bool = False) -> None:
        self._width = min(max(width, _NARROWEST), _WIDEST)
        self._colour = colour

    def of(self, rehearsal: Rehearsal) -> str:
        """The summary, which ends with a line break. What others chose is made printable."""
        totals = rehearsal.totals
        parts = (
            self._head(rehearsal),
            self._measures(totals),
            self._not_served(totals),
            self._speed(rehearsal.speed),
            self._costs(rehearsal.costs),
            self._judgement(rehearsal.judgement),
            self._unusable(rehearsal),
        )
        texts = ("\n".join(part) for part in parts)
        return "\n\n".join(filter(None, texts)) + "\n"

    def _head(self, rehearsal: Rehearsal) -> Iterator[str]:
        made = f"{counted(rehearsal.rehearsed, 'call')} of {rehearsal.calls:,}"
        runs = f", {counted(rehearsal.runs, 'run')} each" if rehearsal.runs > 1 else ""
        where = ", ".join(printable(name) for name in rehearsal.endpoints) or "no endpoint"
        yield from self._wrapped(f"Rehearsed {made}{runs}, on {where}.")
        # No word of the provider: a recording need not have answers of it.
        failing = counted(rehearsal.differing, "call")
        fails = f"At least one measure fails in {failing}." if rehearsal.differing else ""
        if rehearsal.rehearsed:
            yield from self._wrapped(fails or "No measure fails in any call.")
        if chance := rehearsal.totals.by_chance:
            yield from self._wrapped(
                f"{counted(chance, 'answer')} of {rehearsal.totals.compared:,} differ no more than"
                " Vast's own runs do: by chance."
            )

    def _measures(self, totals: Totals) -> Iterator[str]:
        measured = [
            (MEASURES[each], totals.measures[each]) for each in Measure if each in totals.measures
        ]
        if not measured:
            return
        longest = max(len(name) for name, _ in measured)
        yield self._bold("What apps depend on")
        for name, count in measured:
            yield self._measure(name, count, longest)

    def _measure(self, name: str, count: Count, longest: int) -> str:
        share = percent(count.share or 0)
        line = f"  {name:<{longest}} {share:>7}"
        more = [f"  {count.holds:,} of {count.cases:,}"]
        if count.provider_cases:
            more.append(f"  (provider {percent(count.provider_holds / count.provider_cases)})")
        for each in more:
            if len(line + each) <= self._width:
                line += each
        return self._coloured(line, _GREEN if count.holds == count.cases else _RED)

    def _not_served(self, totals: Totals) -> Iterator[str]:
        found = reasons(totals)
        if not found:
            return
        yield self._bold("Not served")
        for reason in found[:_MOST_REASONS]:
            answers = counted(reason.answers, "answer")
            yield from self._wrapped(f"{_said(reason.name)}: {answers}", indent=2)
            for advice in _without_repetition(reason.advice[:_MOST_ADVICE]):
                yield from self._wrapped(_said(advice), indent=6)
            if len(reason.advice) > _MOST_ADVICE:
                yield from self._wrapped("For other calls, see the report.", indent=6)
        if len(found) > _MOST_REASONS:
            yield f"  and {counted(len(found) - _MOST_REASONS, 'more reason')}"

    def _speed(self, speed: Speed) -> Iterator[str]:
        rows = [
            row
            for name, compared, word in (
                ("First token", speed.time_to_first_token, seconds),
                ("Tokens/s", speed.tokens_per_second, rate),
                ("In all", speed.total, seconds),
            )
            if (row := _medians(name, compared, word))
        ]
        if not rows:
            return
        yield f"{self._bold(f'{"Speed":<14}')}{'provider':>11}{'Vast':>11}"
        yield from rows
        if speed.waited:
            yield from self._wrapped(
                f"Medians. {counted(speed.waited, 'answer')} waited for a worker,"
                f" {seconds(speed.longest_wait)} at most, which is part of Vast's times.",
                indent=2,
            )

    def _costs(self, costs: Costs) -> Iterator[str]:
        yield self._bold("Cost")
        for name, money in (("Provider", costs.provider), ("Vast", costs.vast)):
            yield from self._money(name, money)

    def _money(self, name: str, money: Money) -> Iterator[str]:
        yield f"  {name:<10}{in_dollars(money.dollars)}"
        for assumption in money.assumptions:
            yield from self._wrapped(_said(assumption), indent=6)

    def _judgement(self, judgement: Judgement | None) -> Iterator[str]:
        if judgement is None:
            return
        yield self._bold("A judge")
        yield from self._wrapped(
            f"{printable(judgement.endpoint)} was asked for {counted(judgement.pairs, 'pair')}:"
            f" {judgement.vast:,} for Vast, {judgement.provider:,} for the provider,"
            f" {judgement.even:,} for neither, {judgement.contradictory:,} contradictory,"
            f" {judgement.failed:,} without a usable answer.",
            indent=2,
        )
        if judgement.why_failed:
            yield from self._wrapped(f"Most often, {_said(judgement.why_failed)}", indent=6)
        if judgement.agreement is not None:
            yield from self._wrapped(
                f"It says the same in both orders for {percent(judgement.agreement)} of the pairs"
                " that it judged.",
                indent=2,
            )

    def _unusable(self, rehearsal: Rehearsal) -> Iterator[str]:
        parts = rehearsal.unusable
        if not parts:
            return
        yield self._bold(f"Not used: {counted(len(parts), 'part')} of the recording")
        for part in parts[:_MOST_UNUSABLE]:
            yield from self._wrapped(f"{_said(part.place)}: {_said(part.why)}", indent=2)
        if len(parts) > _MOST_UNUSABLE:
            yield f"  and {len(parts) - _MOST_UNUSABLE:,} more, which the page lists"

    def _wrapped(self, text: str, *, indent: int = 0) -> list[str]:
        """Lines of the text. What is quoted in backticks stays on one line if it fits there."""
        blank = " " * indent
        room = self._width - indent

        def joined(code: re.Match[str]) -> str:
            return code[0].replace(" ", _JOINED) if len(code[0]) < room else code[0]

        lines = textwrap.wrap(
            _CODE.sub(joined, text),
            self._width,
            initial_indent=blank,
            subsequent_indent=blank,
            break_on_hyphens=False,
        )
        return [line.replace(_JOINED, " ") for line in lines]

    def _bold(self, text: str) -> str:
        return self._coloured(text, _BOLD)

    def _coloured(self, text: str, code: str) -> str:
        return f"{code}{text}{_PLAIN}" if self._colour else text


def _said(text: str) -> str:
    return printable(mask_shapes(text.replace("\n", " ")), _LONGEST)


def _without_repetition(texts: Sequence[str]) -> Iterator[str]:
    """The texts, each without the sentences that one before it has."""
    known: set[str] = set()
    for text in texts:
        sentences = [each for each in _SENTENCE_ENDS.split(text) if each not in known]
        known.update(sentences)
        if sentences:
            yield " ".join(sentences)


def _medians(name: str, compared: Compared, word: Callable[[float], str]) -> str:
    values = [each.percentiles() for each in (compared.provider, compared.vast)]
    if not any(values):
        return ""
    shown = [f"{word(each[50]) if each else 'not known':>11}" for each in values]
    return f"  {name:<12}{''.join(shown)}"
