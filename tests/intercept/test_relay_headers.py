"""Which headers cross the relay, from an app's request and to the app with its answer."""

import pytest

from vast_intercept.intercept.relay_headers import answer_for_app, closes, request_for_relay

TOKEN = (b"x-token", b"t")
LENGTH = (b"content-length", b"5")
HOST = (b"host", b"relay")

EVERYTHING_ELSE = """\
Host: api.openai.com
Authorization: Bearer x
Connection: close
Upgrade: websocket
User-Agent: a
User-Agent: b
Server: c
ETag: d
Max-Forwards: e
TE: trailers
Expect: 100-continue
Content-Length: 7
Transfer-Encoding: chunked
Cookie: f=g
"""

type Fields = tuple[tuple[bytes, bytes], ...]


def fields(text: str) -> Fields:
    """Headers, one a line."""
    pairs = [line.split(": ", 1) for line in text.split("\n") if line]
    return tuple((name.encode(), value.encode()) for name, value in pairs)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("", ""),
        # What the relay reads goes on, in lower case.
        (
            "Content-Type: application/json\nACCEPT: */*\nContent-Encoding: gzip\nOrigin: null",
            "content-type: application/json\naccept: */*\ncontent-encoding: gzip\norigin: null",
        ),
        # And nothing else.
        (
            EVERYTHING_ELSE,
            "",
        ),
        ("content-type: a/b\nContent-Type: a/b", "content-type: a/b"),
        ("content-type: a/b\ncontent-type: c/d", "content-type: a/b, c/d"),
        ("accept: a/b\naccept: c/d", "accept: a/b, c/d"),
        ("content-encoding: gzip\ncontent-encoding: gzip", "content-encoding: gzip, gzip"),
        ("x-token: forged", ""),
        ("transfer-encoding: chunked\ncontent-length: 9", ""),
    ],
)
def test_request(asked: str, sent: str) -> None:
    assert request_for_relay(fields(asked), TOKEN, LENGTH, only=False) == (
        HOST,
        TOKEN,
        LENGTH,
        *fields(sent),
    )


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        (b"application/json;\r\n charset=utf-8", b"application/json;  charset=utf-8"),
        (b"application/json\x00", b"application/json"),
        (b"a\x01b\x7fc", b"a b c"),
        (b"caf\xc3\xa9", b"caf\xc3\xa9"),
    ],
)
def test_controls_become_blanks(value: bytes, clean: bytes) -> None:
    sent = dict(request_for_relay(((b"content-type", value),), TOKEN, LENGTH, only=False))
    assert sent[b"content-type"].split() == clean.split()
    assert not any(byte < 0x20 for byte in sent[b"content-type"])


def test_a_connection_for_one_call_says_so() -> None:
    assert request_for_relay((), TOKEN, LENGTH, only=True)[-1] == (b"connection", b"close")


@pytest.mark.parametrize(
    ("version", "asked", "last"),
    [
        ("HTTP/1.1", "", False),
        ("HTTP/1.1", "Connection: close", True),
        ("HTTP/1.1", "connection: Close", True),
        ("HTTP/1.1", "Connection: TE, close", True),
        ("HTTP/1.1", "Connection: TE\nConnection: close", True),
        ("HTTP/1.1", "Connection: keep-alive", False),
        ("HTTP/1.1", "Connection: closed", False),
        ("HTTP/1.1", "X-Connection: close", False),
        ("HTTP/1.0", "", True),
        ("HTTP/1.0", "Connection: keep-alive", True),
        ("HTTP/2.0", "Connection: close", False),
        ("HTTP/3", "", False),
    ],
)
def test_closes(version: str, asked: str, *, last: bool) -> None:
    assert closes(version, fields(asked)) is last


CHUNKED = "Transfer-Encoding: chunked\nContent-Type: text/event-stream"


@pytest.mark.parametrize(
    ("version", "asked", "answered", "sent"),
    [
        ("HTTP/1.1", "", CHUNKED, CHUNKED),
        ("HTTP/1.1", "Connection: close", CHUNKED, f"{CHUNKED}\nconnection: close"),
        # What the relay's connection is like is not for the app, but for its end.
        ("HTTP/1.1", "", f"{CHUNKED}\nConnection: keep-alive", CHUNKED),
        ("HTTP/1.1", "", f"{CHUNKED}\nKeep-Alive: timeout=5", CHUNKED),
        ("HTTP/1.1", "", f"Connection: close\n{CHUNKED}", f"{CHUNKED}\nconnection: close"),
        # HTTP/1.0 knows no chunks.
        ("HTTP/1.0", "", CHUNKED, "Content-Type: text/event-stream\nconnection: close"),
        ("HTTP/1.0", "", "Content-Length: 3", "Content-Length: 3\nconnection: close"),
        ("HTTP/2.0", "", CHUNKED, CHUNKED),
    ],
)
def test_answer(version: str, asked: str, answered: str, sent: str) -> None:
    assert answer_for_app(version, fields(asked), fields(answered)) == fields(sent)
