"""OpenAI's errors: the shape that every failure has on its way to an app, whoever failed.

The body is `{"error": {"message", "type", "param", "code"}}`. SDKs choose their exception by the
status and show `message`, `param` and `code`; they retry 408, 409, 429 and every 5xx, unless
`x-should-retry` says otherwise (FACTS C3).
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from .error_codes import ErrorCode
from .members import DECODE_ERRORS, NULL, members_of

# What an upstream's status means in OpenAI's terms, where its body does not say so itself.
_UPSTREAM_CODES: dict[int, ErrorCode] = {
    400: ErrorCode.INVALID_REQUEST,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    408: ErrorCode.REQUEST_TIMEOUT,
    409: ErrorCode.CONFLICT,
    413: ErrorCode.REQUEST_TOO_LARGE,
    415: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    422: ErrorCode.UNPROCESSABLE_ENTITY,
    429: ErrorCode.RATE_LIMIT_EXCEEDED,
    500: ErrorCode.SERVER_ERROR,
    502: ErrorCode.BAD_GATEWAY,
    503: ErrorCode.SERVICE_UNAVAILABLE,
    504: ErrorCode.GATEWAY_TIMEOUT,
}

#: Statuses by which an upstream refuses a key or a signature.
REFUSED_STATUSES = frozenset({401, 403})

# A worker has no more to say than that (FACTS V6).
_WITHOUT_A_WORD = {
    429: "has more calls queued than its workers take (status 429)",
    500: "has a worker that failed and did not say why (status 500): its log on Vast may",
}

_MAX_UPSTREAM_MESSAGE = 2_000  # characters


@dataclass(frozen=True, eq=False)
class _Fields:
    status: int
    message: str
    #: Ours are invalid_request_error, rate_limit_error and server_error.
    type: str
    #: A member of ErrorCode, unless an upstream has a code of its own.
    code: str
    param: str | None = None
    retry: bool | None = False
    retry_after: float | None = None

    def __post_init__(self) -> None:
        # A byte of an app's that is not UTF-8 comes as a lone surrogate, which JSON cannot encode.
        for name in ("message", "param"):
            if text := getattr(self, name):
                sendable = text.encode(errors="backslashreplace").decode()
                object.__setattr__(self, name, sendable)


class ApiError(_Fields, Exception):
    """A call that ends in an error, as OpenAI would word it. A value that can also be raised.

    It never changes: `dataclasses.replace` makes another one. `retry` becomes the header
    `x-should-retry`: False where a retry cannot help, None where the client's own rules are right.
    `retry_after` is how many seconds the client should wait.
    """

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"

    def body(self) -> bytes:
        """The JSON body, UTF-8."""
        fields = {name: getattr(self, name) for name in ("message", "type", "param", "code")}
        return msgspec.json.encode({"error": fields})

    def response_headers(self) -> dict[str, str]:
        """Headers that go with the body, besides the request id."""
        headers = {"content-type": "application/json"}
        if self.retry_after is not None:
            headers["retry-after"] = str(math.ceil(self.retry_after))
        if self.retry is not None:
            headers["x-should-retry"] = "true" if self.retry else "false"
        if self.status == 426:
            # RFC 9110, section 15.5.22: "The server MUST send an Upgrade header field".
            headers["upgrade"] = "HTTP/1.1"
        return headers


def bad_request(
    message: str, code: ErrorCode, param: str | None = None, status: int = 400
) -> ApiError:
    """An error of the app's own making, with that status: repeating the call cannot help.

    `param` is the place in the request that the message is about, as OpenAI names places.
    """
    return ApiError(status, message, "invalid_request_error", code, param)


def misconfigured(message: str, code: ErrorCode) -> ApiError:
    """An error of whoever runs the interceptor: repeating the call cannot help."""
    return ApiError(500, message, "server_error", code)


def interceptor_failed() -> ApiError:
    """A bug of ours, about which an app learns nothing."""
    return misconfigured("The interceptor failed. Its log says more.", ErrorCode.INTERNAL_ERROR)


def bad_gateway(
    message: str,
    code: ErrorCode,
    status: int = 502,
    *,
    retry: bool | None = None,
    retry_after: float | None = None,
) -> ApiError:
    """A failure between us and Vast, or Vast's own, with that status.

    `retry` and `retry_after` (seconds) say whether and when to try again (see ApiError).
    """
    return ApiError(status, message, "server_error", code, retry=retry, retry_after=retry_after)


def from_upstream(
    status: int, body: bytes, *, endpoint: str, redact: Callable[[str], str] = str
) -> ApiError:
    """Vast's answer that is not a success, in OpenAI's shape and with a `code` that is a string.

    `body` may be any of vLLM's error shapes, empty, or a page of HTML. A 401 or 403 concerns the
    Vast key, which the app knows nothing of, so that it must not look like the app's own key.
    `redact` takes that key out of what Vast says.
    """
    read = _read_upstream(body, redact)
    said = read[0]
    if status in REFUSED_STATUSES:
        return bad_gateway(
            f"Vast refused the Vast API key (status {status}"
            + (f": {said}" if said else "")
            + f") for endpoint {endpoint!r}. The app's own key is not the problem: set"
            " VAST_API_KEY, or vast.api_key in the configuration, to a key that may use it.",
            ErrorCode.VAST_KEY_REFUSED,
            retry=False,
        )
    if status == 499:  # what a worker says when it takes the caller for gone (FACTS V6)
        return bad_gateway(
            f"A worker of Vast's endpoint {endpoint!r} gave the call up (status 499).",
            ErrorCode.VAST_DISCONNECTED,
        )
    if not 400 <= status <= 599:
        return bad_gateway(
            f"Vast answered with status {status}, which is neither an answer nor an error.",
            ErrorCode.BAD_UPSTREAM_ANSWER,
        )
    what = _WITHOUT_A_WORD.get(status, f"answered with status {status} and no message")
    return _in_their_words(status, read, f"Vast's endpoint {endpoint!r} {what}.")


def from_machine(
    status: int, body: bytes, *, name: str, has_key: bool, redact: Callable[[str], str] = str
) -> ApiError:
    """What a machine's answer that is no success means to an app, as `from_upstream` for Vast's.

    `has_key` says whether a key was sent. A 401 or 403 concerns that, and not the app's.
    """
    read = _read_upstream(body, redact)
    said = f"status {status}: {read[0]}" if read[0] else f"status {status}"
    if status in REFUSED_STATUSES:
        what = "refused its key" if has_key else "was called without a key, and refused the call"
        return bad_gateway(
            f"The machine {name!r} {what} ({said}). The app's own key is not the problem: set"
            f" endpoints.{name}.api_key in the configuration to a key that the machine takes.",
            ErrorCode.MACHINE_KEY_REFUSED,
            retry=False,
        )
    if not 400 <= status <= 599:
        where = f". Does it have to be https in endpoints.{name}.url?" if status < 400 else "."
        return bad_gateway(
            f"The machine {name!r} answered with status {status}, which is neither an answer nor an"
            f" error{where}",
            ErrorCode.BAD_UPSTREAM_ANSWER,
        )
    # The proxy of a Vast instance says so (FACTS V23).
    loads = ". A Vast instance does so while it loads its model" if status == 502 else ""
    silent = f"The machine {name!r} answered with status {status} and no message{loads}."
    return _in_their_words(status, read, silent)


def operation_not_served(who: str, operation: str, advice: str) -> ApiError:
    """The error for an endpoint that turns out not to have an operation. `who` begins a sentence.

    Repeating the call there cannot help; another endpoint may serve it.
    """
    return bad_gateway(
        f"{who} does not serve {operation} (status 404). {advice}",
        ErrorCode.OPERATION_NOT_SERVED,
        retry=False,
    )


def is_openai_error(body: bytes) -> bool:
    """Whether a body is an error of OpenAI's shape, or of vLLM's older one, with a message.

    A 404 that is none is of a server that does not know the path.
    """
    fields = members_of(body) or {}
    error = members_of(fields.get("error", NULL)) or fields
    return bool(_text(error.get("message", NULL)))


type _Read = tuple[str, str | None, str | None]


def _in_their_words(status: int, read: _Read, silent: str) -> ApiError:
    """An upstream's error with its own message, or with `silent` if it has none."""
    said, param, own_code = read
    code = own_code or _UPSTREAM_CODES.get(
        status, ErrorCode.INVALID_REQUEST if status < 500 else ErrorCode.SERVER_ERROR
    )
    if status == 400 and "maximum context length" in said:
        code = ErrorCode.CONTEXT_LENGTH_EXCEEDED
    if status == 429:
        kind = "rate_limit_error"
    else:
        kind = "invalid_request_error" if status < 500 else "server_error"
    return ApiError(status, said or silent, kind, code, param, retry=None)


