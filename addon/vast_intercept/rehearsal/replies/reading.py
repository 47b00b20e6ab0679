"""Reads what a recorded call asks for, and what was answered to it."""

import re
from dataclasses import replace

from ...openai_api.operations import GENERATING, Operation, at_end, classify, normalize_path
from ...openai_api.sse import EVENT_STREAM
from ..calls import Answer, RecordedCall
from .forms import read_form
from .generated import read_generated
from .reply import Reply, ReplyError, Wish
from .wishes import read_json_wish, read_upload_wish

# What stands between an API's host and its operations, such as `v1` or `v1beta`.
_VERSION = re.compile(r"v\d+[a-z0-9]*")
_SHOWN = 500  # characters of an answer that is none
# The beginning of a body that is JSON.
_START = 64
_MOST_BYTES = 64 * 1024 * 1024
# Bytes that the values of a body may take in memory. A list without an entry has three bytes in a
# body, and stands for 64: a body of 9 MB took 300 MB.
_MOST_MEMORY = 96 * 1024 * 1024
_TAKEN_FOR = {b",": 40, b"[": 64, b"{": 136}
_TOO_MANY = Reply(form="an answer that holds too many values", complete=False)
# Redirections are no answers either: clients follow them.
_NO_ANSWER = 300


def operation_of(call: RecordedCall) -> Operation | None:
    """Which operation a call asks for, by its path; None if the path is no API's."""
    path = call.url.partition("://")[2].partition("/")[2].partition("?")[0]
    segments = normalize_path(path)
    found = None
    for position, segment in enumerate(segments):
        if _VERSION.fullmatch(segment):
            rest = segments[position + 1 :]
            found = classify(call.method, rest, "anthropic" if _is_anthropics(rest) else "openai")
            break
    if found is None or found.operation is Operation.OTHER:
        # Some have more before the operation, such as `/v1beta/openai/chat/completions`.
        found = at_end(path) or found
    return (found.listed or found.operation) if found else None


def _is_anthropics(segments: tuple[str, ...]) -> bool:
    return segments[:1] == ("messages",)


def read_wish(call: RecordedCall) -> Wish:
    """Reads what a call asks for. It never fails: `problem` says what cannot be read."""
    operation = operation_of(call)
    content_type = next((value for name, value in call.headers if _is_content_type(name)), "")
    if len(call.body) > _MOST_BYTES:
        return Wish(operation=operation, problem=f"The request has {len(call.body):,} bytes.")
    if content_type.lower().startswith("multipart/"):
        return read_upload_wish(operation, call.body, content_type)
    if _holds_too_much(call.body):
        return Wish(operation=operation, problem="The request holds too many values.")
    return read_json_wish(operation, call.body)


def _holds_too_much(body: bytes) -> bool:
    """Whether the values of a body that is JSON may take too much memory: an estimate, and fast."""
    if len(body) * max(_TAKEN_FOR.values()) <= _MOST_MEMORY:
        return False
    return sum(body.count(mark) * taken for mark, taken in _TAKEN_FOR.items()) > _MOST_MEMORY


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")


def _is_content_type(name: str) -> bool:
    return name.lower() == "content-type"


def read_reply(call: RecordedCall, answer: Answer) -> Reply:
    """Reads an answer to a call. It never fails: an answer that is none is not complete."""
    if len(answer.body) > _MOST_BYTES:
        return Reply(form=f"an answer of {len(answer.body):,} bytes", complete=False)
    kind = answer.content_type.partition(";")[0].strip().lower()
    is_stream = kind == EVENT_STREAM or _looks_like_events(answer.body)
    if not is_stream and _holds_too_much(answer.body):
        return _TOO_MANY
    operation = operation_of(call)
    if answer.status >= _NO_ANSWER or operation is None or operation in GENERATING:
        reply = read_generated(answer.body, is_stream=is_stream, status=answer.status)
        if reply is None and operation in GENERATING:
            reply = Reply(form=_named(kind), complete=False)
    else:
        reply = read_form(operation, answer, kind)
        if reply is None:
            # Errors look the same in all operations, also those that come with the status 200.
            said = read_generated(answer.body, is_stream=is_stream, status=answer.status)
            reply = said if said and said.error else None
    if reply is None:
        reply = Reply(form=_named(kind))
    # What a stream says piece by piece may be JSON when it is put together.
    said_in_pieces = (reply.text, *(each.arguments for each in reply.tool_calls))
    if is_stream and any(_holds_too_much(_encoded(each)) for each in said_in_pieces):
        return _TOO_MANY
    if answer.status >= _NO_ANSWER and reply.error is None:
        error = ReplyError(status=answer.status, code=None, message=_beginning(answer.body))
        return Reply(error=error, complete=answer.whole)
    return reply if answer.whole else replace(reply, complete=False)


def _looks_like_events(body: bytes) -> bool:
    start = body[:_START].lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith((b"data:", b"event:"))


def _named(kind: str) -> str:
    return kind or "something without a content type"


def _beginning(body: bytes) -> str:
    return body[: 4 * _SHOWN].decode(errors="replace")[:_SHOWN].strip()
