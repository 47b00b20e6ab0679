"""What happens to calls that need no model: those of a bridged API, and traces. Pure.

https://platform.openai.com/docs/api-reference/responses and
https://docs.anthropic.com/en/api/messages-count-tokens have these calls.
"""

from urllib.parse import parse_qsl

from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, bad_request
from ..openai_api.operations import ApiCall, Operation
from ..relay.work import AnswerHere, CountTokens, Refuse, StoredAction, StoredResponse, Work

# The parameters that a stored response is asked with. Others are ignored: one may be a key.
_PARAMETERS = frozenset({"after", "limit", "order", "stream"})
_MAX_PARAMETERS = 100


def work_on(call: ApiCall, method: str, path: str, *, websocket: bool) -> Work | None:
    """What the relay does with the call itself, or None if it is not served.

    `path` has the query. `websocket` says whether a WebSocket is asked for.
    """
    rest = tuple(segment.encode(errors="backslashreplace").decode() for segment in call.rest)
    match call.operation, method, rest:
        case Operation.RESPONSES, "GET", () if websocket:
            return Refuse(_no_websocket(), call.operation)
        case Operation.RESPONSES, "GET" | "HEAD", (id_,):
            return StoredResponse(StoredAction.RETRIEVE, id_, _parameters(path))
        case Operation.RESPONSES, "DELETE", (id_,):
            return StoredResponse(StoredAction.DELETE, id_)
        case Operation.RESPONSES, "GET" | "HEAD", (id_, "input_items"):
            return StoredResponse(StoredAction.INPUT_ITEMS, id_, _parameters(path))
        case Operation.RESPONSES, "POST", (id_, "cancel"):
            return StoredResponse(StoredAction.CANCEL, id_)
        case Operation.RESPONSES, "POST", ("input_tokens",):
            return CountTokens(call.operation)
        case Operation.MESSAGES, "POST", ("count_tokens",):
            return CountTokens(call.operation)
        case Operation.TRACES, "POST", ("ingest",):
            return AnswerHere(204, operation=call.operation)
        case _:
            return None


def _parameters(path: str) -> tuple[tuple[str, str], ...]:
    try:
        fields = parse_qsl(path.partition("?")[2], True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        return ()
    return tuple((name, value) for name, value in fields if name in _PARAMETERS)


def _no_websocket() -> ApiError:
    # With 426, Codex posts its next call at once; with 404, it tries seven times more (FACTS R32).
    return bad_request(
        "WebSockets are not served here. Send the call with POST /v1/responses.",
        ErrorCode.WEBSOCKET_NOT_SERVED,
        status=426,
    )
