"""The endpoints of a Vast account, each with a key of its own for its router and its workers."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from yarl import URL

from ....config import Config
from ....openai_api.error_codes import ErrorCode
from ....openai_api.errors import (
    REFUSED_STATUSES,
    ApiError,
    bad_gateway,
    bad_request,
    misconfigured,
)
from ....secret import Secret
from ....vast_api.answers import UnreadableError
from ....vast_api.console import LARGEST_LIST, endpoints_url, read_endpoints
from ....vast_api.headers import headers
from ...failures import AttemptFailed
from ...http_client import HttpClient
from ...progress import Progress
from ..tls import public_context

# As Vast's SDK does (FACTS V2): after the first, a new list is fetched beside the calls; after the
# second they wait for it.
_SOFT_REFRESH = 3 * 24 * 3600
_FIRM_REFRESH = 6 * 24 * 3600

# A name that the list has not, or a key that it still has although it was refused, is not asked for
# again before so many seconds.
_ASK_AGAIN = 10

# Nor is a list that is due for a refresh, and could not be had, in so many.
_REFRESH_AGAIN = 60

_NAMES_SHOWN = 20

logger = logging.getLogger(__name__)

type Refuser = Literal["router", "worker"]


@dataclass(slots=True)
class _Account:
    """The keys of one account, by the names of its endpoints."""

    keys: dict[str, Secret] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    asked_at: float = 0.0
    #: Since then: whether a name was missing, and whose keys were refused, by whom.
    missing: bool = False
    refused: set[tuple[str, Refuser]] = field(default_factory=set)
    fetching: asyncio.Task[None] | None = None


class EndpointKeys:
    """Looks endpoints up at `console_url`, and remembers what it found."""

    def __init__(self, client: HttpClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._of: tuple[str, Secret] | None = None
        self._account = _Account()

    async def close(self) -> None:
        """Ends a fetch that runs."""
        if task := self._account.fetching:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, AttemptFailed, ApiError):
                await task

    async def key_of(self, progress: Progress, endpoint: str) -> Secret:
        """The endpoint's own key. Raises ApiError if there is none, AttemptFailed for failures."""
        account, config = self._account_of(progress), progress.call.config
        age = self._clock() - account.fetched_at
        missing = endpoint not in account.keys
        if missing and account.missing and age < _ASK_AGAIN:
            raise _unknown_endpoint(endpoint, account.keys, config)
        if missing or age > _FIRM_REFRESH:
            await self._fetch(account, config)
        elif age > _SOFT_REFRESH and self._clock() - account.asked_at > _REFRESH_AGAIN:
            self._start_fetching(account, config)
        key = account.keys.get(endpoint)
        if key is None:
            account.missing = True
            raise _unknown_endpoint(endpoint, account.keys, config)
        progress.keys.add(key)
        return key

    async def renew(self, progress: Progress, endpoint: str, key: Secret, by: Refuser) -> bool:
        """Looks a refused key up again, unless that was just done. True if there is another now.

        `key` is the one that was refused, `by` whom.
        """
        account, config = self._account_of(progress), progress.call.config
        if account.keys.get(endpoint) != key:
            return True  # another call was faster
        age = self._clock() - account.fetched_at
        if (endpoint, by) not in account.refused or age > _ASK_AGAIN:
            await self._fetch(account, config)
        if account.keys.get(endpoint) != key:
            return True
        account.refused.add((endpoint, by))
        return False

    def _account_of(self, progress: Progress) -> _Account:
        call = progress.call
        of = call.config.console_url, call.vast_key
        progress.keys.add(call.vast_key)  # the list may be asked for with it
        if of != self._of:
            self._of, self._account = of, _Account()
        return self._account

    async def _fetch(self, account: _Account, config: Config) -> None:
        # Whoever leaves does not end it for the others.
        await asyncio.shield(self._start_fetching(account, config))

    def _start_fetching(self, account: _Account, config: Config) -> asyncio.Task[None]:
        if account.fetching is None:
            account.asked_at = self._clock()
            work = self._replace_keys(account, config)
            task = account.fetching = asyncio.create_task(work, name="look up Vast endpoints")
            task.add_done_callback(lambda task: _forget_task(account, task))
        return account.fetching

    async def _replace_keys(self, account: _Account, config: Config) -> None:
        assert config.api_key
        url = URL(endpoints_url(config.console_url), encoded=True)
        asked = headers(config.api_key.reveal(), body=False)
        status, body = await self._client.ask(
            "GET", url, asked, public_context(config), limit=LARGEST_LIST
        )
        if status in REFUSED_STATUSES:
            raise bad_gateway(
                f"Vast refused the Vast API key (status {status}) when asked for the endpoints."
                " The app's own key is not the problem: set VAST_API_KEY, or vast.api_key in the"
                " configuration, to a key that is valid.",
                ErrorCode.VAST_KEY_REFUSED,
                retry=False,
            )
        account.keys = _read_list(status, body)
        account.fetched_at = self._clock()
        account.missing = False
        account.refused.clear()


def _forget_task(account: _Account, task: asyncio.Task[None]) -> None:
    account.fetching = None
    if not task.cancelled() and (error := task.exception()):
        # Calls that wait for it get the error, too; for the others, the old keys do for now.
        logger.warning("The endpoints could not be looked up: %s", error)


def _read_list(status: int, body: bytes) -> dict[str, Secret]:
    try:
        listed = read_endpoints(status, body)
    except UnreadableError as error:
        message = f"Vast's list of endpoints cannot be read: {error}."
        raise AttemptFailed(bad_gateway(message, ErrorCode.BAD_UPSTREAM_ANSWER)) from None
    return {name: each.key for name, each in listed.items() if each.key}


def _unknown_endpoint(endpoint: str, known: dict[str, Secret], config: Config) -> ApiError:
    if endpoint not in config.endpoints():
        # An app has named it, and is not told what else there is.
        return bad_request(
            f"The interceptor's Vast account has no endpoint {endpoint!r}.",
            ErrorCode.VAST_ENDPOINT_UNKNOWN,
            status=404,
        )
    names = [repr(name) for name in sorted(known)]
    shown = ", ".join(names[:_NAMES_SHOWN])
    if len(names) > _NAMES_SHOWN:
        shown += f" and {len(names) - _NAMES_SHOWN} more"
    return misconfigured(
        f"Your Vast account has no endpoint {endpoint!r}."
        + (f" It has {shown}." if names else " It has none at all.")
        + " Set VAST_ENDPOINT, or vast.endpoint or the route in the configuration, to one of its"
        " endpoints.",
        ErrorCode.VAST_ENDPOINT_UNKNOWN,
    )
