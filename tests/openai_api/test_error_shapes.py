"""Errors in the shape of the API that an app speaks."""

import json

import pytest
from anthropic.types.shared import ErrorResponse

from vast_intercept.openai_api.error_shapes import api_of_errors, error_body, error_headers
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.operations import Operation


def error(status: int) -> ApiError:
    return ApiError(status, "It broke.", "server_error", "some_code", "messages[0]")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
    ],
)
def test_anthropics_shape_has_the_type_of_the_status(status: int, kind: str) -> None:
    body = json.loads(error_body(error(status), "anthropic", "req_1"))
    said = {"type": kind, "message": "It broke.", "details": {"error_code": "some_code"}}
    assert body == {"type": "error", "error": said, "request_id": "req_1"}
    if kind != "request_too_large":  # Anthropic documents it, and its package has no type for it
        assert ErrorResponse.model_validate(body).error.type == kind


def test_openais_shape_is_that_of_the_error_itself() -> None:
    assert error_body(error(500), "openai", "req_1") == error(500).body()


def test_the_id_is_where_clients_of_the_api_look_for_it() -> None:
    assert error_headers(error(500), "openai", "req_1").get("request-id") is None
    for api in ("openai", "anthropic"):
        assert error_headers(error(500), api, "req_1")["x-request-id"] == "req_1"  # type: ignore[arg-type]
    assert error_headers(error(500), "anthropic", "req_1")["request-id"] == "req_1"


def test_anthropics_compatible_interface_has_openais_errors() -> None:
    assert api_of_errors("anthropic", Operation.CHAT_COMPLETIONS) == "openai"
    assert api_of_errors("anthropic", Operation.MESSAGES) == "anthropic"
    assert api_of_errors("anthropic", None) == "anthropic"
