"""What Vast says of an account: its endpoints, and the workers of each."""

import shlex
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches

import msgspec

from ..config import Config
from ..secret import Secret
from .outcome import Problem
from .reach import Reach

_MAX_LIST = 16 * 1024 * 1024
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


class Endpoint(msgspec.Struct):
    """One of the account's (FACTS V2)."""

    id: int
    endpoint_name: str | None = None


class _Endpoints(msgspec.Struct):
    results: list[Endpoint]


class _Worker(msgspec.Struct):
    status: str | None = None


class _Workers(msgspec.Struct):
    """The API answers with a list, says Vast's SDK; with this, its command line takes, too."""

    workers: list[_Worker] | None = None
    error_msg: str | None = None
    error: str | None = None


class NoStatesError(Exception):
    """Vast does not say what the workers do. The message says why."""


class Account:
    """Asks the console and the router."""

    def __init__(self, config: Config, key: Secret, reach: Reach) -> None:
        self._config = config
        self._key = key
        self._reach = reach

    def endpoints(self) -> dict[str, Endpoint]:
        """By name. Raises Problem."""
        # As the SDK asks (FACTS V2).
        url = f"{self._config.console_url}/api/v0/endptjobs/?client_id=me"
        status, body = self._reach.ask("GET", url, self._key, _MAX_LIST)
        if status in {401, 403}:
            raise Problem(f"Vast refuses the key {self._key} (status {status})", _NEW_KEY)
        why = f"status {status}"
        if status == 200:
            try:
                found = msgspec.json.decode(body, type=_Endpoints).results
                return {each.endpoint_name: each for each in found if each.endpoint_name}
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                why = str(error)
        raise Problem(
            f"the account's endpoints cannot be read from {url}: {why}",
            "Is vast.console_url right? If so, try again later: Vast may have an outage.",
        )

    def worker_states(self, endpoint: Endpoint) -> Counter[str]:
        """How many of the endpoint's workers are in which state. Raises NoStatesError.

        Vast's command line asks like this, with the account's key in the header (vastai 1.9.1,
        api/endpoints.py); the fields are in https://docs.vast.ai/serverless/worker-list.
        """
        url = f"{self._config.route_url}/get_endpoint_workers/"
        asked = msgspec.json.encode({"id": endpoint.id})
        try:
            status, body = self._reach.ask("POST", url, self._key, _MAX_LIST, asked)
        except Problem as problem:
            raise NoStatesError(problem.message) from None
        if status != 200:
            raise NoStatesError(f"{url} answers with status {status}")
        try:
            answer = msgspec.json.decode(body, type=list[_Worker] | _Workers)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise NoStatesError(f"what {url} answers cannot be read: {error}") from None
        if isinstance(answer, _Workers):
            if answer.workers is None:
                said = answer.error_msg or answer.error or "no list"
                raise NoStatesError(f"{url} says: {' '.join(said.split())[:200]}")
            answer = answer.workers
        return Counter((worker.status or "unknown").lower()[:_STATE_LENGTH] for worker in answer)


def unknown(name: str, named_by: str, known: Iterable[str]) -> Problem:
    """The account has no endpoint of that name, which stands where `named_by` says."""
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
    return Problem(
        f"your Vast account has no endpoint {name!r} ({named_by}); it has {listed}",
        _ANOTHER_NAME.get(named_by, f"In the configuration's file: {named_by}: {{name}}").format(
            name=shlex.quote(ordered[0])
        ),
    )


def describe(states: Counter[str]) -> str:
    """Such as `2 idle, 1 stopped`."""
    parts = [f"{count} {state}" for state, count in states.most_common(_STATES_SHOWN)]
    return ", ".join(parts) + (", ..." if len(states) > _STATES_SHOWN else "")


def ready(states: Counter[str]) -> int:
    """How many can answer at once."""
    return sum(count for state, count in states.items() if state in _READY)
