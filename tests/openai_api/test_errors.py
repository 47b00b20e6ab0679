"""Whatever Vast answers, an app gets an error of OpenAI's shape."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api.error_codes import ErrorCode
from vast_intercept.openai_api.errors import ApiError, bad_request, from_provider, from_upstream
from vast_intercept.secret import Secret

RECORDED = Path(__file__).parents[1] / "recorded"


def error_of(error: ApiError) -> dict[str, Any]:
    """The error in the body, which must have OpenAI's shape."""
    body = json.loads(error.body())
    assert list(body) == ["error"]
    assert set(body["error"]) == {"message", "type", "param", "code"}
    found: dict[str, Any] = body["error"]
    assert isinstance(found["message"], str)
    assert found["message"]
    assert found["type"] in {"invalid_request_error", "rate_limit_error", "server_error"}
    assert isinstance(found["code"], str)
    assert found["code"]
    assert found["param"] is None or isinstance(found["param"], str)
    return found


def test_an_error_has_its_headers() -> None:
    error = bad_request("what", "code", "param", status=413)
    assert error.response_headers() == {
        "content-type": "application/json",
        "x-should-retry": "false",
    }
    assert error_of(error) == {
        "message": "what",
        "type": "invalid_request_error",
        "param": "param",
        "code": "code",
    }
    assert str(error) == "413 code: what"


@pytest.mark.parametrize(
    ("retry", "header"), [(True, "true"), (False, "false"), (None, None)], ids=str
)
def test_a_client_is_told_whether_to_retry(retry: bool | None, header: str | None) -> None:
    error = ApiError(503, "m", "server_error", "c", retry=retry, retry_after=6.2)
    assert error.response_headers().get("x-should-retry") == header
    assert error.response_headers()["retry-after"] == "7"


