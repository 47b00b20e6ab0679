"""What is read of a streamed answer as it passes by, however it is cut into pieces."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api.answer_stream import AnswerStream, has_only_error
from vast_intercept.openai_api.errors import error_of_event
from vast_intercept.openai_api.usage import Usage

from .test_sse import STREAMED

ROLE = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
TEXT = {"index": 0, "delta": {"content": "hello"}, "finish_reason": None}
ENGINE_DEAD = {"error": {"message": "EngineCore died", "type": "E", "param": None, "code": 500}}


def event(*choices: object, **more: object) -> bytes:
    return b"data: " + json.dumps({"model": "m", "choices": choices, **more}).encode() + b"\n\n"


def finish(index: int, reason: str | None = "stop") -> dict[str, object]:
    return {"index": index, "delta": {}, "finish_reason": reason}


def read(stream: bytes, piece: int = 1_000_000) -> AnswerStream:
    """The stream, read in pieces of so many bytes."""
    reading = AnswerStream()
    sent = b"".join(
        reading.feed(stream[start : start + piece]) for start in range(0, len(stream), piece)
    )
    assert sent + reading.held == stream
    reading.end()
    return reading


PIECES = [1, 2, 3, 7, 1_000_000]


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    "end",
    [
        b"data: [DONE]\n\n",
        b"data: [DONE]\r\n\r\n",
        b"data: [DONE]\r\r",
        b"data:[DONE]\n\n",
        b"data: [DONE]\n",
        b"data: [DONE]",
        b"event: done\ndata: [DONE]\n\n",
        b": bye\n\ndata: [DONE]\n\n",
        b'data: {"usage":{}}\r\n\r\ndata: [DONE]\r\n\r\n: bye\r\n\r\n',
        b"id: 7\rdata:[DONE]\r\r",
    ],
)
@pytest.mark.parametrize("begin", [b"", event(TEXT), event(TEXT).replace(b"\n", b"\r\n")])
def test_done(begin: bytes, end: bytes, piece: int) -> None:
    assert read(begin + end, piece).done


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"data: [DON",
        b"[DONE]\n\n",
        b": data: [DONE]\n\n",
        b'data: {"content":"[DONE]"}\n\n',
        b'data: {"content":"\\n\\ndata: [DONE]"}\n\n',
        b"event: [DONE]\n\n",
        b"data: {}\ndata: [DONE]\n\n",
    ],
)
def test_not_done(stream: bytes, piece: int) -> None:
    assert not read(stream, piece).done


@pytest.mark.parametrize("piece", [999, 64 * 1024 + 3, 1_000_000])
@pytest.mark.parametrize("end_of_line", [b"\n", b"\r\n", b"\r"])
def test_an_event_too_long_to_be_held_is_passed_on_and_not_looked_into(
    piece: int, end_of_line: bytes
) -> None:
    """A text that has `data: [DONE]` where a piece begins is no end of the stream."""
    huge = event({"index": 0, "delta": {"content": "data: [DONE] " * 40_000}})
    stream = huge + b"data: [DONE]\n\n"
    stream = stream.replace(b"\n", end_of_line)
    reading = AnswerStream()
    most = 0
    for start in range(0, len(huge) - 2, piece):
        reading.feed(stream[start : min(start + piece, len(huge) - 2)])
        most = max(most, len(reading.held))
        assert not reading.over
    assert most <= 64 * 1024
    assert not reading.held or reading.within_event
    for byte in stream[len(huge) - 2 :]:
        reading.feed(bytes([byte]))
    assert reading.done


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    ("stream", "status", "message"),
    [
        (b"data: " + json.dumps(ENGINE_DEAD).encode() + b"\n\n", 500, "EngineCore died"),
        (b'data:{"error":"out of memory"}\r\n\r\n', 500, "out of memory"),
        (b'event: error\ndata: {"message":"too much","code":429}\n\n', 429, "too much"),
        (b'event: error\ndata: {"message":"too much","code":"429"}\n\n', 429, "too much"),
        (b'data: {"message":"late","code":99}\nevent: error\n\n', 500, "late"),
        (b'event: error\ndata: {"error":{"message":"m","code":"x"}}\n\n', 500, "m"),
        (b'data: {"choices":7,"error":{"message":"odd"}}\n\n', 500, "odd"),
        (event(TEXT, error={"message": "both"}), 500, "both"),
    ],
)
def test_an_error(stream: bytes, status: int, message: str, piece: int) -> None:
    reading = read(event(ROLE) + stream + b"data: [DONE]\n\n", piece)
    assert reading.over
    assert reading.error
    said, body = error_of_event(reading.error)
    assert said == status
    error = json.loads(body)["error"]
    assert (error if isinstance(error, str) else error["message"]) == message


def test_an_error_event_may_be_no_json() -> None:
    reading = read(b"event: error\ndata: Internal Server Error\n\n")
    assert reading.error == b"Internal Server Error"
    assert error_of_event(reading.error)[0] == 500


@pytest.mark.parametrize(
    "stream",
    [
        event({"index": 0, "delta": {"content": 'data: {"error": {"code": 500}}'}}),
        event({"index": 0, "delta": {"content": "event: error"}}),
        event(TEXT, error=None),
        event(TEXT, error={}),
        event(TEXT, error=""),
        event(TEXT, error=False),
        event({"index": 0, "delta": {"content": "x"}, "error": {"message": "inside"}}),
        b'event: error\n\ndata: {"choices":[]}\n\n',
        b': {"error": 1}\n\n',
        b'data: "error"\n\n',
    ],
)
def test_no_error(stream: bytes) -> None:
    assert read(stream).error is None


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    ("choices", "finished"),
    [
        ([TEXT, finish(0)], True),
        ([TEXT, finish(0, "length")], True),
        ([TEXT], False),
        ([TEXT, finish(0, None)], False),
        ([TEXT, {**TEXT, "index": 1}, finish(0)], False),
        ([TEXT, {**TEXT, "index": 1}, finish(1), finish(0)], True),
        ([], False),
    ],
)
def test_all_choices_have_said_why_they_ended(
    choices: list[object], finished: bool, piece: int
) -> None:
    stream = b"".join(event(choice) for choice in choices) + event()
    assert read(stream, piece).finished is finished


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (event(ROLE), False),
        (event({"index": 0, "text": ""}), False),
        (event({"index": 0, "delta": {"role": "assistant", "content": None, "tool_calls": []}}), 0),
        (event(), False),
        (b": waiting\n\n", False),
        (event(TEXT), True),
        (event({"index": 0, "text": "x"}), True),
        (event({"index": 0, "delta": {"tool_calls": [{"index": 0}]}}), True),
        (event({"index": 0, "delta": {"reasoning": "hm"}}), True),
        (event(finish(0)), True),
        (b"data: [1]\n\n", True),
        (b"data: who knows\n\n", True),
        (b"data: " + json.dumps(ENGINE_DEAD).encode() + b"\n\ndata: [DONE]\n\n", False),
        (b"event: error\ndata: no JSON\n\ndata: [DONE]\n\n", False),
    ],
)
def test_whether_anything_was_said(stream: bytes, said: bool) -> None:
    assert read(stream).said == said


USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
# vLLM sends `continuous_usage_stats` in each chunk if it is asked to.
RUNNING = {"prompt_tokens": 3, "completion_tokens": 1}


@pytest.mark.parametrize("end_of_line", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    ("stream", "usage"),
    [
        (event(usage=USAGE) + b"data: [DONE]\n\n", Usage(3, 4)),
        (event(usage=RUNNING) + event(usage=USAGE), Usage(3, 4)),
        (event(usage=USAGE) + event(usage=None), Usage(3, 4)),
        (event(usage=USAGE)[:-2], Usage(3, 4)),
        (event(TEXT), None),
        (event(usage="many"), None),
        (event({"index": 0, "delta": {"usage": USAGE}}), None),
        (b"", None),
    ],
)
def test_usage(stream: bytes, usage: Usage | None, end_of_line: bytes) -> None:
    assert read(stream.replace(b"\n", end_of_line)).usage == usage


@pytest.mark.parametrize(
    ("stream", "model"),
    [
        (event(TEXT) + event(model="n"), "m"),
        (b": a comment\n\n" + event(TEXT), "m"),
        (event(model=3), ""),
        (event(model=None), ""),
        (b"data: [DONE]\n\n", None),
        (b"", None),
    ],
)
def test_model(stream: bytes, model: str | None) -> None:
    assert read(stream).model == model


@pytest.mark.parametrize("stream", STREAMED.values(), ids=STREAMED.keys())
def test_recorded_streams(stream: bytes) -> None:
    for piece in (100, 1_000_000):
        reading = read(stream, piece)
        assert reading.done
        assert reading.finished
        assert reading.said
        assert reading.error is None
        assert reading.events == stream.count(b"\n\n")
        assert not read(stream.removesuffix(b"data: [DONE]\n\n"), piece).done


@given(
    st.lists(
        st.sampled_from(
            (
                *(b"data:", b" ", b"\n", b"\n\n", b"\r", b"\r\n", b"[DONE]", b"{", b"}", b'"'),
                *(b'"error":1', b"event: error", b":", b'{"choices":[{"delta":{}}]}'),
                *(b"\xff", b"\xef\xbb\xbf"),
            )
        )
        | st.binary(max_size=9),
        max_size=30,
    )
)
def test_anything_passes_byte_for_byte_and_is_read_the_same_in_any_pieces(
    parts: list[bytes],
) -> None:
    stream = b"".join(parts)
    whole = read(stream, 1_000_000)
    for piece in (1, 2, 5):
        cut = read(stream, piece)
        assert (cut.done, cut.error, cut.said) == (whole.done, whole.error, whole.said)


@pytest.mark.parametrize(
    ("body", "only"),
    [
        (b'{"error": {"message": "m"}}', True),
        (b'{"error": "m"}', True),
        (b'{"error": null}', False),
        (b'{"error": {}}', False),
        (b'{"error": {"message": "m"}, "choices": []}', False),
        (b'[{"error": "m"}]', False),
        (b'{"error": "m"', False),
        (b"", False),
        (b"[" * 100_000, False),
    ],
)
def test_a_whole_answer_that_is_only_an_error(body: bytes, only: bool) -> None:
    assert has_only_error(body) is only
