"""Makes a chat completion with tools of one with the old functions."""

from collections import defaultdict, deque

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_request
from ...openai_api.limits import MAX_RENAMED
from ...openai_api.members import DECODE_ERRORS, NULL, any_object
from ...openai_api.outline import Buffer
from ...openai_api.reading import (
    decode,
    first_byte,
    invalid_type,
    is_null,
    missing,
    shown,
    split_objects,
)

type _Members = dict[str, msgspec.Raw]

# "functions", "function_call" and the role "function" begin like this, so that a body with old
# functions has it. No known program escapes letters of such names.
_MARK = b'"function'
# Bytes. What is longer is not nothing.
_LONGEST_NOTHING = 64
# Members of an old message. OpenAI's have seven.
_MAX_MEMBERS = 100

_TOOL = msgspec.Raw(b'"tool"')
_NO = msgspec.Raw(b"false")
_REPLACED = frozenset({"functions", "function_call", "tools", "tool_choice", "parallel_tool_calls"})


class _Message(msgspec.Struct, gc=False):
    """What shows that a message is an old one."""

    role: msgspec.Raw = NULL
    function_call: msgspec.Raw = NULL
    tool_calls: msgspec.Raw = NULL


_values = msgspec.json.Decoder(list[msgspec.Raw])
_messages = msgspec.json.Decoder(list[_Message])
_text = msgspec.json.Decoder(str)


def with_tools(body: Buffer) -> tuple[bytes, bool] | None:
    """Makes the body with tools, and says whether it offers any. None without old functions.

    All other members, and all other messages, keep their bytes. A body that is not understood is
    not changed either: whoever reads it next says what is wrong with it. Raises ApiError (400) for
    old functions that cannot be served.
    """
    if _MARK not in body:
        return None
    try:
        members = any_object.decode(body)
    except DECODE_ERRORS:
        return None
    messages = _with_tool_calls(members.get("messages", NULL))
    functions, choice = members.get("functions", NULL), members.get("function_call", NULL)
    offered = not _is_nothing(functions)
    if messages is None and not offered and is_null(choice):
        return None
    if messages is not None:
        members["messages"] = messages
    if offered:
        members = _offer_tools(members, functions, choice)
    elif not is_null(choice):
        raise _refused(
            "'function_call' is only allowed when 'functions' are specified.",
            "function_call",
        )
    return msgspec.json.encode(members), offered


def _is_nothing(value: msgspec.Raw) -> bool:
    if len(value) > _LONGEST_NOTHING:
        return False
    return bytes(value).translate(None, b" \t\r\n") in {b"null", b"[]"}


# --- what the model may call ------------------------------------------------------------------


def _offer_tools(members: _Members, functions: msgspec.Raw, choice: msgspec.Raw) -> _Members:
    if not _is_nothing(members.get("tools", NULL)):
        raise _refused(
            "'functions' and 'tools' cannot both be provided. 'functions' are deprecated: use"
            " 'tools' instead.",
            "functions",
        )
    offered = split_objects(functions, "functions")
    names = {_name(each, f"functions[{index}]") for index, each in enumerate(offered)}
    tools = b",".join(b'{"type":"function","function":%b}' % bytes(each) for each in offered)
    changed = {
        # The old form has room for one call.
        "parallel_tool_calls": _NO,
        "tools": msgspec.Raw(b"[%b]" % tools),
    }
    if not is_null(choice):
        changed["tool_choice"] = _tool_choice(choice, names)
    return {name: value for name, value in members.items() if name not in _REPLACED} | changed


def _tool_choice(choice: msgspec.Raw, names: set[str]) -> msgspec.Raw:
    if bytes(choice) in {b'"auto"', b'"none"'}:
        return choice
    place = "function_call"
    if first_byte(choice) != b"{":
        raise invalid_type(place, "expected 'none', 'auto' or an object with a name")
    name = _name(choice, place)
    if name not in names:
        raise _refused(f"'functions' has no function with the name {shown(name)!r}.", place)
    return msgspec.Raw(msgspec.json.encode({"type": "function", "function": {"name": name}}))


# --- what was called before -------------------------------------------------------------------


def _with_tool_calls(messages: msgspec.Raw) -> msgspec.Raw | None:
    """The messages with calls and results of tools; None if there is nothing to change."""
    try:
        seen = _messages.decode(messages)
    except DECODE_ERRORS:
        return None
    old = [index for index, message in enumerate(seen) if _is_old(message)]
    if not old:
        return None
    if len(old) > MAX_RENAMED:
        raise _too_many("calls and results of functions", MAX_RENAMED, "messages")
    made: list[msgspec.Raw] = _values.decode(messages)
    ids = _Ids()
    for index in old:
        place = f"messages[{index}]"
        message = decode(any_object, made[index], place)
        if len(message) > _MAX_MEMBERS:
            raise _too_many(f"members in {place!r}", _MAX_MEMBERS, place)
        if _is_result(seen[index]):
            changed = _result(message, ids, place)
        else:
            changed = _call(message, ids, place)
        made[index] = msgspec.Raw(msgspec.json.encode(changed))
    return msgspec.Raw(msgspec.json.encode(made))


def _is_old(message: _Message) -> bool:
    if _is_result(message):
        return True
    return not is_null(message.function_call) and _is_nothing(message.tool_calls)


def _is_result(message: _Message) -> bool:
    return bytes(message.role) == b'"function"'


class _Ids:
    """Makes up ids of calls, and finds the one that a result belongs to: the oldest of its name.

    They have nine letters and digits, which Mistral's chat templates demand (FACTS R31).
    """

    def __init__(self) -> None:
        self._count = 0
        self._without_result = defaultdict[str, deque[str]](deque)

    def _next(self) -> str:
        self._count += 1
        return f"call{self._count:05}"

    def of_call(self, name: str) -> str:
        made = self._next()
        self._without_result[name].append(made)
        return made

    def of_result(self, name: str) -> str:
        waiting = self._without_result[name]
        return waiting.popleft() if waiting else self._next()


def _call(message: _Members, ids: _Ids, place: str) -> _Members:
    call = message["function_call"]
    made = ids.of_call(_name(call, f"{place}.function_call"))
    calls = b'[{"id":"%b","type":"function","function":%b}]' % (made.encode(), bytes(call))
    changed = {name: value for name, value in message.items() if name != "function_call"}
    return {**changed, "tool_calls": msgspec.Raw(calls)}


def _result(message: _Members, ids: _Ids, place: str) -> _Members:
    made = ids.of_result(_text_of(message, "name", place))
    return {**message, "role": _TOOL, "tool_call_id": msgspec.Raw(msgspec.json.encode(made))}


# --- reading ----------------------------------------------------------------------------------


def _name(value: msgspec.Raw, place: str) -> str:
    return _text_of(decode(any_object, value, place), "name", place)


def _text_of(members: _Members, name: str, place: str) -> str:
    value, place = members.get(name, NULL), f"{place}.{name}"
    if is_null(value):
        raise missing(place)
    return decode(_text, value, place)


def _too_many(what: str, most: int, place: str) -> ApiError:
    return bad_request(
        f"The request has more than {most:,} {what}.", ErrorCode.REQUEST_TOO_COMPLEX, place
    )


def _refused(why: str, place: str) -> ApiError:
    return bad_request(f"Invalid value for {place!r}: {why}", ErrorCode.INVALID_REQUEST, place)