STATUSES = {
    # status of Vast: (status for the app, type, code, x-should-retry)
    200: (502, "server_error", "bad_upstream_answer", None),
    301: (502, "server_error", "bad_upstream_answer", None),
    307: (502, "server_error", "bad_upstream_answer", None),
    400: (400, "invalid_request_error", "invalid_request", None),
    401: (502, "server_error", "vast_key_refused", False),
    402: (402, "invalid_request_error", "invalid_request", None),
    403: (502, "server_error", "vast_key_refused", False),
    404: (404, "invalid_request_error", "not_found", None),
    405: (405, "invalid_request_error", "method_not_allowed", None),
    408: (408, "invalid_request_error", "request_timeout", None),
    409: (409, "invalid_request_error", "conflict", None),
    413: (413, "invalid_request_error", "request_too_large", None),
    418: (418, "invalid_request_error", "invalid_request", None),
    422: (422, "invalid_request_error", "unprocessable_entity", None),
    429: (429, "rate_limit_error", "rate_limit_exceeded", None),
    500: (500, "server_error", "server_error", None),
    502: (502, "server_error", "bad_gateway", None),
    503: (503, "server_error", "service_unavailable", None),
    504: (504, "server_error", "gateway_timeout", None),
    599: (599, "server_error", "server_error", None),
    600: (502, "server_error", "bad_upstream_answer", None),
    999: (502, "server_error", "bad_upstream_answer", None),
}
# Bodies that say nothing: a worker's (FACTS V6), a page of a proxy in between, rubbish.
SILENT = {
    "empty": b"",
    "HTML": b"<html><h1>502 Bad Gateway</h1></html>",
    "not UTF-8": b'{"error":"\xff"}',
    "half a surrogate pair": rb'{"error":{"message":"\ud800"}}',
    "null": b"null",
    "an array": b"[]",
    "an empty object": b"{}",
    "error null": b'{"error":null}',
    "error a number": b'{"error":5}',
    "error an array": b'{"error":["x"]}',
    "error empty": b'{"error":{}}',
    "message null": b'{"error":{"message":null,"code":null,"param":null}}',
    "message an object": b'{"error":{"message":{"error":{"message":"x"}}}}',
    "detail null": b'{"detail":null}',
    "nested deeply": b'{"error":' * 100_000,
    "detail nested deeply": b'{"detail":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize(("status", "expected"), STATUSES.items(), ids=map(str, STATUSES))
@pytest.mark.parametrize("body", SILENT.values(), ids=SILENT.keys())
def test_a_status_alone_becomes_an_error(
    status: int, expected: tuple[int, str, str, bool | None], body: bytes
) -> None:
    error = from_upstream(status, body, endpoint="my-endpoint")
    found = error_of(error)
    assert (error.status, found["type"], found["code"], error.retry) == expected
    assert str(status) in found["message"]
    assert "<h1>" not in found["message"]
    assert found["param"] is None


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", [b"", b'{"error":"Unauthorized"}'], ids=["silent", "vLLM"])
def test_a_refused_vast_key_does_not_look_like_the_app_s(status: int, body: bytes) -> None:
    error = from_upstream(status, body, endpoint="my-endpoint")
    assert error.status == 502
    assert "VAST_API_KEY" in error.message
    assert "my-endpoint" in error.message
    assert error.response_headers()["x-should-retry"] == "false"
    assert ("Unauthorized" in error.message) == bool(body)


SHAPES = {
    "vLLM's error": (
        b'{"error":{"message":"m","type":"BadRequestError","param":"p","code":400}}',
        ("m", "p", "invalid_request"),
    ),
    "OpenAI's own": (
        b'{"error":{"message":"m","type":"x","param":null,"code":"some_code"}}',
        ("m", None, "some_code"),
    ),
    "a text": (b'{"error":"m"}', ("m", None, "invalid_request")),
    "FastAPI's text": (b'{"detail":"m"}', ("m", None, "invalid_request")),
    "FastAPI's list": (
        b'{"detail":[{"loc":["body","x"],"msg":"field required"}]}',
        ('[{"loc":["body","x"],"msg":"field required"}]', None, "invalid_request"),
    ),
    "FastAPI's object": (b'{"detail":{"a":1}}', ('{"a":1}', None, "invalid_request")),
    "more than is known": (
        b'{"object":"x","error":{"message":"m","extra":{"a":[1]}},"y":1}',
        ("m", None, "invalid_request"),
    ),
    "an empty code": (b'{"error":{"message":"m","code":""}}', ("m", None, "invalid_request")),
    "detail not UTF-8": (b'{"detail":"\xff"}', ('"\ufffd"', None, "invalid_request")),
    "control characters": (
        rb'{"error":"a\u0000\n\u2028b"}',
        ("a\0\n\u2028b", None, "invalid_request"),
    ),
}


@pytest.mark.parametrize(("body", "expected"), SHAPES.values(), ids=SHAPES.keys())
def test_what_vast_says_reaches_the_app(body: bytes, expected: tuple[str, str | None, str]) -> None:
    error = from_upstream(400, body, endpoint="e")
    found = error_of(error)
    assert (found["message"], found["param"], found["code"]) == expected


@pytest.mark.parametrize(
    "body", ['{"error":{"message":"%s"}}', '{"error":"%s"}', '{"detail":"%s"}', '{"detail":["%s"]}']
)
def test_a_huge_message_is_cut(body: str) -> None:
    error = from_upstream(500, (body % ("x" * 10**6)).encode(), endpoint="e")
    assert 1_000 < len(error.message) < 10_000


@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_prompt_that_is_too_long_has_openai_s_code(status: int) -> None:
    recorded = json.loads((RECORDED / "chat_prompt_too_long.json").read_text())["response"]
    error = from_upstream(status, recorded["body"].encode(), endpoint="e")
    assert (error.code == "context_length_exceeded") == (status == 400)
    assert error.param == "input_tokens"


def recorded_errors() -> dict[str, dict[str, Any]]:
    responses = {
        path.stem: json.loads(path.read_text())["response"] for path in RECORDED.glob("*.json")
    }
    return {name: one for name, one in sorted(responses.items()) if one["status"] != 200}


@pytest.mark.parametrize("response", recorded_errors().values(), ids=recorded_errors().keys())
def test_a_recorded_error_keeps_its_message(response: dict[str, Any]) -> None:
    error = from_upstream(response["status"], response["body"].encode(), endpoint="e")
    found = error_of(error)
    if not response["body"]:
        assert error.status == 502  # a redirect
        return
    body = json.loads(response["body"])
    said = body.get("detail") or body["error"]
    if isinstance(said, dict):
        assert found["param"] == said.get("param")  # Anthropic's have none
        said = said["message"]
    assert said in found["message"]
    if response["status"] != 401:
        assert (error.status, found["message"]) == (response["status"], said)
        assert not found["code"].isdigit()


def test_there_are_recorded_errors() -> None:
    assert len(recorded_errors()) > 15


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "detail", "message", "param", "code", "type", "x"]), inner
        )
    ),
    max_leaves=10,
)