def error_of_event(data: bytes) -> tuple[int, bytes]:
    """The status and the body of an error that comes within an answer, as those of an answer.

    vLLM puts the status into `code`. An event named `error` may be the bare error.
    """
    fields = members_of(data)
    if fields is None:
        return 500, data
    error = fields if "error" not in fields else members_of(fields["error"]) or {}
    try:
        status = msgspec.json.decode(error.get("code", NULL), type=int, strict=False)
    except DECODE_ERRORS:
        status = 500
    body = data if "error" in fields else b'{"error":%b}' % data
    return status if 400 <= status <= 599 else 500, body


def from_provider(
    status: int, body: bytes, *, name: str, redact: Callable[[str], str] = str
) -> ApiError:
    """An error of the app's own provider, in its own words: status, type and code, too.

    `redact` takes a key out of them that is not the app's own.
    """
    fields = members_of((members_of(body) or {}).get("error", NULL)) or {}

    def said(field: str) -> str | None:
        text = _text(fields.get(field, NULL))
        return redact(text) if text else None

    return ApiError(
        status if 400 <= status <= 599 else 502,
        said("message") or f"{name!r} answered with status {status}.",
        said("type") or "server_error",
        said("code") or _UPSTREAM_CODES.get(status, ErrorCode.SERVER_ERROR),
        said("param"),
        retry=None,
    )


