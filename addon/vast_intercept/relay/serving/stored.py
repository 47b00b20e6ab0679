"""What apps ask of responses that are stored: to give, list, delete or cancel them."""

import re

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_request
from ...openai_api.members import DECODE_ERRORS
from ..call import Call
from ..stored_responses.stores import StoredResponses
from ..work import StoredAction, StoredResponse

# https://platform.openai.com/docs/api-reference/responses/input-items
_DEFAULT_LIMIT, _MAX_LIMIT = 20, 100


class _Item(msgspec.Struct):
    id: str | None = None


_items = msgspec.json.Decoder(list[msgspec.Raw])
_item = msgspec.json.Decoder(_Item)


async def answer_stored(work: StoredResponse, call: Call, stored: StoredResponses) -> bytes:
    """The JSON that answers the call. Raises ApiError (400, 404; 500, 503 if the store fails)."""
    parameters = dict(work.parameters)
    match work.action:
        case StoredAction.RETRIEVE:
            if parameters.get("stream", "false").lower() not in {"false", "0", ""}:
                raise _not_streamed()
            return (await stored.get(call, work.id)).response
        case StoredAction.INPUT_ITEMS:
            return _page((await stored.get(call, work.id)).items, parameters)
        case StoredAction.DELETE:
            await stored.delete(call, work.id)
            deleted = {"id": work.id, "object": "response", "deleted": True}
            return msgspec.json.encode(deleted)
        case StoredAction.CANCEL:
            await stored.get(call, work.id)  # 404 says more, if that is wrong
            raise bad_request(
                "Cannot cancel a synchronous response: only responses that were created with"
                " `background: true` can be cancelled, and none are here.",
                ErrorCode.INVALID_REQUEST,
            )


def _page(items: bytes, parameters: dict[str, str]) -> bytes:
    """A page of a response's input: its latest items first, unless the app says otherwise."""
    order, limit = parameters.get("order", "desc"), _limit(parameters.get("limit"))
    if order not in {"asc", "desc"}:
        raise _invalid("order", f"Invalid value: {order[:50]!r}. Use 'asc' or 'desc'.")
    listed = _items.decode(items)
    if order == "desc":
        listed.reverse()
    ids = [_id_of(item) for item in listed]
    start = 0
    if after := parameters.get("after"):
        if after not in ids:
            raise _invalid("after", f"There is no item {after[:200]!r} in the input.")
        start = ids.index(after) + 1
    end = start + limit
    page = {
        "object": "list",
        "data": listed[start:end],
        "first_id": next(iter(ids[start:end]), None),
        "last_id": next(reversed(ids[start:end]), None),
        "has_more": end < len(listed),
    }
    return msgspec.json.encode(page)


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text) or int(text) > _MAX_LIMIT:
        said = f"Invalid value: {text[:50]!r}. Use a whole number from 1 to {_MAX_LIMIT}."
        raise _invalid("limit", said)
    return int(text)


def _id_of(item: msgspec.Raw) -> str | None:
    try:
        return _item.decode(item).id
    except DECODE_ERRORS:
        return None


def _invalid(param: str, message: str) -> ApiError:
    return bad_request(message, ErrorCode.INVALID_VALUE, param)


def _not_streamed() -> ApiError:
    return bad_request(
        "A stored response is given as a whole only. Leave `stream` out, or create the response"
        " with `stream: true`.",
        ErrorCode.UNSUPPORTED_PARAMETER,
        "stream",
    )
