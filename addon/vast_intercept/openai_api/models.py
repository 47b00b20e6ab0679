"""`GET /v1/models` and `GET /v1/models/{id}`, in OpenAI's shape."""

from collections.abc import Iterable

import msgspec

from .error_codes import ErrorCode
from .errors import ApiError, bad_request

# OpenAI's `created` is a required number; nothing here knows a better one, and a constant keeps
# the answer the same from call to call.
_CREATED = 0


def model_object(model: str) -> dict[str, object]:
    """One model, as the list and a look-up by its name return it."""
    return {"id": model, "object": "model", "created": _CREATED, "owned_by": "vast"}


def model_list(models: Iterable[str]) -> bytes:
    """The JSON body of the list."""
    return msgspec.json.encode(
        {"object": "list", "data": [model_object(model) for model in models]}
    )


def model_not_found(model: str) -> ApiError:
    """OpenAI's 404 for a model that is not in the list."""
    return bad_request(
        f"The model {model!r} does not exist here. To have it listed, add it to `models`, or a"
        " route for it to `routes`, in the interceptor's configuration.",
        ErrorCode.MODEL_NOT_FOUND,
        param="model",
        status=404,
    )
