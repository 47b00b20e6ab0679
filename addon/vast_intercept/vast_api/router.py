"""The router's answer: which worker a call goes to, or that it is to ask again. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from yarl import URL

from ..addresses import is_loopback_name
from ..openai_api.errors import bad_gateway
from ..openai_api.requests import GenerationRequest
from ..relay.retrying.retry import AttemptFailed

# Vast's SDK says so, too (FACTS V3).
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
    """No worker is ready. `request_idx` keeps the call's place, in the next request."""

    request_idx: int
    status: str


class _RouteAnswer(msgspec.Struct):
    url: str | None = None
    request_idx: int | None = None
    status: msgspec.Raw = msgspec.Raw(b'""')


_route_answer = msgspec.json.Decoder(_RouteAnswer)


def route_request(endpoint: str, key: str, cost: float, request_idx: int) -> bytes:
    """The body of a request to the router."""
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
    """How much work a call is: the tokens that it may generate (FACTS V5)."""
    return min((request.max_tokens or default) * request.choices, _MAX_COST)


def read_route(
    body: bytes, router: URL, request_idx: int, redact: Callable[[str], str] = str
) -> Worker | NotReady:
    """What the router answered to a request with this `request_idx`.

    `redact` takes keys out of what is shown of it. Raises AttemptFailed if it cannot be read,
    ApiError if the worker must not be called.
    """
    try:
        answer = _route_answer.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise AttemptFailed(
            bad_gateway(f"Vast's route cannot be read: {error}.", "bad_route")
        ) from None
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
        raise AttemptFailed(
            bad_gateway(f"Vast's route has no URL of a worker: {shown!r}.", "bad_route")
        )
    if url.scheme == "http" and router.scheme != "http" and not is_loopback_name(router.host or ""):
        raise bad_gateway(
            f"Vast's route leads to {shown!r}, which is not encrypted: the call was not sent"
            " there.",
            "bad_route",
            retry=False,
        )
    return url
