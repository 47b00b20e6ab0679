"""Asks Vast for an account's endpoints, and for the workers of each."""

import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from ..config import Config
from ..openai_api.errors import REFUSED_STATUSES
from ..secret import Secret
from ..vast_api import console, router
from ..vast_api.answers import UnreadableError
from .findings import Problem
from .reach import Reach

_NAMES_SHOWN = 10
_STATES_SHOWN = 8
_STATE_LENGTH = 40

#: "Ready (IDLE): Worker is fully initialized with model loaded and ready to process tasks", says
#: https://docs.vast.ai/documentation/serverless/worker-states. Vast's own command line waits for
#: `idle`, too (vastai 1.9.1, cli/commands/benchmarks.py); an example of the API has `running`.
_READY = frozenset({"idle", "running"})

_NEW_KEY = (
    "Make one at https://cloud.vast.ai/manage-keys/ that may read your endpoints; then, here and"
    " where the interceptor runs:\nexport VAST_API_KEY=..."
)
_ANOTHER_NAME = {
    "--endpoint": "vast-intercept check --endpoint {name}",
    "VAST_ENDPOINT": "Here and where the interceptor runs: export VAST_ENDPOINT={name}",
}


@dataclass(frozen=True, slots=True)
class VastAccount:
    """The account that a key belongs to."""

    config: Config
    key: Secret
    reach: Reach

    def endpoints(self) -> dict[str, console.ListedEndpoint]:
        """The account's endpoints by name. Raises Problem."""
        url = console.endpoints_url(self.config.console_url)
        status, body = self.reach.ask("GET", url, self.key, console.LARGEST_LIST)
        if status in REFUSED_STATUSES:
            raise Problem(f"Vast refuses the key {self.key} (status {status})", _NEW_KEY)
        try:
            return console.read_endpoints(status, body)
        except UnreadableError as error:
            raise Problem(
                f"the account's endpoints cannot be read from {url}: {error}",
                "Is vast.console_url right? If so, try again later: Vast may have an outage.",
            ) from None

    def worker_states(self, endpoint: console.ListedEndpoint) -> Counter[str]:
        """The number of the endpoint's workers in each state. Raises Problem, without advice."""
        return Counter(worker.state[:_STATE_LENGTH] for worker in self.workers(endpoint))

    def workers(self, endpoint: console.ListedEndpoint) -> list[router.EndpointWorker]:
        """The endpoint's workers. Raises Problem, without advice."""
        url = router.workers_url(self.config.route_url)
        asked = router.workers_request(endpoint.id)
        status, body = self.reach.ask("POST", url, self.key, router.LARGEST_LIST, asked)
        try:
            return router.read_workers(status, body)
        except UnreadableError as error:
            raise Problem(f"{url} {error}") from None

    def price_per_hour(self, instance: int) -> float:
        """What an instance costs: dollars an hour while it runs. Raises Problem, without advice."""
        url = console.instance_url(self.config.console_url, instance)
        status, body = self.reach.ask("GET", url, self.key, console.LARGEST_INSTANCE)
        try:
            return console.read_price_per_hour(status, body)
        except UnreadableError as error:
            raise Problem(f"the price of worker {instance} cannot be read: {error}") from None


def unknown(name: str, named_by: str, known: Iterable[str]) -> Problem:
    """The problem that the account has no endpoint `name`, which `named_by` has set.

    `known` are the names of its endpoints.
    """
    names = sorted(known)
    near = get_close_matches(name, names, _NAMES_SHOWN, 0.5)
    ordered = near + [other for other in names if other not in near]
    if not ordered:
        return Problem(
            f"your Vast account has no endpoint {name!r} ({named_by}): it has none at all",
            "Make one in Vast's console (https://cloud.vast.ai/serverless/), or use the key of the"
            " account that has it.",
        )
    listed = ", ".join(map(repr, ordered[:_NAMES_SHOWN]))
    if len(ordered) > _NAMES_SHOWN:
        listed += f" and {len(ordered) - _NAMES_SHOWN} more"
    in_file = f"In the configuration's file: {named_by}: {{name}}"
    if named_by.startswith("endpoints."):
        in_file = f"In the configuration's file, in the place of {named_by}: endpoints.{{name}}"
    return Problem(
        f"your Vast account has no endpoint {name!r} ({named_by}); it has {listed}",
        _ANOTHER_NAME.get(named_by, in_file).format(name=shlex.quote(ordered[0])),
    )


def describe(states: Counter[str]) -> str:
    """States of workers in words, such as `2 idle, 1 stopped`."""
    parts = [f"{count} {state}" for state, count in states.most_common(_STATES_SHOWN)]
    return ", ".join(parts) + (", ..." if len(states) > _STATES_SHOWN else "")


def ready(states: Counter[str]) -> int:
    """The number of workers that can answer at once."""
    return sum(count for state, count in states.items() if is_ready(state))


def is_ready(state: str) -> bool:
    """Whether a worker in this state can answer at once."""
    return state in _READY
