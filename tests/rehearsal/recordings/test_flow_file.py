"""Calls read from flow files: those of plain mitmproxy, and those that the interceptor wrote."""

import gzip
import json
import math
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.flow import Error, Flow
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow, tutils

from vast_intercept.rehearsal.calls import RecordedCall, Unusable
from vast_intercept.rehearsal.recordings.parts import CodingError, without_coding
from vast_intercept.rehearsal.recordings.reading import read_recording

KEY = "sk-proj-0123456789abcdefghij"
BODY = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}).encode()
ANSWER = b'{"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}'
EVENTS = b'data: {"choices": [{"delta": {"content": "Hello"}}]}\n\ndata: [DONE]\n\n'
CHAT = "/v1/chat/completions"


def call(
    body: bytes | None = BODY, *, host: str = "api.openai.com", path: str = CHAT, **headers: str
) -> http.HTTPFlow:
    """A call that went to its provider, as mitmproxy without the addon records it."""
    fields = {"host": host, "content_type": "application/json", "authorization": f"Bearer {KEY}"}
    request = tutils.treq(
        method=b"POST",
        scheme=b"https",
        host=host,
        port=443,
        authority=b"",
        path=path.encode(),
        headers=http.Headers(**fields | headers),  # type: ignore[arg-type]
        content=body,
    )
    request.timestamp_start, request.timestamp_end = 1_000.0, 1_000.5
    response = tutils.tresp(
        content=ANSWER, headers=http.Headers(content_type="application/json; charset=utf-8")
    )
    response.timestamp_start, response.timestamp_end = 1_001.0, 1_002.0
    return tflow.tflow(req=request, resp=response)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[RecordedCall | Unusable]]:
    def read(*flows: Flow) -> list[RecordedCall | Unusable]:
        path = tmp_path / "calls.flows"
        with path.open("wb") as out:
            for flow in flows:
                FlowWriter(out).add(flow)
        return list(read_recording(path))

    return read


type Read = Callable[..., list[RecordedCall | Unusable]]


def the_call(read: Read, flow: Flow) -> RecordedCall:
    (found,) = read(flow)
    assert isinstance(found, RecordedCall), found
    return found


def why(read: Read, flow: Flow) -> str:
    (found,) = read(flow)
    assert isinstance(found, Unusable), found
    return found.why


def test_a_call_is_read_with_its_answer(read: Read) -> None:
    found = the_call(read, call())
    assert (found.place, found.method, found.body) == ("flow 1", "POST", BODY)
    assert found.url == "https://api.openai.com/v1/chat/completions"
    assert found.headers == (("content-type", "application/json"),)
    assert (found.time, found.problem) == (1_000.0, "")
    assert found.answer is not None
    assert found.answer.body == ANSWER
    assert (found.answer.status, found.answer.whole) == (200, True)
    assert found.answer.content_type == "application/json; charset=utf-8"
    assert (found.answer.duration, found.answer.time_to_first_token) == (1.5, None)


def test_a_stream_has_the_time_of_its_first_byte(read: Read) -> None:
    flow = call()
    assert flow.response
    flow.response.headers["content-type"] = "text/event-stream"
    flow.response.content = EVENTS
    answer = the_call(read, flow).answer
    assert answer is not None
    assert answer.time_to_first_token == 0.5


@pytest.mark.parametrize("moment", [1e308, math.inf, math.nan, -1.0])
def test_times_that_no_call_can_have_are_not_known(read: Read, moment: float) -> None:
    flow = call()
    assert flow.response
    flow.request.timestamp_start = flow.response.timestamp_end = moment
    found = the_call(read, flow)
    assert found.answer
    assert (found.time, found.answer.duration) == (None, None)


@pytest.mark.parametrize(
    ("content_type", "noted", "seconds"),
    [
        ("text/event-stream", 0.75, 0.75),
        ("audio/mpeg", 0.75, 0.75),
        ("application/json", 0.75, None),
        ("text/event-stream", float("inf"), 0.5),
        ("text/event-stream", "soon", 0.5),
    ],
)
def test_the_interceptors_notes_have_the_time_of_the_first_text(
    read: Read, content_type: str, noted: object, seconds: float | None
) -> None:
    flow = call()
    assert flow.response
    flow.response.headers["content-type"] = content_type
    flow.metadata["vast"] = {"time_to_first_token": noted}
    answer = the_call(read, flow).answer
    assert answer is not None
    assert answer.time_to_first_token == seconds


def test_a_call_that_was_taken_over_keeps_the_apps_url(read: Read) -> None:
    flow = call(host="openai.vast.ai", path="/my-endpoint/v1/chat/completions")
    flow.metadata["vast"] = {"url": "https://api.openai.com/v1/chat/completions"}
    assert the_call(read, flow).url == "https://api.openai.com/v1/chat/completions"


