"""What an endpoint's workers cost an hour: from Vast's console, or as the user says.

A price that cannot be had never fails a rehearsal: it is unknown then, with the reason.
"""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..config import Config
from ..diagnosis.findings import NotApplicable, Problem, one_line
from ..diagnosis.reach import Reach
from ..diagnosis.vast_account import VastAccount, is_ready
from ..launch.named_proxy import NamedProxyError, named_proxy
from ..vast_api.console import ListedEndpoint
from .costs import WorkerPrice
from .prices import PriceError
from .wording import in_dollars

#: The highest price that `--per-hour` takes, in dollars.
HIGHEST_PER_HOUR = 1_000_000.0
# Workers whose price is asked for, each with a request of its own; so many at once.
_MOST_WORKERS = 64
_AT_ONCE = 4


def read_per_hour(text: str) -> float:
    """Reads the value of `--per-hour`. Raises PriceError.

    >>> read_per_hour("2.40")
    2.4
    """
    try:
        dollars = float(text)
    except ValueError:
        dollars = math.nan
    if not 0 <= dollars <= HIGHEST_PER_HOUR:  # which NaN is not either
        raise PriceError(
            f"--per-hour: {text[:40]!r} is not a price: the dollars that all workers of the"
            " endpoint cost an hour together are expected, such as 2.40."
        )
    return dollars


def worker_prices(
    config: Config,
    endpoints: Sequence[str],
    environ: Mapping[str, str],
    per_hour: float | None = None,
) -> list[WorkerPrice]:
    """What the workers of each endpoint cost together that are ready now (FACTS V69 to V71).

    Raises nothing. It waits for Vast: it is not for an event loop. `per_hour` is the value of
    `--per-hour`, which no console overrules; it holds for all endpoints together.
    """
    if per_hour is not None:
        said = f"All workers together cost {in_dollars(per_hour)} an hour, says --per-hour."
        return [WorkerPrice(per_hour=per_hour, why=said)]
    asking = _Asking(config, environ)
    return [asking.price_of(endpoint) for endpoint in endpoints]


class _Asking:
    """Asks the console for the prices of several endpoints' workers."""

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        self._config = config
        self._environ = environ
        self._listed: dict[str, ListedEndpoint] | None = None

    def price_of(self, endpoint: str) -> WorkerPrice:
        """The price of the workers of one endpoint, or why it is not known."""
        if endpoint in self._config.machines:
            return _unknown(endpoint, "it is a machine of your own")
        try:
            return self._ask(endpoint)
        except (Problem, NotApplicable, NamedProxyError, OSError, ValueError) as error:
            return _unknown(endpoint, one_line(str(error)).rstrip("."))

    def _ask(self, endpoint: str) -> WorkerPrice:
        if self._config.api_key is None:
            return _unknown(endpoint, "there is no Vast key")
        reach = Reach(self._config, named_proxy(self._environ))
        account = VastAccount(self._config, self._config.api_key, reach)
        if self._listed is None:
            self._listed = account.endpoints()
        if endpoint not in self._listed:
            return _unknown(endpoint, "the account does not list it")
        ready = [each for each in account.workers(self._listed[endpoint]) if is_ready(each.state)]
        ids = [each.id for each in ready if type(each.id) is int]
        if not ready:
            return _unknown(endpoint, "none of its workers is ready")
        if len(ids) < len(ready) or len(ids) > _MOST_WORKERS:
            return _unknown(endpoint, f"the console does not show all of its {len(ready)} workers")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            prices = list(pool.map(account.price_per_hour, ids))
        total = math.fsum(prices)
        said = (
            f"{len(ids)} worker{'s' * (len(ids) != 1)} of {endpoint} ready, for"
            f" {in_dollars(total)} an hour in all, says Vast's console (dph_total)."
        )
        return WorkerPrice(per_hour=total, why=said)


def _unknown(endpoint: str, reason: str) -> WorkerPrice:
    said = f"What the workers of {endpoint} cost is not known: {reason}."
    return WorkerPrice(per_hour=None, why=said)
