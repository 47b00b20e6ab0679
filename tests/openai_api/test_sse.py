"""Server-sent events: the standard's rules, in any pieces, and what vLLM streams."""

import itertools
import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from vast_intercept.openai_api.errors import bad_gateway, bad_request
from vast_intercept.openai_api.sse import (
    Event,
    EventParser,
    complete_events_end,
    end_of_cut_event,
    error_event,
)

RECORDED = Path(__file__).parents[1] / "recorded"


def parse(*chunks: bytes) -> list[Event]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


# Section 9.2.6 of the standard, its examples first.
STREAMS: dict[str, tuple[bytes, list[Event]]] = {
    "three lines of data": (
        b"data: YHOO\ndata: +2\ndata: 10\n\n",
        [Event("YHOO\n+2\n10")],
    ),
    "four blocks, the last one incomplete": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third\n",
        [Event("first event"), Event("second event")],
    ),
    "only one blank is taken off": (b"data:  third event\n\n", [Event(" third event")]),
    "two events and a block that does not end": (
        b"data\n\ndata\ndata\n\ndata:",
        [Event(""), Event("\n")],
    ),
    "with and without a blank": (b"data:test\n\ndata: test\n\n", [Event("test"), Event("test")]),
    "event types": (
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n",
        [Event("73857293", "add"), Event("2153", "remove"), Event("113411", "add")],
    ),
    "the type is of one event only": (
        b"event: a\ndata: 1\n\ndata: 2\n\n",
        [Event("1", "a"), Event("2")],
    ),
    "a type without data is not dispatched, nor kept": (
        b"event: a\n\ndata: 2\n\n",
        [Event("2")],
    ),
    "CR": (b"data: a\rdata: b\r\rdata: c\r\r\n", [Event("a\nb"), Event("c")]),
    "CRLF": (b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [Event("a\nb"), Event("c")]),
    "all ends of line at once": (b"data: a\r\ndata: b\rdata: c\n\r\n", [Event("a\nb\nc")]),
    "a BOM at the start": (b"\xef\xbb\xbfdata: a\n\n", [Event("a")]),
    "a second BOM is part of a name": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
    "a BOM later": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Event("a")]),
    "comments": (b": ping\ndata: a\n:\n: data: b\n\n", [Event("a")]),
    "blank lines": (b"\n\n\r\n\rdata: a\n\n\n\n", [Event("a")]),
    "fields that are unknown": (b"Data: a\n data: b\ndata : c\nretry: 1\nx\n\n", []),
    "colons in the data": (b"data: a: b::c\n\n", [Event("a: b::c")]),
    "other white space": (b"data:\ta \n\n", [Event("\ta ")]),
    "other ends of line are data": (
        "data: a\x0b\x0c\x1c\x85\u2028\u2029b\n\n".encode(),
        [Event("a\x0b\x0c\x1c\x85\u2028\u2029b")],
    ),
    "invalid UTF-8": (b"data: \xff\xe2\x82\n\n", [Event("\ufffd\ufffd")]),
    "a null": (b"data: a\0b\n\n", [Event("a\0b")]),
    "no end": (b"data: a\n", []),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("stream", "events"), STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_has_the_events(stream: bytes, events: list[Event]) -> None:
    assert parse(stream) == events


@pytest.mark.parametrize(("stream", "events"), STREAMS.values(), ids=STREAMS.keys())
def test_byte_by_byte_it_has_them_too(stream: bytes, events: list[Event]) -> None:
    # The last byte of a stream may be half a CRLF; what comes next tells.
    assert parse(*(bytes([byte]) for byte in stream + b":")) == parse(stream + b":")
    assert parse(*(bytes([byte]) for byte in stream)) == events


def test_an_event_comes_with_the_byte_that_ends_it() -> None:
    parser = EventParser()
    assert parser.feed(b"data: a\n") == []
    assert parser.feed(b"\n") == [Event("a")]
    assert parser.feed(b"data: b\r\n\r") == []
    assert parser.feed(b"\n") == [Event("b")]


