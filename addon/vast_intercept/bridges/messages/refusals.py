"""What is wrong with a Messages request, in words like Anthropic's: the place comes first."""

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_request
from ...openai_api.reading import shown


def refused(place: str, problem: str, code: ErrorCode = ErrorCode.INVALID_VALUE) -> ApiError:
    """The error (400) for what stands at `place` of the body, such as `messages[0].role`."""
    return bad_request(f"{place}: {problem}", code, place)


def required(place: str) -> ApiError:
    """The error (400) for a field that must be there."""
    return refused(place, "Field required", ErrorCode.MISSING_REQUIRED_PARAMETER)


def not_served(place: str, kind: str) -> ApiError:
    """The error (400) for content that no model at Vast takes, such as a document."""
    return refused(
        place,
        f"Content of the type {shown(kind)!r} cannot be served: no model here takes it, or not in"
        " this place. Send blocks of type 'text', or let these calls go to another provider.",
        ErrorCode.UNSUPPORTED_CONTENT,
    )


def too_many(what: str) -> ApiError:
    """The error (400) for more of something than is converted."""
    return refused("messages", f"more than {what}", ErrorCode.REQUEST_TOO_COMPLEX)
