"""Each fault, as a client sees it that reads the bytes."""

import gzip
import json
import re
from typing import get_args

import aiohttp
import pytest

from vast_intercept.standin.mischief import faults
from vast_intercept.standin.mischief.instructions import STREAM_FAULTS, Fault

from ..conftest import HELLO, RawCall, Vast, complete, text_of

END = b"0\r\n\r\n"
"""The end of a chunked HTTP message."""


def split_head(answer: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Status line, headers and the rest."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    return status, {name.lower(): value for name, value in headers.items()}, body


@pytest.mark.parametrize("fault", get_args(Fault.__value__))
async def test_every_fault_changes_the_answer(
    vast: Vast, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(faults, "SILENCE", 0.01)
    stream = fault in STREAM_FAULTS
    answers = [await vast.raw(stream=stream, standin=told) for told in ({}, {"fault": fault})]
    usual, spoiled = (re.sub(rb"Date: .*|cmpl-[0-9a-f]+", b"", answer) for answer in answers)
    assert spoiled != usual


async def test_drop(vast: Vast) -> None:
    assert await vast.raw(standin={"fault": "drop"}) == b""
    assert (await vast.calls())[0]["outcome"] == "done"


async def test_garbage(vast: Vast) -> None:
    answer = await vast.raw(standin={"fault": "garbage"})
    assert answer
    assert not answer.startswith(b"HTTP")


async def test_hang(vast: Vast) -> None:
    async with RawCall(vast.url, {"messages": HELLO, "standin": {"fault": "hang"}}) as call:
        await vast.calls("wait_for=running")
        assert not call.reader._buffer  # type: ignore[attr-defined]
    await vast.calls("wait_for=cancelled")


async def test_cut(vast: Vast) -> None:
    status, headers, body = split_head(await vast.raw(standin={"fault": "cut"}))
    assert status == b"HTTP/1.1 200 OK"
    assert headers[b"content-type"] == b"application/json"
    assert len(body) == int(headers[b"content-length"]) // 2


@pytest.mark.parametrize(("after", "chunks"), [(0, 0), (1, 1), (3, 3), (100, 8)])
async def test_cut_stream(vast: Vast, after: int, chunks: int) -> None:
    answer = await vast.raw(stream=True, standin={"fault": "cut", "after": after})
    assert answer.count(b"data: ") == chunks
    assert not answer.endswith(END)


async def test_cut_is_an_error_to_a_client(vast: Vast) -> None:
    for stream in (False, True):
        with pytest.raises(aiohttp.ClientPayloadError):
            await vast.post({"messages": HELLO, "stream": stream, "standin": {"fault": "cut"}})


async def test_cut_mid_event(vast: Vast) -> None:
    answer = await vast.raw(stream=True, standin={"fault": "cut_mid_event", "after": 2})
    assert answer.count(b"data: ") == 3
    assert answer.count(b"\n\n") == 2
    assert not answer.endswith(END)


async def test_end_early(vast: Vast) -> None:
    answer = await vast.raw(stream=True, standin={"fault": "end_early", "after": 2})
    assert answer.endswith(END)
    assert answer.count(b"\n\n") == 2
    assert b"[DONE]" not in answer
    assert b'"finish_reason":"' not in answer


async def test_stall(vast: Vast) -> None:
    told = {"fault": "stall", "after": 2}
    body = {"messages": HELLO, "stream": True, "standin": told}
    async with RawCall(vast.url, body) as call:
        await call.head()
        assert [await call.chunk() for _ in range(2)]
        assert (await vast.calls())[0]["outcome"] == "running"
        assert not call.reader._buffer  # type: ignore[attr-defined]
    await vast.calls("wait_for=cancelled")


async def test_engine_dead(vast: Vast) -> None:
    body = {"messages": HELLO, "stream": True, "standin": {"fault": "engine_dead", "after": 1}}
    _, answer = await vast.post(body)
    assert answer.endswith(faults.ENGINE_DEAD + b"data: [DONE]\n\n")
    first, error = complete(answer)
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert error["error"]["type"] == "InternalServerError"


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        ("wrong_type", 200, "text/html"),
        ("html", 502, "text/html"),
        ("not_json", 200, "application/json"),
    ],
)
async def test_answers_that_are_no_answer(
    vast: Vast, fault: str, status: int, content_type: str
) -> None:
    response, answer = await vast.post({"messages": HELLO, "standin": {"fault": fault}})
    assert (response.status, response.content_type) == (status, content_type)
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(answer)


async def test_empty(vast: Vast) -> None:
    status, headers, body = split_head(await vast.raw(standin={"fault": "empty"}))
    assert status == b"HTTP/1.1 500 Internal Server Error"
    assert headers[b"content-length"] == b"0"
    assert b"content-type" not in headers
    assert body == b""


async def test_redirect(vast: Vast) -> None:
    response, _ = await vast.post({"messages": HELLO, "standin": {"fault": "redirect"}})
    assert response.status == 302
    assert response.headers["location"].startswith("https://")


async def test_wrong_length(vast: Vast) -> None:
    _, headers, body = split_head(await vast.raw(standin={"fault": "wrong_length"}))
    assert len(body) > int(headers[b"content-length"])
    assert json.loads(body)["object"] == "chat.completion"


@pytest.mark.parametrize("stream", [False, True])
async def test_compressed(vast: Vast, stream: bool) -> None:
    answer = await vast.raw(stream=stream, standin={"fault": "compressed"})
    _, headers, body = split_head(answer)
    assert headers[b"content-encoding"] == b"gzip"
    plain = gzip.decompress(body)
    assert complete(plain) if stream else json.loads(plain)


async def test_big_event(vast: Vast) -> None:
    body = {"messages": HELLO, "stream": True, "standin": {"fault": "big_event"}}
    chunks = await vast.events(body)
    assert text_of(chunks) == "x" * faults.BIG + "You said: hello there"


async def test_big_event_of_a_completion(vast: Vast) -> None:
    body = {"prompt": "a", "stream": True, "standin": {"fault": "big_event"}}
    _, answer = await vast.post(body, "/demo/v1/completions")
    assert len(answer) > faults.BIG


async def test_split(vast: Vast) -> None:
    body = {"messages": HELLO, "stream": True, "standin": {"fault": "split"}}
    async with RawCall(vast.url, body) as call:
        await call.head()
        pieces = []
        while piece := await call.chunk():
            pieces.append(piece)
    assert {len(piece) for piece in pieces[:-1]} == {7}
    assert text_of(complete(b"".join(pieces))) == "You said: hello there"


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_any_answer(vast: Vast, status: int) -> None:
    told = {
        "status": status,
        "body": '{"error":"Überlast"}',
        "headers": {"Retry-After": "3", "Content-Type": "application/problem+json"},
    }
    response, answer = await vast.post({"messages": HELLO, "standin": told})
    assert response.status == status
    assert response.headers["retry-after"] == "3"
    assert response.headers.getall("content-type") == ["application/problem+json"]
    assert answer.decode() == '{"error":"Überlast"}'


async def test_an_answer_without_a_body(vast: Vast) -> None:
    response, answer = await vast.post({"messages": HELLO, "standin": {"status": 429}})
    assert (response.status, answer) == (429, b"")
    assert "content-type" not in response.headers


async def test_a_connection_survives_what_is_only_an_error(vast: Vast) -> None:
    before = (await vast.control("GET", "stats"))["connections"]
    for told in ({"status": 500}, {"fault": "html"}, {"fault": "empty"}, {}):
        await vast.post({"messages": HELLO, "standin": told})
    assert (await vast.control("GET", "stats"))["connections"] == before