LINES = st.sampled_from(
    [b"data: a", b"data", b"data:", b"event: x", b": c", b"", b"\xef\xbb\xbf", b"id: 1", b"\xff"]
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r"])
SOUP = st.lists(LINES | ENDS, max_size=20).map(b"".join) | st.binary()


@given(SOUP, st.data())
def test_the_pieces_do_not_matter(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[start:end] for start, end in itertools.pairwise([0, *cuts, len(stream)])]
    assert parse(*pieces) == parse(stream)


@given(SOUP)
def test_the_events_are_those_of_a_plain_reading_of_the_standard(stream: bytes) -> None:
    assert parse(stream) == by_the_standard(stream)


def by_the_standard(stream: bytes) -> list[Event]:
    """Section 9.2.6, line by line, for a stream that is there as a whole."""
    body = stream.removeprefix(b"\xef\xbb\xbf")
    if body.endswith(b"\r"):
        body = body[:-1]  # the parser waits for what comes next: half a CRLF?
    lines = re.split(rb"\r\n|\n|\r", body)
    events, data, kind = [], "", ""
    for raw in lines[:-1]:
        line = raw.decode("utf-8", "replace")
        if not line:
            if data:
                events.append(Event(data.removesuffix("\n"), kind or "message"))
            data = kind = ""
            continue
        if line.startswith(":"):
            continue
        name, colon, value = line.partition(":")
        if colon and value.startswith(" "):
            value = value[1:]
        if name == "data":
            data += value + "\n"
        elif name == "event":
            kind = value
    return events


def test_a_long_line_in_small_pieces_takes_no_longer_per_piece() -> None:
    parser = EventParser()
    piece = b"x" * 500
    began = time.perf_counter()
    parser.feed(b"data: ")
    for _ in range(40_000):
        parser.feed(piece)
    assert parser.feed(b"\n\n") == [Event("x" * 20_000_000)]
    assert time.perf_counter() - began < 2


# --- where a chunk may be cut --------------------------------------------------------------------

ENDS_OF_CHUNKS = {
    "nothing": (b"", 0),
    "half an event": (b"data: a", 0),
    "an event without its blank line": (b"data: a\n", 0),
    "an event": (b"data: a\n\n", 9),
    "an event and a half": (b"data: a\n\ndata: b", 9),
    "an event and almost another": (b"data: a\n\ndata: b\n", 9),
    "two events": (b"data: a\n\ndata: b\n\n", 18),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n", 11),
    "CR": (b"data: a\r\rdata: b\r", 9),
    "mixed": (b"data: a\n\r\ndata: b\r\n\ndata", 20),
    "a CRLF is one end of line": (b"data: a\r\ndata: b\r\n", 0),
}


@pytest.mark.parametrize(("chunk", "end"), ENDS_OF_CHUNKS.values(), ids=ENDS_OF_CHUNKS.keys())
def test_the_whole_events_of_a_chunk_end_at(chunk: bytes, end: int) -> None:
    assert complete_events_end(chunk) == end


@given(SOUP)
def test_no_event_is_cut_and_none_is_held_back(chunk: bytes) -> None:
    end = complete_events_end(chunk)
    # A comment settles whether a CR at the end was half a CRLF.
    ready = parse(chunk[:end], b":")
    whole = parse(chunk, b":")
    assert ready == whole
    if end:
        # Another event may follow there, and is one of its own.
        assert parse(chunk[:end], b"data: own\n\n") == [*ready, Event("own")]


@given(st.lists(st.sampled_from([b"a", b"data: {}", b": c", b"event: e"]), min_size=1), st.data())
def test_of_whole_events_nothing_is_held_back(lines: list[bytes], data: st.DataObject) -> None:
    end_of_line = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    events = b"".join(line + end_of_line * 2 for line in lines)
    rest = data.draw(st.sampled_from([b"", b"d", b"data: x" + end_of_line]))
    assert complete_events_end(events + rest) == len(events)


# --- what OpenAI's streams say -------------------------------------------------------------------


ERRORS = [
    bad_gateway("Vast ended the stream.", "vast_disconnected"),
    bad_request('lines\nand "quotes" \u2028 \r\n\r\n data: x', "é", "messages[0]"),
]


@pytest.mark.parametrize("error", ERRORS, ids=["plain", "with line breaks"])
def test_openai_s_package_finds_the_error_in_an_error_event(error: Exception) -> None:
    event = error_event(error)  # type: ignore[arg-type]
    first = b'data: {"choices":[]}\n\n'
    events = list(SSEDecoder().iter_bytes(iter([first, event])))
    assert len(events) == 2
    assert events[1].json()["error"]["message"] == error.message  # type: ignore[attr-defined]
    assert set(events[1].json()["error"]) == {"message", "type", "param", "code"}
    assert parse(event) == [Event(events[1].data)]


def recorded_streams() -> dict[str, bytes]:
    streams = {}
    for path in sorted(RECORDED.glob("*_stream.json")):
        response = json.loads(path.read_text())["response"]
        if (
            response["status"] == 200
            and "/completions" in json.loads(path.read_text())["request"]["path"]
        ):
            streams[path.stem] = response["body"].encode()
    return streams


STREAMED = recorded_streams()


def test_there_are_recorded_streams() -> None:
    assert len(STREAMED) > 8


@pytest.mark.parametrize("stream", STREAMED.values(), ids=STREAMED.keys())
def test_a_recorded_stream_is_chunks_and_done(stream: bytes) -> None:
    events = parse(stream)
    assert len(events) == stream.count(b"\n\n") > 2
    assert events[-1] == Event("[DONE]")
    for event in events[:-1]:
        assert json.loads(event.data)["object"] in {"chat.completion.chunk", "text_completion"}
    assert [event.data for event in SSEDecoder().iter_bytes(iter([stream]))] == [
        event.data for event in events
    ]
    assert complete_events_end(stream) == len(stream)


# As the standard's rules for ends of line say it: a CRLF is one, and a blank line ends an event.
BLANK_LINE = re.compile(rb"(?=((?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))))")


@given(st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"x"]), max_size=12).map(b"".join))
def test_the_last_blank_line_is_found_from_the_end(chunk: bytes) -> None:
    ends = [match.end(1) for match in BLANK_LINE.finditer(chunk)]
    assert complete_events_end(chunk) == max(ends, default=0)


@given(st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"data:x"]), max_size=12).map(b"".join))
def test_a_new_event_begins_behind_one_that_was_cut(sent: bytes) -> None:
    assert parse(sent + end_of_cut_event(sent) + b"data: new\n\n")[-1] == Event("new")


def test_it_takes_no_longer_where_there_are_many() -> None:
    chunk = b"\r\n" * 100_000 + b"x"
    before = time.thread_time()
    assert complete_events_end(chunk) == 200_000
    assert time.thread_time() - before < 0.005
