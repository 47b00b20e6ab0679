"""Calls and answers of each API."""

import json
from typing import Any

from vast_intercept.rehearsal.calls import Answer, RecordedCall
from vast_intercept.rehearsal.replies.reading import read_reply
from vast_intercept.rehearsal.replies.reply import Reply


def call_to(path: str, body: Any = None, kind: str = "application/json") -> RecordedCall:
    """A call to OpenAI."""
    data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return RecordedCall(
        place="flow 1",
        method="POST",
        url=f"https://api.openai.com/v1/{path}",
        headers=(("content-type", kind),),
        body=data,
    )


def reply_to(path: str, body: Any, kind: str = "application/json", status: int = 200) -> Reply:
    """What an answer to a call says."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_reply(call_to(path), Answer(status=status, content_type=kind, body=data))


def as_stream(*events: Any) -> bytes:
    """Events as a stream."""
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
