"""The codes of errors that apps get. docs/errors.md says what each one means."""

from enum import StrEnum, auto


class ErrorCode(StrEnum):
    """A stable word for what went wrong, which apps compare and people look up."""

    # The app's request cannot be served.
    ENDPOINT_NOT_ALLOWED = auto()
    INVALID_API_KEY = auto()
    INVALID_CONTENT_TYPE = auto()
    INVALID_ENCODING = auto()
    INVALID_HOST = auto()
    INVALID_JSON = auto()
    INVALID_REQUEST = auto()
    INVALID_TYPE = auto()
    INVALID_VALUE = auto()
    MISDIRECTED_REQUEST = auto()
    MISSING_REQUIRED_PARAMETER = auto()
    MODEL_NOT_FOUND = auto()
    PREVIOUS_RESPONSE_INCOMPLETE = auto()
    PREVIOUS_RESPONSE_NOT_FOUND = auto()  # OpenAI's own
    REQUEST_TOO_COMPLEX = auto()
    REQUEST_TOO_LARGE = auto()
    RESPONSE_NOT_FOUND = auto()
    THREAD_UNSUPPORTED_REQUEST = auto()  # Anthropic's own: its packages look for it
    UNSUPPORTED_CONTENT = auto()
    UNSUPPORTED_ENCODING = auto()
    UNSUPPORTED_ENDPOINT = auto()
    UNSUPPORTED_PARAMETER = auto()
    WEBSOCKET_NOT_SERVED = auto()

    # The interceptor, or its configuration.
    CALL_ENDED = auto()
    CONFIGURATION_INVALID = auto()
    EDITED_CALL_NOT_SERVED = auto()
    FORBIDDEN_ADDRESS = auto()
    INTERCEPTOR_OVERLOADED = auto()
    INTERCEPTOR_SHUTTING_DOWN = auto()
    INTERNAL_ERROR = auto()
    MACHINE_KEY_MISSING = auto()
    NOT_REHEARSED = auto()
    PROVIDER_KEY_MISSING = auto()
    RESPONSE_STORE_FAILED = auto()
    VAST_ENDPOINT_MISSING = auto()
    VAST_KEY_MISSING = auto()

    # Vast, a worker, or the way to it.
    ANSWER_TOO_LARGE = auto()
    BAD_ROUTE = auto()
    BAD_UPSTREAM_ANSWER = auto()
    MACHINE_KEY_REFUSED = auto()
    OPERATION_NOT_SERVED = auto()
    VAST_DISCONNECTED = auto()
    VAST_ENDPOINT_DOWN = auto()
    VAST_ENDPOINT_UNKNOWN = auto()
    VAST_KEY_REFUSED = auto()
    VAST_NO_WORKER = auto()
    VAST_ROOT_UNAVAILABLE = auto()
    VAST_TIMEOUT = auto()
    VAST_TLS_ERROR = auto()
    VAST_UNREACHABLE = auto()
    VAST_WORKER_REFUSED = auto()

    # An upstream's status, where its body names no code of its own.
    BAD_GATEWAY = auto()
    CONFLICT = auto()
    CONTEXT_LENGTH_EXCEEDED = auto()  # OpenAI's own: apps look for it to shorten the prompt
    GATEWAY_TIMEOUT = auto()
    METHOD_NOT_ALLOWED = auto()
    NOT_FOUND = auto()
    RATE_LIMIT_EXCEEDED = auto()
    REQUEST_TIMEOUT = auto()
    SERVER_ERROR = auto()
    SERVICE_UNAVAILABLE = auto()
    UNPROCESSABLE_ENTITY = auto()
    UNSUPPORTED_MEDIA_TYPE = auto()
