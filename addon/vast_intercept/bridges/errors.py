"""Errors in the shape of the API that the app speaks. OpenAI's is that of `ApiError` itself."""

import msgspec

from ..openai_api.errors import ApiError
from ..openai_api.operations import Api

# https://docs.anthropic.com/en/api/errors
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


def error_body(error: ApiError, api: Api, request_id: str) -> bytes:
    """The JSON body of an error, as a provider of this API words it. Anthropic's has the id."""
    if api == "openai":
        return error.body()
    default = "invalid_request_error" if error.status < 500 else "api_error"
    kind = _ANTHROPIC_TYPES.get(error.status, default)
    body = {"type": "error", "error": {"type": kind, "message": error.message}}
    return msgspec.json.encode({**body, "request_id": request_id})
