"""The router: which worker a call goes to, and what the workers of an endpoint do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from yarl import URL

from ..addresses import is_loopback_name
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import bad_gateway
from ..openai_api.requests import GenerationRequest
from .answers import UnreadableError, decode

#: The largest route, and the largest list of workers, in bytes.
LARGEST_ROUTE = 64 * 1024
LARGEST_LIST = 16 * 1024 * 1024

# Seconds, as Vast's SDK has it (FACTS V3).
_REPLAY_TIMEOUT = 60.0

_MAX_COST = 1e9
_SHOWN = 200  # characters of what the router says


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that is ready, for one call. `auth_data` is the router's answer, byte for byte."""

    url: URL
    auth_data: bytes


@dataclass(frozen=True, slots=True)
class NotReady:
    """No worker is ready. The next request with this `request_idx` keeps the call's place."""

    request_idx: int
    status: str


class _RouteAnswer(msgspec.Struct):
    url: str | None = None
    request_idx: int | None = None
    status: msgspec.Raw = msgspec.Raw(b'""')


class _ListedWorker(msgspec.Struct):
    id: Any = None
    status: str | None = None


class _NoList(msgspec.Struct):
    """The API answers with a list, says Vast's SDK. Vast's command line accepts this as well."""

    workers: list[_ListedWorker] | None = None
    error_msg: str | None = None
    error: str | None = None


_route_answer = msgspec.json.Decoder(_RouteAnswer)
_workers: msgspec.json.Decoder[list[_ListedWorker] | _NoList] = msgspec.json.Decoder(
    list[_ListedWorker] | _NoList
)


def route_url(router_url: str) -> str:
    """The URL at which the router names a worker for a call (FACTS V3)."""
    return f"{router_url}/route/"


def route_request(endpoint: str, key: str, cost: float, request_idx: int) -> bytes:
    """The body of a request for a worker.

    `key` is the endpoint's own. `cost` is in tokens. `request_idx` is 0 at first, and then what the
    router's last answer to this call had.
    """
    return msgspec.json.encode(
        {
            "endpoint": endpoint,
            "api_key": key,
            "cost": cost,
            "request_idx": request_idx,
            "replay_timeout": _REPLAY_TIMEOUT,
        }
    )


def cost_of(request: GenerationRequest, default: float) -> float:
    """How much work a call is: the tokens that it may generate (FACTS V5).

    `default` is for a request that does not limit its tokens.
    """
    return min((request.max_tokens or default) * request.choices, _MAX_COST)


def read_route(
    body: bytes, router: URL, request_idx: int, redact: Callable[[str], str] = str
) -> Worker | NotReady:
    """Reads the answer of `router` to a request with this `request_idx`.

    `redact` takes keys out of the parts of the answer that are shown. Raises UnreadableError, and
    ApiError if the worker must not be called.
    """
    try:
        answer = decode(body, _route_answer)
    except UnreadableError as error:
        raise UnreadableError(f"Vast's route cannot be read: {error}.") from None
    if answer.url is None:
        # Without a `request_idx` the call has no place yet; Vast's SDK just asks again, too.
        status = redact(bytes(answer.status).decode(errors="replace").strip('"'))
        return NotReady(answer.request_idx or request_idx, status[:_SHOWN])
    return Worker(_worker_url(answer.url, router, redact(answer.url)[:_SHOWN]), body)


def _worker_url(text: str, router: URL, shown: str) -> URL:
    try:
        url = URL(text)
        usable = (
            url.scheme in {"https", "http"}
            and url.host
            and url.port
            and not (url.user or url.password or url.query_string or url.fragment)
        )
    except ValueError:
        usable = False
    if not usable:
        raise UnreadableError(f"Vast's route has no URL of a worker: {shown!r}.")
    if url.scheme == "http" and router.scheme != "http" and not is_loopback_name(router.host or ""):
        raise bad_gateway(
            f"Vast's route leads to {shown!r}, which is not encrypted: the call was not sent"
            " there.",
            ErrorCode.BAD_ROUTE,
            retry=False,
        )
    return url


def workers_url(router_url: str) -> str:
    """The URL that lists the workers of an endpoint. It needs the account's key (FACTS V13)."""
    return f"{router_url}/get_endpoint_workers/"


def workers_request(endpoint_id: Any) -> bytes:
    """The body of a request for the workers of an endpoint.

    Only the ID is in it, as with Vast's command line, which sends the account's key in a header.
    """
    return msgspec.json.encode({"id": endpoint_id})


@dataclass(frozen=True, slots=True)
class EndpointWorker:
    """A worker of an endpoint: the ID of its instance, and its state in small letters."""

    id: Any
    state: str


def read_workers(status: int, body: bytes) -> list[EndpointWorker]:
    """The workers of an endpoint.

    Raises UnreadableError, whose message continues a sentence that begins with the URL. The fields
    are documented at https://docs.vast.ai/serverless/worker-list.
    """
    if status != 200:
        raise UnreadableError(f"answers with status {status}")
    try:
        answer = decode(body, _workers)
    except UnreadableError as error:
        raise UnreadableError(f"gives an answer that cannot be read: {error}") from None
    workers = answer.workers if isinstance(answer, _NoList) else answer
    if workers is None:
        assert isinstance(answer, _NoList)
        said = answer.error_msg or answer.error or "no list"
        raise UnreadableError(f"says: {' '.join(said.split())[:_SHOWN]}")
    return [EndpointWorker(each.id, (each.status or "unknown").lower()) for each in workers]
