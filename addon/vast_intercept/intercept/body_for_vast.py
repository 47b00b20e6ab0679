"""What Vast gets for a flow's request: for a command that repeats the call without us."""

import secrets

from mitmproxy import http

from ..bridges.bridge import BuiltinTools
from ..bridges.functions.request import with_tools
from ..bridges.messages.request import read_messages
from ..bridges.responses.request import read
from ..config import Config
from ..listed_operations.listed_call import ListedCall
from ..listed_operations.reading import read_json_call
from ..mitmweb.sent import sent_of
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import bad_request
from ..openai_api.limits import MAX_BRIDGED
from ..openai_api.operations import SERVED_BY_VAST, Operation
from ..openai_api.requests import GenerationRequest, read_request

# Of an answer that is never made.
_NO_REQUEST = "req_0"


def body_for_vast(flow: http.HTTPFlow, operation: Operation, config: Config) -> GenerationRequest:
    """The body as it was sent, or as it would be for what the request is by now.

    Raises ApiError for a request that cannot be served, and ValueError for a content coding that
    cannot be undone.
    """
    if (sent := sent_of(flow)) is not None:
        return read_request(served_as(operation), sent)
    body = flow.request.get_content(strict=True) or b""
    return read_request(served_as(operation), _converted(operation, body, config))


def listed_call_of(flow: http.HTTPFlow, operation: Operation) -> ListedCall:
    """The call of a listed operation that a flow's request is by now.

    Raises ApiError for one that cannot be served, and ValueError for a content coding that cannot
    be undone.
    """
    return read_json_call(operation, flow.request.get_content(strict=True) or b"", None)


def served_as(operation: Operation) -> Operation:
    """The operation of Vast's that an operation is served by."""
    return operation if operation in SERVED_BY_VAST else Operation.CHAT_COMPLETIONS


def _converted(operation: Operation, body: bytes, config: Config) -> bytes:
    if operation is Operation.COMPLETIONS or len(body) > MAX_BRIDGED:
        return body
    if operation is Operation.CHAT_COMPLETIONS:
        made = with_tools(body)
        return made[0] if made else body
    builtin_tools = config.responses.builtin_tools
    if operation is Operation.MESSAGES:
        reject = builtin_tools is BuiltinTools.REJECT
        return read_messages(body, _NO_REQUEST, reject_built_in_tools=reject).chat
    request = read(body, builtin_tools=builtin_tools)
    if request.previous is not None:
        raise bad_request(
            f"The call continues {request.previous}, and the flow does not have what was said"
            " before. It has that of calls that were served while mitmproxy kept flows.",
            ErrorCode.NOT_FOUND,
            "previous_response_id",
        )
    return request.convert(f"resp_{secrets.token_hex(24)}").chat
