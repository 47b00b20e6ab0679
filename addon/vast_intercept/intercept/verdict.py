"""What happens to a request: the whole policy, as one pure function.

`judge` goes through this table from its top. The first line that fits is the verdict.

====================================================== ============================================
What was asked                                         Verdict
====================================================== ============================================
a call that was changed to be for another host, while  Refuse (500 configuration_invalid)
there is no valid configuration
the same, of a client that `clients.keys` does not     Refuse (401 invalid_api_key)
list
a host that is no provider's                           LeaveAlone
a flow that was loaded from a file                     LeaveAlone
no file descriptors left                               RefuseAtOnce (503 interceptor_overloaded)
headers name another host than the connection's        Refuse (421 misdirected_request, 400
                                                       invalid_host)
more keys than any app sends, and a route falls back   Refuse (400 request_too_complex)
a path outside of the provider's API                   PassOn
a call while calls are recorded, unless it is          PassOn
replayed for its provider
a browser's preflight (OPTIONS)                        AnswerHere (204)
there is no valid configuration                        Refuse (500 configuration_invalid)
a client that `clients.keys` does not list             Refuse (401 invalid_api_key)
an endpoint that the configuration does not name       Refuse (403 endpoint_not_allowed)
a completion, or an operation that an endpoint is      ToProvider, or Refuse where its key is not
said to serve, replayed for its provider               to go (500 provider_key_missing)
the same, not replayed for its provider                ToVast
a response that was stored, the number of tokens       StoredResponse, CountTokens, or Refuse (426
                                                       websocket_not_served)
traces                                                 AnswerHere (204)
models                                                 AnswerHere (200), or Refuse (404
                                                       model_not_found)
what `unsupported: pass` lets go                       PassOn
everything else                                        Refuse (404 unsupported_endpoint)
====================================================== ============================================

What cannot be carried out any more becomes a refusal in the end: PassOn for a request with more
keys than any app sends (400 request_too_complex), PassOn for a call whose keys are masked for good,
and what the relay would answer from a body that it has already (400 edited_call_not_served). In a
rehearsal, so do PassOn, ToProvider and LeaveAlone (403 not_rehearsed): nothing reaches a provider.
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from mitmproxy.http import Headers

from ..config import ApiPath, Config, Provider
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, misconfigured
from ..openai_api.operations import (
    GENERATING,
    ApiCall,
    Operation,
    at_end,
    classify,
    normalize_path,
)
from ..relay.failures import no_room, not_rehearsed
from ..relay.work import (
    AnswerHere,
    CountTokens,
    Refuse,
    StoredResponse,
    ToProvider,
    ToVast,
    Work,
)
from ..secret import mask_shapes
from .bridged_calls import work_on
from .clients import ANYBODY, Client, invalid_api_key
from .destination import Parts
from .listed_models import answer_models
from .message_keys import Fields, api_key_of, keys_in
from .refusals import (
    MAX_KEYS,
    edited_call_not_served,
    endpoint_not_allowed,
    invalid_configuration,
    too_complex,
    unsupported_endpoint,
)

#: Operations that are answered for an endpoint that the path names.
_BY_ENDPOINT = GENERATING | {Operation.MODELS}


class Origin(Enum):
    """Where a request comes from."""

    LIVE = "an app, just now"
    REPLAYED = "a person, who replays a call that was taken over before"
    REPLAYED_FOR_PROVIDER = "the same, and its provider is to answer it"
    FILE = "a file that was loaded"
    EDITED = "a change that was made here: the keys of the call are masked for good"
    EDITED_WITH_KEYS = "a change to a call that was to be passed on: its keys can still be sent"
    EDITED_AT_RELAY = "a change to a call whose body went to the relay as it came"


_EDITED = frozenset({Origin.EDITED, Origin.EDITED_WITH_KEYS, Origin.EDITED_AT_RELAY})
_KEYS_ARE_GONE = frozenset({Origin.EDITED, Origin.EDITED_AT_RELAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, as far as it decides what happens to it."""

    origin: Origin
    method: str
    #: Where the app sent it. The path has its query.
    place: Parts
    headers: Fields = ()
    #: Whose host the connection was made to, None for another host.
    provider: Provider | None
    #: The answer to a request that names another host than the one its connection was made to.
    host_problem: ApiError | None = None
    client: Client = ANYBODY

    @property
    def path(self) -> str:
        """The path as the app sent it, with its query."""
        return self.place[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is in force when a request is judged."""

    config: Config
    #: Why there is no valid configuration, or nothing.
    problem: str = ""
    #: Why the key of the person who replays a call is not sent to its provider, or None.
    key_problem: str | None = None
    #: Whether there are file descriptors for one more call.
    has_room: bool = True
    #: Whether calls are recorded: all go to their providers, whatever the configuration says.
    recording: bool = False
    #: Whether recorded calls are made to try Vast: then none may reach its provider.
    rehearsing: bool = False


@dataclass(frozen=True, slots=True)
class PassOn:
    """The request goes to its provider as it is, with the app's own key.

    `operation` is None for a request that is no call of the provider's API.
    """

    operation: Operation | None = None


@dataclass(frozen=True, slots=True)
class LeaveAlone:
    """The request is not for a provider, or is not sent at all."""

    operation: Operation | None = None


class RefuseAtOnce(Refuse):
    """The app gets the error without the relay: the way there takes file descriptors."""


type Verdict = LeaveAlone | PassOn | RefuseAtOnce | Work


def judge(asked: Asked, policy: Policy) -> Verdict:
    """What happens to the request. The module's table is this function in words."""
    verdict = _first_that_fits(asked, policy)
    sent = asked.origin is not Origin.FILE and isinstance(verdict, PassOn | ToProvider | LeaveAlone)
    if policy.rehearsing and sent:
        return Refuse(not_rehearsed(_where(asked)), verdict.operation)
    if isinstance(verdict, PassOn):
        if asked.origin in _KEYS_ARE_GONE:
            return Refuse(edited_call_not_served(), verdict.operation)
        if asked.origin not in _EDITED and _has_many_keys(asked):
            return Refuse(too_complex(), verdict.operation)
    served = isinstance(verdict, ToVast | StoredResponse | CountTokens)
    if served and asked.origin is Origin.EDITED_AT_RELAY:
        return Refuse(edited_call_not_served(), verdict.operation)
    return verdict


def _first_that_fits(asked: Asked, policy: Policy) -> Verdict:
    config, provider = policy.config, asked.provider
    if provider is None:
        if asked.origin in _KEYS_ARE_GONE and (refusal := _refusal_of_all(asked, policy)):
            return refusal
        return PassOn() if asked.origin is Origin.EDITED_AT_RELAY else LeaveAlone()
    api_path, call = _find_call(asked, provider) or (None, None)
    listed = _listed(asked, api_path, call, config)
    operation = listed or (call.operation if call and asked.method != "OPTIONS" else None)
    if asked.origin is Origin.FILE:
        return LeaveAlone(operation)
    if not policy.has_room:
        return RefuseAtOnce(no_room(), operation)
    if asked.host_problem:
        return Refuse(asked.host_problem, operation)
    if config.falls_back_to_provider and asked.origin not in _EDITED and _has_many_keys(asked):
        return Refuse(too_complex(), operation)
    if api_path is None or call is None:
        return PassOn()
    if policy.recording and asked.origin is not Origin.REPLAYED_FOR_PROVIDER:
        return PassOn(operation)
    if operation is None:
        return _preflight(asked)
    if refusal := _refusal_of_all(asked, policy, operation):
        return refusal
    if api_path.endpoint and operation in _BY_ENDPOINT and not config.may_call(api_path.endpoint):
        return Refuse(endpoint_not_allowed(api_path.endpoint), operation)
    setting = None if listed else config.unsupported.get(operation)
    served = setting is None
    generates = operation in GENERATING and asked.method == "POST" and not call.rest
    if served and (listed or generates):
        model = call.model or api_path.model
        if asked.origin is not Origin.REPLAYED_FOR_PROVIDER:
            return ToVast(operation, model, api_path.endpoint)
        if policy.key_problem:
            return Refuse(
                misconfigured(policy.key_problem, ErrorCode.PROVIDER_KEY_MISSING), operation
            )
        return ToProvider(operation, model, api_path.endpoint)
    if served and asked.origin is not Origin.REPLAYED_FOR_PROVIDER:
        websocket = "upgrade" in Headers(asked.headers)
        if work := work_on(call, asked.method, asked.path, websocket=websocket):
            return work
    if operation is Operation.MODELS:
        return answer_models(config, call, api_path.endpoint, provider.api)
    if setting == "pass":
        return PassOn(operation)
    return Refuse(_unsupported(asked, provider, api_path, call, config), operation)


def _refusal_of_all(
    asked: Asked, policy: Policy, operation: Operation | None = None
) -> Refuse | None:
    """Why no call is served now, or none of this client's; None if calls are served."""
    if policy.problem:
        return Refuse(invalid_configuration(policy.problem), operation)
    if not asked.client.may_call:
        return Refuse(invalid_api_key(asked.client), operation)
    return None


def _listed(
    asked: Asked, api_path: ApiPath | None, call: ApiCall | None, config: Config
) -> Operation | None:
    """The operation, if it is one that an endpoint is said to serve: that which the path names."""
    if api_path is None or call is None or call.listed is None or asked.method != "POST":
        return None
    named = api_path.endpoint
    serves = config.serves(named, call.listed) if named else config.serves_anywhere(call.listed)
    return call.listed if serves else None


def _unsupported(
    asked: Asked, provider: Provider, api_path: ApiPath, call: ApiCall, config: Config
) -> ApiError:
    # Of all but a live call, the key is masked.
    key = (api_key_of(asked.headers, asked.path) or "") if asked.origin is Origin.LIVE else None
    return unsupported_endpoint(
        asked.method,
        asked.path,
        call,
        config,
        endpoint=api_path.endpoint,
        provider=provider.name,
        may_pass=key is None or provider.may_have_issued(key),
    )


# --- which call a path is ---------------------------------------------------------------------


def _find_call(asked: Asked, provider: Provider) -> tuple[ApiPath, ApiCall] | None:
    """Where in the provider's API the path is, and what it asks for there."""
    path = asked.path.partition("?")[0]
    found = _call_in_api(provider, asked.method, path)
    if found is None and _may_hold_a_prompt(asked):
        found = _stray_call(asked.method, path)
    return found


@lru_cache(maxsize=1_024)
def _call_in_api(provider: Provider, method: str, path: str) -> tuple[ApiPath, ApiCall] | None:
    api_path = provider.find_api(normalize_path(path))
    return (api_path, classify(method, api_path.segments, provider.api)) if api_path else None


def _may_hold_a_prompt(asked: Asked) -> bool:
    """Whether more than a key would go to the provider, now or in what follows."""
    if asked.method == "OPTIONS":  # of a browser, which asks whether it may post
        return "access-control-request-method" in Headers(asked.headers)
    return asked.method not in {"GET", "HEAD", "DELETE", "TRACE"} or "upgrade" in Headers(
        asked.headers
    )


@lru_cache(maxsize=1_024)
def _stray_call(method: str, path: str) -> tuple[ApiPath, ApiCall] | None:
    """The call that a path outside of the API ends in: by mistake, it went to the provider."""
    call = at_end(path)
    if call is None:
        return None
    if call.operation in GENERATING and method not in {"POST", "OPTIONS"}:
        call = ApiCall(Operation.OTHER)
    return ApiPath(()), call


# --- answers ----------------------------------------------------------------------------------


def _preflight(asked: Asked) -> AnswerHere:
    # https://fetch.spec.whatwg.org/#http-cors-protocol
    requested = Headers(asked.headers).get("access-control-request-headers", "")
    return AnswerHere(
        204,
        headers={
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "GET, POST, DELETE, OPTIONS",
            "access-control-allow-headers": mask_shapes(requested or "authorization, content-type"),
            "access-control-max-age": "86400",
            "vary": "access-control-request-headers",
        },
    )


def _where(asked: Asked) -> str:
    return f"to {asked.provider.name}" if asked.provider else "to a host that is no provider's"


def _has_many_keys(asked: Asked) -> bool:
    return len(keys_in(asked.headers, asked.path)) > MAX_KEYS
