"""What happens to a request to a provider: pure, from its method, path and the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from types import MappingProxyType

import msgspec

from ..config import ApiPath, Config, Provider
from ..openai_api.errors import ApiError, bad_request
from ..openai_api.models import model_list, model_not_found, model_object
from ..openai_api.operations import (
    GENERATING,
    ApiCall,
    Operation,
    at_end,
    classify,
    normalize_path,
)
from ..relay.call import Answer, Generate
from ..secret import mask_shapes

#: What is answered for an endpoint that the path names.
_BY_ENDPOINT = GENERATING | {Operation.MODELS}


class PassOn(Enum):
    """On to the original provider, untouched."""

    IN_API = "a call that Vast does not serve, and the configuration lets go"
    OUTSIDE_API = "not a call of the provider's API at all"


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens, and what the call is (None outside of the provider's API)."""

    work: PassOn | Answer | ApiError | Generate
    operation: Operation | None = None


def decide(
    config: Config,
    provider: Provider,
    method: str,
    path: str,
    headers: Mapping[str, str] = MappingProxyType({}),
    *,
    key: str | None = None,
) -> Decision:
    """The path is as the app sent it, with its query; `key` is the app's own, if it is known."""
    found = _find_call(provider, method, path.partition("?")[0])
    if found is None and _may_hold_a_prompt(method, headers):
        found = _find_stray_call(method, path.partition("?")[0])
    if found is None:
        return Decision(PassOn.OUTSIDE_API)
    if method == "OPTIONS":
        return Decision(_preflight(headers.get("access-control-request-headers", "")))
    api_path, call = found
    operation = call.operation
    named = api_path.endpoint
    if named and operation in _BY_ENDPOINT and not config.may_call(named):
        return Decision(_not_allowed(named), operation)
    if operation in GENERATING:
        work = Generate(operation, call.model or api_path.model, api_path.endpoint)
        return Decision(work, operation)
    if operation is Operation.MODELS:
        return Decision(_models(config, call, named), operation)
    if config.unsupported.get(operation) == "pass":
        return Decision(PassOn.IN_API, operation)
    return Decision(_unsupported(provider, method, path, operation, key), operation)


@lru_cache(maxsize=1_024)
def _find_call(provider: Provider, method: str, path: str) -> tuple[ApiPath, ApiCall] | None:
    """Where in the provider's API a path without its query is, and what it asks for there."""
    api_path = provider.find_api(normalize_path(path))
    return (api_path, classify(method, api_path.segments)) if api_path else None


def _may_hold_a_prompt(method: str, headers: Mapping[str, str]) -> bool:
    """Whether more than a key would go to the provider, now or in what follows."""
    if method == "OPTIONS":  # of a browser, which asks whether it may post
        return "access-control-request-method" in headers
    return method not in {"GET", "HEAD", "DELETE", "TRACE"} or "upgrade" in headers


@lru_cache(maxsize=1_024)
def _find_stray_call(method: str, path: str) -> tuple[ApiPath, ApiCall] | None:
    """The call that a path outside of the API ends in: by mistake, it went to the provider."""
    call = at_end(path)
    if call is None:
        return None
    if call.operation in GENERATING and method not in {"POST", "OPTIONS"}:
        call = ApiCall(Operation.OTHER)
    return ApiPath(()), call


def _preflight(requested_headers: str) -> Answer:
    # https://fetch.spec.whatwg.org/#http-cors-protocol
    return Answer(
        204,
        headers={
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "GET, POST, OPTIONS",
            "access-control-allow-headers": mask_shapes(
                requested_headers or "authorization, content-type"
            ),
            "access-control-max-age": "86400",
            "vary": "access-control-request-headers",
        },
    )


def _models(config: Config, call: ApiCall, endpoint: str | None) -> Answer | ApiError:
    if call.model is None:
        body = model_list(config.listed_models())
    elif endpoint or config.knows_model(call.model):
        body = msgspec.json.encode(model_object(mask_shapes(call.model)))
    else:
        return model_not_found(call.model)
    return Answer(200, body, {"content-type": "application/json"})


def _not_allowed(endpoint: str) -> ApiError:
    """Calls go out with the configuration's key: what it does not name is not for every app."""
    return bad_request(
        f"The endpoint {endpoint!r} is not one that calls may go to here. To allow it, name it in a"
        " route, or set `vast: {any_endpoint: true}`, in the interceptor's configuration.",
        "endpoint_not_allowed",
        status=403,
    )


def _unsupported(
    provider: Provider, method: str, path: str, operation: Operation, key: str | None
) -> ApiError:
    # mitmproxy stands a byte that is not UTF-8 for as half of a surrogate pair, which JSON cannot.
    path = path.partition("?")[0].encode(errors="backslashreplace").decode()
    if key is None or provider.may_have_issued(key):
        advice = (
            f"To send these calls on to {provider.name} with the app's own key, put `unsupported:"
            f" {{{operation}: pass}}` into the interceptor's configuration."
        )
    else:
        advice = f"{provider.name} would refuse these calls, too: the app has no key for it."
    return bad_request(
        f"{method} {path[:200]} is not served here: Vast serves POST chat/completions and POST"
        f" completions only. {advice}",
        "unsupported_endpoint",
        status=404,
    )