def test_no_key_is_read(read: Read) -> None:
    secret = "x" * 20 + "1234"
    body = BODY.replace(b"Hi", b"my key is " + KEY.encode())
    flow = call(body, path=f"{CHAT}?api-key={secret}", cookie=f"s={secret}", x_api_key=secret)
    assert flow.response
    flow.response.content = ANSWER.replace(b"Hello", secret.encode())
    found = the_call(read, flow)
    assert KEY not in repr(found)
    assert secret not in repr(found)
    assert b"my key is ***ghij" in found.body
    assert found.url.endswith("?api-key=%2A%2A%2A1234")


def test_content_codings_are_undone(read: Read) -> None:
    flow = call(gzip.compress(BODY), content_encoding="gzip")
    assert flow.response
    flow.response.headers["content-encoding"] = "gzip"
    flow.response.raw_content = gzip.compress(ANSWER)
    found = the_call(read, flow)
    assert found.answer is not None
    assert (found.body, found.answer.body) == (BODY, ANSWER)
    assert "content-encoding" not in dict(found.headers)


def bomb() -> bytes:
    """200 MiB of zeros, compressed piece by piece: this process is not to hold them either."""
    made = zlib.compressobj(9, wbits=31)
    pieces = [made.compress(bytes(1024 * 1024)) for _ in range(200)]
    return b"".join([*pieces, made.flush()])


def test_a_decompression_bomb_is_told(read: Read) -> None:
    compressed = bomb()
    assert len(compressed) < 300_000
    assert "larger than 16 MiB" in why(read, call(compressed, content_encoding="gzip"))
    flow = call()
    assert flow.response
    flow.response.headers["content-encoding"] = "gzip"
    flow.response.raw_content = compressed
    found = the_call(read, flow)
    assert found.answer is not None
    assert (found.answer.body, found.answer.whole) == (b"", False)
    assert "larger than 16 MiB" in found.problem


def test_a_decompression_bomb_takes_little_memory() -> None:
    compressed = bomb()
    tracemalloc.start()
    try:
        with pytest.raises(CodingError):
            without_coding(compressed, "gzip")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40 * 1024 * 1024


def test_a_call_without_an_answer_says_why(read: Read) -> None:
    flow = call()
    flow.response, flow.error = None, Error(f"connection of {KEY} was lost", 1_001)
    found = the_call(read, flow)
    assert found.answer is None
    assert found.problem == "connection of ***ghij was lost."


def test_what_is_said_of_a_call_cannot_change_a_terminal(read: Read) -> None:
    flow = call()
    flow.response, flow.error = None, Error("\x1b[2J\x9b1m" + "x" * 1_000, 1_001)
    assert the_call(read, flow).problem == f" [2J 1m{'x' * 193}."
    flow.request.method = "\x1b[2J"
    assert why(read, flow) == "Its method is not valid."


def test_an_answer_that_was_broken_off_is_not_whole(read: Read) -> None:
    flow = call()
    flow.error = Error("peer closed connection", 1_001)
    found = the_call(read, flow)
    assert found.answer is not None
    assert (found.answer.body, found.answer.whole) == (ANSWER, False)
    assert found.problem == "peer closed connection."


def test_an_answer_whose_body_was_not_kept_is_not_whole(read: Read) -> None:
    flow = call()
    assert flow.response
    flow.response.raw_content = None
    found = the_call(read, flow)
    assert found.answer is not None
    assert (found.answer.body, found.answer.whole) == (b"", False)
    assert found.problem == "The body of its answer was not recorded."


def test_calls_to_others_are_counted_together(read: Read) -> None:
    others = [call(host=host) for host in ("example.com", "example.com", "example.org")]
    *calls, told = read(call(), *others, call())
    assert [each.place for each in calls] == ["flow 1", "flow 5"]
    assert told == Unusable(
        place="3 calls",
        why="They go to hosts that are no provider's: example.com, example.org.",
        calls=3,
    )


def test_what_is_no_call_is_told(read: Read) -> None:
    connect = call()
    connect.request.method = "CONNECT"
    assert "CONNECT" in why(read, connect)
    socket = tflow.twebsocketflow()
    socket.request.host = "api.openai.com"
    socket.request.port = 443
    assert "WebSocket" in why(read, socket)
    assert "WebSocket" in why(read, call(upgrade="websocket"))
    assert "not recorded" in why(read, call(None))
    tcp = tflow.ttcpflow()
    tcp.server_conn.address = ("api.openai.com", 443)
    assert why(read, tcp) == "It is a TCP connection, and no HTTP call."
    assert read(tflow.ttcpflow())[0].place == "1 call"
