"""The errors that a verdict can be: what is wrong, and what to do about it. Pure."""

from ..config import Config, Endpoint, UpstreamKind
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, bad_request, misconfigured
from ..openai_api.operations import ApiCall

#: Different keys in a call that its provider may get: the answer is searched for each of them.
MAX_KEYS = 16

_LONGEST_PATH = 200  # characters


def too_complex() -> ApiError:
    """For a call that its provider may get, with more keys in it than any app sends."""
    return bad_request(
        f"The request has more than {MAX_KEYS} different keys in its headers and its URL.",
        ErrorCode.REQUEST_TOO_COMPLEX,
    )


def edited_call_not_served() -> ApiError:
    """For a call that a person has changed into one that cannot be sent any more."""
    return bad_request(
        "The call was changed in mitmproxy, into one that cannot be sent on from there.",
        ErrorCode.EDITED_CALL_NOT_SERVED,
    )


def invalid_configuration(problem: str) -> ApiError:
    """For every call while the configuration cannot be used. `problem` is a sentence."""
    return misconfigured(
        f"The interceptor's configuration cannot be used. {problem}",
        ErrorCode.CONFIGURATION_INVALID,
    )


def endpoint_not_allowed(endpoint: str) -> ApiError:
    """For a call whose path names an endpoint that the configuration does not.

    Calls go out with the configuration's key: what it does not name is not for every app.
    """
    return bad_request(
        f"The endpoint {endpoint!r} is not one that calls may go to here. To allow it, name it in a"
        " route, or set `vast: {any_endpoint: true}`, in the interceptor's configuration.",
        ErrorCode.ENDPOINT_NOT_ALLOWED,
        status=403,
    )


def unsupported_endpoint(
    method: str,
    path: str,
    call: ApiCall,
    config: Config,
    *,
    endpoint: str | None,
    provider: str,
    may_pass: bool,
) -> ApiError:
    """For a call that nobody serves. It says how the configuration could change that.

    `path` is as the app sent it, with its query, and `endpoint` is the one that it names, if any.
    `may_pass` is False if `provider` would refuse the app's key.
    """
    # mitmproxy decodes with surrogateescape: a byte that is not UTF-8 becomes a lone surrogate,
    # which JSON cannot encode.
    path = path.partition("?")[0].encode(errors="backslashreplace").decode()
    if may_pass:
        passing = (
            f"To send these calls on to {provider} with the app's own key, put `unsupported:"
            f" {{{call.operation}: pass}}` into the interceptor's configuration."
        )
    else:
        passing = f"{provider} would refuse these calls, too: the app has no key for it."
    return bad_request(
        f"{method} {path[:_LONGEST_PATH]} is not served here. Served are POST chat/completions,"
        " completions, responses and messages, and what the configuration's endpoints list."
        f" {_how_to_serve(call, config, endpoint)}{passing}",
        ErrorCode.UNSUPPORTED_ENDPOINT,
        status=404,
    )


def _how_to_serve(call: ApiCall, config: Config, endpoint: str | None) -> str:
    """What has an endpoint serve the call, if one can: two lines, or one name more in `serves`."""
    if call.listed is None:
        return ""
    name = endpoint or next(iter(config.endpoints()), "my-endpoint")
    if (known := config.known_endpoint(name)) != Endpoint(name=name):
        add = f"add {call.listed} to endpoints.{name}.serves"
        who = "the machine" if known.machine else "the endpoint"
        return f"If {who} {name!r} serves them, {add} in the interceptor's configuration. "
    lines = f"`endpoints:` and `  {name}: {{serves: [{call.listed}]}}`"
    needs = ""
    if config.interface is not UpstreamKind.SERVERLESS:
        needs = " (it needs `vast: {interface: serverless}`, or a `url`)"
    return (
        f"If an endpoint of yours serves them, put these two lines into the interceptor's"
        f" configuration: {lines}{needs}. "
    )
