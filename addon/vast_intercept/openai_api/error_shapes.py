"""Errors in the shape of the API that the app speaks. OpenAI's is that of `ApiError` itself."""

import msgspec

from .errors import ApiError
from .operations import SERVED_BY_VAST, Api, Operation

# https://docs.anthropic.com/en/api/errors, and `ErrorType` in the package `anthropic`.
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_body(error: ApiError, api: Api, request_id: str) -> bytes:
    """The JSON body of an error, as a provider of this API words it. Anthropic's has the id.

    The code is where Anthropic puts one: in `details.error_code`.
    """
    if api == "openai":
        return error.body()
    default = "invalid_request_error" if error.status < 500 else "api_error"
    said = {
        "type": _ANTHROPIC_TYPES.get(error.status, default),
        "message": error.message,
        "details": {"error_code": error.code},
    }
    return msgspec.json.encode({"type": "error", "error": said, "request_id": request_id})


def error_headers(error: ApiError, api: Api, request_id: str) -> dict[str, str]:
    """The headers that go with the body, with the id under each name that clients of this API read.

    `x-request-id` is there in any case: people look a call up by it.
    """
    headers = {"x-request-id": request_id, **error.response_headers()}
    return headers if api == "openai" else {"request-id": request_id, **headers}


def api_of_errors(api: Api, operation: Operation | None) -> Api:
    """In which shape a provider with this API words the errors of an operation.

    Anthropic's interface that is compatible with OpenAI's has OpenAI's errors, too.
    https://docs.anthropic.com/en/api/openai-sdk
    """
    return "openai" if operation in SERVED_BY_VAST else api
