"""The data of a stream's events, which is JSON or `[DONE]`. Pure, and never fails."""

from collections.abc import Iterator

import msgspec

from ...openai_api.sse import Event, EventParser
from .layout import json_value, typed

_DATA = b"data:"
_EVENT = b"event:"


def data_of_events(body: bytes) -> Iterator[bytes]:
    """The data of each event, and at last of the event that is not complete, or b"" if all are."""
    if b"\r" in body or body.startswith(b"\xef\xbb\xbf"):
        parser = EventParser()
        # The parser takes a CR at the end for half of a CRLF; here nothing else will come.
        yield from map(_data_of, parser.feed(body + b"\n" * body.endswith(b"\r")))
        yield next(map(_data_of, parser.feed(b"\n\n")), b"")
        return
    *pieces, rest = body.split(b"\n\n")
    for piece in pieces:
        # What vLLM and OpenAI send: one line of data, which Responses and Messages have the event's
        # name before. Anything else is for the parser.
        data = piece
        if piece.startswith(_EVENT) and not piece[6:13].lstrip().startswith(b"error"):
            data = piece.partition(b"\n")[2]
        if data.startswith(_DATA) and b"\n" not in data:
            yield data[5:].lstrip(b" ")
        else:
            yield from _parsed(piece + b"\n\n")
    yield next(_parsed(rest + b"\n\n"), b"")


def _parsed(part: bytes) -> Iterator[bytes]:
    return map(_data_of, EventParser().feed(part))


def _data_of(event: Event) -> bytes:
    data = event.data.encode()
    # What some servers send in place of OpenAI's `{"error": ...}`: the error itself.
    if event.event == "error":
        error = json_value(data) or event.data
        return data if typed(error, dict).get("error") else msgspec.json.encode({"error": error})
    return data
