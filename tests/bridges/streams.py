"""Streams of chat completions as the relay hands them to a bridge."""

from itertools import pairwise

from vast_intercept.bridges.bridge import AppEvents
from vast_intercept.openai_api.answer_stream import AnswerStream


def streamed_to(events: AppEvents, body: bytes, cuts: tuple[int, ...]) -> bytes:
    """What an app gets of a stream that comes in pieces, cut at these places."""
    upstream = AnswerStream()
    places = sorted({0, *(cut % (len(body) + 1) for cut in cuts), len(body)})
    out = b""
    for begin, end in pairwise(places):
        if ready := upstream.feed(body[begin:end]):
            out += events.feed(ready)
    if last := upstream.end():
        out += events.feed(last)
    return out + events.end()