def _read_upstream(body: bytes, redact: Callable[[str], str]) -> _Read:
    """Message, param and code of an upstream's error body, without keys and not too long."""
    said, param, code = _read_body(body)
    return (
        redact(said)[:_MAX_UPSTREAM_MESSAGE],
        param and redact(param)[:_MAX_UPSTREAM_MESSAGE],
        code and redact(code)[:_MAX_UPSTREAM_MESSAGE],
    )


def _read_body(body: bytes) -> _Read:
    """Message, param and code (where they are texts) of an upstream's error body.

    vLLM has an object or a text in `error`, FastAPI something in `detail`, Vast's worker a mapping
    of fields to what is wrong with them (FACTS V6). HTML and rubbish are not worth showing.
    """
    fields = members_of(body)
    if fields is None:
        return _message_of_cut(body), None, None
    error = fields.get("error", NULL)
    if text := _text(error):
        return text, None, None
    fields = members_of(error) or fields
    message = _text(fields.get("message", NULL)) or _text(fields.get("detail", NULL))
    if not message and fields.get("detail", NULL) != NULL:
        message = bytes(fields["detail"]).decode(errors="replace")
    elif fields and fields.keys().isdisjoint({"error", "message", "detail"}):
        message = body.decode(errors="replace")
    return message or "", _text(fields.get("param", NULL)), _text(fields.get("code", NULL))


def _message_of_cut(body: bytes) -> str:
    """The beginning of the message in a body that is too long to be read to its end."""
    begun = _MESSAGE.search(body[:_MAX_UPSTREAM_MESSAGE])
    if begun is None or not body.lstrip().startswith(b"{"):
        return ""
    # An escape takes up to twelve bytes, and a key to be taken out may end behind the limit.
    text = body[begun.end() : begun.end() + 12 * _MAX_UPSTREAM_MESSAGE + 4096]
    said = _TEXT.match(text.decode(errors="ignore"))
    assert said
    return _text(msgspec.Raw(f'"{said[0]}"'.encode())) or ""


# vLLM's and FastAPI's; what stands between the quotes of a JSON text, as far as it is complete.
_MESSAGE = re.compile(rb'"(?:message|detail|error)"\s*:\s*"')
_TEXT = re.compile(
    r"""(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}"""
    r"""|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*"""
)


def _text(value: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(value, type=str | None)
    except DECODE_ERRORS:
        return None
