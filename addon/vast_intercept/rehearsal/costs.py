"""What a rehearsal's calls cost: at their provider, and on Vast.

Every figure comes with what it was computed from, one sentence each. What is not known is said, and
never guessed.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from .calls import RecordedCall
from .prices import Price, Prices, provider_of
from .replies.reply import Reply, Wish
from .report.report import Money
from .wording import counted, duration, in_dollars

_MILLION = 1_000_000
_HOUR = 3600.0
# Models and reasons that are named one by one; an app could make up any number of them.
_MOST_NAMED = 12
_SHOWN = 80


@dataclass(slots=True)
class _Tokens:
    """What calls took of one model at one price."""

    calls: int = 0
    fresh: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0


@dataclass(slots=True)
class ProviderCost:
    """What recorded calls cost at their provider. `add` every call once, in whatever order."""

    prices: Prices
    _known: dict[tuple[str, str, Price], _Tokens] = field(default_factory=dict)
    _unknown: Counter[str] = field(default_factory=Counter)
    _errors: int = 0
    # Whether another table could price more calls.
    _priceless: bool = False
    _cache_unsaid: bool = False

    def add(self, call: RecordedCall, wish: Wish, reply: Reply | None) -> None:
        """Counts a call. `reply` is its provider's, None if the recording has none."""
        if reply is None:
            self._unknown["no recorded answer"] += 1
            return
        if reply.prompt_tokens is None and reply.error:
            self._errors += 1
            return
        provider = provider_of(call.url)
        model = reply.model or wish.model or ""
        shown = _short(model) if model else "a model that is not named"
        price = self._find(provider, reply.model, wish.model)
        if price is None:
            self._priceless = True
            self._unknown[f"{shown}, whose price at {_short(provider)} is not known"] += 1
        elif why := _why_unknown(price, reply):
            self._priceless |= reply.prompt_tokens is not None
            self._unknown[f"{shown}, where {why}"] += 1
        else:
            key = (provider, model.lower(), price)
            _count(self._known.setdefault(key, _Tokens()), reply)
            self._cache_unsaid |= reply.cached_tokens is None and price.cached_input is not None

    def money(self) -> Money:
        """What all calls that were added cost together, with what it was computed from."""
        known = sorted(self._known.items(), key=lambda item: item[0][:2])
        with_price = sum(tokens.calls for _, tokens in known)
        unknown = sum(self._unknown.values())
        calls = with_price + unknown + self._errors
        parts = [part for (_, _, price), tokens in known for part in _dollars(price, tokens)]
        dollars = math.fsum(parts) if with_price or (self._errors and not unknown) else None
        said = []
        if unknown:
            said.append(f"{unknown:,} of {calls:,} calls are not in the figure:")
            said += _listed([f"{count:,}: {why}." for why, count in self._ordered_unknown()])
            if self._priceless:
                said.append("--prices names a file with prices of your own.")
        said += _listed([_said(*key, tokens) for key, tokens in known])
        if self._errors:
            said.append(
                f"{counted(self._errors, 'call')} got an error from the provider: taken as free of"
                " charge."
            )
        if with_price:
            said += [
                f"Prices of {source}." for source in sorted({_source(self, each) for each in known})
            ]
            if self._cache_unsaid:
                said.append(
                    "Where an answer does not say how much of its prompt was read from the cache,"
                    " nothing is taken as read from it."
                )
            said.append(
                "They are list prices: batches, priority, discounts, taxes, and tools such as web"
                " search are not in them."
            )
            said.append(f"That is {in_dollars((dollars or 0.0) / with_price)} a call.")
        return Money(dollars=dollars, assumptions=tuple(said))

    def _find(self, provider: str, *models: str | None) -> Price | None:
        # The model that answered is a snapshot where the one that was asked for is a name for it.
        for model in models:
            if model and (price := self.prices.find(provider, model)):
                return price
        return None

    def _ordered_unknown(self) -> list[tuple[str, int]]:
        return sorted(self._unknown.items(), key=lambda item: (-item[1], item[0]))


def _source(cost: ProviderCost, known: tuple[tuple[str, str, Price], _Tokens]) -> str:
    price = known[0][2]
    table = next((each for each in cost.prices.tables if each.name == price.table), None)
    return f"{price.table} ({table.source})" if table and table.source else price.table


def _why_unknown(price: Price, reply: Reply) -> str:
    if reply.prompt_tokens is None:
        return (
            "the answer does not say how many tokens it took (a stream says it if the request has"
            " stream_options.include_usage)"
        )
    if reply.completion_tokens is None and price.output is not None:
        return "the answer does not say how many tokens it has"
    if reply.completion_tokens and price.output is None:
        return "its table has no price for output"
    if price.longest_prompt is not None and reply.prompt_tokens > price.longest_prompt:
        return f"the price holds for prompts of up to {price.longest_prompt:,} tokens only"
    return ""


