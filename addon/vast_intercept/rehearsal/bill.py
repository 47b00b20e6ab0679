"""What a rehearsal costs at its provider and on Vast, counted entry by entry."""

import time
from collections import Counter
from collections.abc import Mapping

import msgspec

from ..config import Config, UpstreamKind
from .comparison.measures import Measure
from .costs import ProviderCost, WorkerPrice, vast_cost
from .prices import Prices
from .replaying.results import Results
from .report.report import Costs, Entry
from .worker_prices import worker_prices

_PRICE_OF = "price of "


class Bill:
    """Counts what the calls of a report cost. The order of the entries does not matter."""

    def __init__(self, prices: Prices, per_hour: float | None) -> None:
        self._provider = ProviderCost(prices)
        self._per_hour = per_hour
        self._endpoints: Counter[str] = Counter()
        self._made = 0
        self._served = 0

    def add(self, entry: Entry) -> None:
        """Counts an entry."""
        self._provider.add(entry.call, entry.wish, entry.provider)
        for run in entry.runs:
            self._made += 1
            served = run.comparison.checks.get(Measure.SERVED)
            self._served += bool(served and served.holds)
            told = run.rehearsed.report
            if told.endpoint and told.upstream is not UpstreamKind.PROVIDER:
                self._endpoints[told.endpoint] += 1

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The endpoints that calls went to, most calls first."""
        return tuple(sorted(self._endpoints, key=lambda name: (-self._endpoints[name], name)))

    def costs(
        self, config: Config, results: Results, runs: int, environ: Mapping[str, str]
    ) -> Costs:
        """What the calls cost. Waits for Vast's console. Raises ResultsError."""
        return Costs(
            provider=self._provider.money(),
            vast=vast_cost(
                busy=results.busy_seconds,
                concurrency=results.concurrency,
                runs=runs,
                calls=self._made,
                served=self._served,
                made=len(results),
                prices=self._prices(config, results, environ),
            ),
        )

    def _prices(
        self, config: Config, results: Results, environ: Mapping[str, str]
    ) -> list[WorkerPrice]:
        """The prices of the time when the calls were made: workers come and go.

        They are asked for after the last call, and kept beside the results.
        """
        if self._per_hour is not None:
            return worker_prices(config, self.endpoints, environ, self._per_hour)
        kept = {name: _recalled(results, name) for name in self.endpoints}
        stale = [
            name for name, price in kept.items() if price is None or price.asked_at < results.ended
        ]
        found = dict(zip(stale, worker_prices(config, stale, environ), strict=True))
        for name, price in found.items():
            if price.per_hour is not None:
                note = _KeptPrice(price.per_hour, price.why, time.time())
                results.remember(_PRICE_OF + name, msgspec.json.encode(note))
        return [_chosen(found.get(name), kept[name]) for name in self.endpoints]


class _KeptPrice(msgspec.Struct, frozen=True):
    per_hour: float
    why: str
    #: Unix time.
    asked_at: float


def _recalled(results: Results, endpoint: str) -> _KeptPrice | None:
    note = results.recall(_PRICE_OF + endpoint)
    try:
        return msgspec.json.decode(note, type=_KeptPrice) if note else None
    except msgspec.MsgspecError:
        return None


def _chosen(found: WorkerPrice | None, kept: _KeptPrice | None) -> WorkerPrice:
    if kept is None or (found and found.per_hour is not None):
        assert found
        return found
    day = time.strftime("%Y-%m-%d", time.localtime(kept.asked_at))
    return WorkerPrice(per_hour=kept.per_hour, why=f"{kept.why.rstrip('.')}, on {day}.")