@given(st.integers(-1, 1_100), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_answer_becomes_an_error_of_openai_s_shape(status: int, body: bytes) -> None:
    error = from_upstream(status, body, endpoint="my-endpoint")
    error_of(error)
    assert 400 <= error.status <= 599
    assert error.status not in {401, 403}
    for name, value in error.response_headers().items():
        assert f"{name}: {value}".isascii()


@pytest.mark.parametrize(
    ("status", "exception"),
    [
        (400, openai.BadRequestError),
        (401, openai.InternalServerError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_openai_s_package_raises(status: int, exception: type[openai.APIStatusError]) -> None:
    httpx = pytest.importorskip("httpx")
    error = from_upstream(status, b'{"error":{"message":"m","param":"p"}}', endpoint="e")
    response = httpx.Response(
        error.status, content=error.body(), request=httpx.Request("POST", "https://api.openai.com")
    )
    client = openai.OpenAI(api_key="x")
    try:
        raised = client._make_status_error_from_response(response)
    finally:
        client.close()
    assert type(raised) is exception
    assert "m" in raised.message
    assert (raised.code, raised.param) == (error.code, error.param)


SAID_OTHERWISE = {
    "vLLM of before": (b'{"object":"error","message":"bad","param":"n","code":400}', "bad", "n"),
    "fields of a worker": (b'{"payload":"missing","auth_data":"bad"}', '"payload":"missing"', None),
    "param of a wrong type": (b'{"error":{"message":"bad","param":["n"]}}', "bad", None),
}


@pytest.mark.parametrize(
    ("body", "message", "param"), SAID_OTHERWISE.values(), ids=SAID_OTHERWISE.keys()
)
def test_a_message_is_not_lost(body: bytes, message: str, param: str | None) -> None:
    error = from_upstream(422, body, endpoint="e")
    assert message in error.message
    assert error.param == param


def test_a_key_is_redacted_before_the_message_is_cut() -> None:
    text = "x" * 1_990 + "vast-0123456789abcdef"
    body = b'{"error":"' + text.encode() + b'"}'
    redact = Secret("vast-0123456789abcdef").redact
    assert "vast-" not in from_upstream(400, body, endpoint="e", redact=redact).message


def test_a_provider_that_repeats_a_key() -> None:
    key = Secret("sk-the-persons-own-0123456789")
    said = {"message": f"No {key.reveal()} here.", "code": key.reveal()}
    body = json.dumps({"error": said}).encode()
    error = from_provider(401, body, name="lab", redact=key.redact)
    assert error.message == "No ***6789 here."
    assert error.code == "***6789"


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("cut", range(300, 330))
def test_of_an_error_that_is_cut_the_beginning_of_the_message_is_kept(
    cut: int, *, ascii_only: bool
) -> None:
    message = (
        "1 validation error: " + 'Input "should" be\n\\ a \t valid \U0001f600 é \u20ac text; ' * 99
    )
    body = json.dumps(
        {"object": "error", "error": {"message": message, "code": 400}}, ensure_ascii=ascii_only
    ).encode()[:cut]
    error = error_of(from_upstream(400, body, endpoint="e"))
    assert error["code"] == "invalid_request"
    assert len(error["message"]) > 100
    assert message.startswith(error["message"])


def test_a_key_in_an_error_that_is_cut_is_masked() -> None:
    key = Secret("vast-0123456789abcdefghijklmnopqrstuvwxyz")
    body = b'{"error":"' + b"x" * 1_980 + key.reveal().encode() + b"x" * 100_000
    error = from_upstream(400, body, endpoint="e", redact=key.redact)
    assert key.reveal()[:15] not in error.message


@pytest.mark.parametrize(
    "body", [b'<html>"message":"x"', b'{"message":', b'{"message": 3', b"{", b'{"a":"b']
)
def test_what_has_no_message_has_none_where_it_is_cut(body: bytes) -> None:
    assert "no message" in from_upstream(400, body, endpoint="e").message


@given(st.binary())
def test_any_cut_message(text: bytes) -> None:
    error_of(from_upstream(400, b'{"error":{"message":"' + text, endpoint="e"))


def test_an_error_does_not_change_and_can_be_raised_anywhere() -> None:
    error = bad_request("m", ErrorCode.INVALID_JSON)
    with pytest.raises(FrozenInstanceError):
        error.message = "another"  # type: ignore[misc]
    longer = replace(error, message="longer", retry_after=1)
    assert (error.message, longer.message, longer.code) == ("m", "longer", "invalid_json")

    @contextmanager
    def passed_through() -> Iterator[None]:
        with ExitStack():  # these set the attributes that every exception has
            yield

    with pytest.raises(ApiError) as caught, passed_through():
        raise longer from error
    assert caught.value is longer
    assert longer.__cause__ is error
