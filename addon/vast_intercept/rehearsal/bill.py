"""What a rehearsal costs at its provider and on Vast, counted entry by entry."""

from collections import Counter
from collections.abc import Mapping

from ..config import Config, UpstreamKind
from .comparison.measures import Measure
from .costs import ProviderCost, vast_cost
from .prices import Prices
from .replaying.results import Results
from .report.report import Costs, Entry
from .worker_prices import worker_prices


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
                prices=worker_prices(config, self.endpoints, environ, self._per_hour),
            ),
        )