def _count(tokens: _Tokens, reply: Reply) -> None:
    prompt = reply.prompt_tokens or 0
    cached = min(reply.cached_tokens or 0, prompt)
    written = min(reply.cache_write_tokens or 0, prompt - cached)
    tokens.calls += 1
    tokens.cached += cached
    tokens.written += written
    tokens.fresh += prompt - cached - written
    tokens.output += reply.completion_tokens or 0


def _priced(price: Price, tokens: _Tokens) -> list[tuple[int, str, float]]:
    """Numbers of tokens, what they are, and what a million of them costs."""
    cached = price.input if price.cached_input is None else price.cached_input
    written = price.input if price.cache_write is None else price.cache_write
    rows = [
        (tokens.fresh, "input", price.input),
        (tokens.cached, "cached input", cached),
        (tokens.written, "cache write", written),
        (tokens.output, "output", price.output or 0.0),
    ]
    return [row for row in rows if row[0] or row[1] == "input"]


def _dollars(price: Price, tokens: _Tokens) -> list[float]:
    return [count * each / _MILLION for count, _, each in _priced(price, tokens)]


def _said(provider: str, model: str, price: Price, tokens: _Tokens) -> str:
    parts = [
        f"{count:,} {what} tokens at {in_dollars(each)}"
        for count, what, each in _priced(price, tokens)
    ]
    return (
        f"{counted(tokens.calls, 'call')} of {_short(model)} at {_short(provider)}:"
        f" {', '.join(parts)} a million."
    )


# --- Vast -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPrice:
    """What the workers of one endpoint cost."""

    #: All workers that are paid for, together: dollars an hour. None if it is not known.
    per_hour: float | None
    #: Where the price is from, or why it is not known: a sentence.
    why: str


def vast_cost(
    *,
    busy: float,
    concurrency: int,
    runs: int,
    calls: int,
    served: int,
    made: int,
    prices: Sequence[WorkerPrice],
) -> Money:
    """What one run of the calls costs on Vast: the workers' price for the time that calls ran.

    `busy` are the seconds in which calls ran, at most `concurrency` at a time; `made` calls ran in
    them. `calls` of these are in the report, in all `runs` runs together, and `served` of those
    were answered. `prices` are those of all endpoints that calls went to.
    """
    said = [price.why for price in prices]
    known = [price.per_hour for price in prices if price.per_hour is not None]
    if not calls:
        return Money(dollars=0.0, assumptions=("No call was made.",))
    if not prices:
        return Money(dollars=0.0, assumptions=("No call went to an endpoint.",))
    if len(known) < len(prices):
        said.append("--per-hour says what all workers together cost an hour.")
        return Money(dollars=None, assumptions=tuple(said))
    hourly = math.fsum(known)
    made = max(made, calls)
    dollars = hourly * busy / _HOUR * calls / made / runs
    said.append(
        f"Calls ran for {duration(busy)}, at most {concurrency:,} at a time; that is"
        f" {in_dollars(hourly)} an hour for that time."
    )
    if made > calls:
        said.append(
            f"{made:,} calls were made in that time; the figure is the share of the {calls:,} that"
            " this report has."
        )
    if len(prices) > 1:
        said.append("The workers of all endpoints are taken as paid for in all of that time.")
    if runs > 1:
        said.append(f"Each call was made {runs:,} times; the figure is for making it once.")
    said.append(
        "Time without a call is not in it, such as workers' idle time, and neither is traffic. Time"
        " that calls wait for a worker is."
    )
    said.append("The more calls a worker has at a time, the less each costs, until it is full.")
    if served < calls:
        said.append(
            f"{calls - served:,} of {calls:,} calls were not served: what they would cost is not in"
            " it."
        )
    if served:
        said.append(f"That is {in_dollars(dollars * runs / served)} for each call that is served.")
    return Money(dollars=dollars, assumptions=tuple(said))


def estimate(seconds_busy: float | None, prices: Sequence[WorkerPrice]) -> Money:
    """What a rehearsal of so many seconds is going to cost. Never guesses a price."""
    said = tuple(price.why for price in prices)
    known = [price.per_hour for price in prices if price.per_hour is not None]
    if seconds_busy is None or not prices or len(known) < len(prices):
        return Money(dollars=None, assumptions=said)
    dollars = math.fsum(known) * seconds_busy / _HOUR
    return Money(dollars=dollars, assumptions=said)


def _listed(sentences: list[str]) -> list[str]:
    rest = len(sentences) - _MOST_NAMED
    return sentences[:_MOST_NAMED] + ([f"And {rest:,} more like these."] if rest > 0 else [])


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
