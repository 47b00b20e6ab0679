"""Nothing that one app or one worker sends holds up the others: the event loop stays free.

What is measured is the computing time of the event loop's thread between two looks of a task that
looks all the time (`ticker.py`), so that it does not matter how busy the machine is.
"""

import contextlib
import gzip
import json
import random
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h2.connection
import httpx
import pytest

from ... import harness
from ...harness import APP_KEY, Interceptor
from .ticks import LONGEST, TICKER, longest
from .upstream import Upstream, serving, stream, whole

API = "https://api.openai.com/v1"
LISTED = ("embeddings", "rerank", "images/generations")
MIB = 1024 * 1024
SMALL = b'{"messages":[]}'
STREAMED = b'{"messages":[],"stream":true}'
ROUTE = {"reasoning": "both", "roles": {"developer": "system"}}
ANSWER = whole(b'{"choices":[]}')


@dataclass
class Watched:
    """An interceptor whose event loop is watched, and the upstream that stands for Vast."""

    interceptor: Interceptor
    upstream: Upstream
    ticks: Path

    def post(
        self,
        body: bytes,
        answer: Iterable[bytes],
        *,
        http2: bool = False,
        path: str = "chat/completions",
        **headers: str,
    ) -> tuple[httpx.Response, float]:
        """The answer to one call, and for how long the event loop was held up by it."""
        self.upstream.answer = answer
        seen = len(self.ticks.read_text().splitlines())
        context = (
            harness.http2_only(self.interceptor)
            if http2
            else ssl.create_default_context(cafile=str(self.interceptor.ca))
        )
        with httpx.Client(
            http1=not http2,
            http2=http2,
            verify=context,
            proxy=self.interceptor.url,
            trust_env=False,
            timeout=60,
        ) as client:
            head = {"content-type": "application/json", "authorization": f"Bearer {APP_KEY}"}
            # In pieces: httpx copies what is left of a large body for each frame of HTTP/2.
            pieces = (body[at : at + MIB] for at in range(0, len(body), MIB))
            head["content-length"] = str(len(body))
            response = client.post(f"{API}/{path}", content=pieces, headers=head | headers)
        return response, self.longest(seen)

    def longest(self, seen: int) -> float:
        """For how long the event loop was held up since there were so many lines."""
        return longest(self.interceptor, self.ticks, seen)


@contextmanager
def watching(folder: Path, kind: str, *options: str) -> Iterator[Watched]:
    ticks = folder / "ticks"
    ticks.touch()
    with serving() as upstream:
        config: dict[str, Any] = {
            "vast": {"endpoint": "e", "openai_url": upstream.url},
            "routes": [
                {"model": "routed", "endpoint": "e", **ROUTE},
                {"model": "sees", "endpoint": "box"},
            ],
            "endpoints": {
                "box": {
                    "url": upstream.url,
                    "serves": list(LISTED),
                    "input_modalities": ["image"],
                }
            },
        }
        with harness.intercept(
            folder,
            config,
            *("-s", str(TICKER), *options),
            kind=kind,
            environ={"VAST_TICKER": str(ticks)},
        ) as interceptor:
            watched = Watched(interceptor, upstream, ticks)
            watched.post(SMALL, ANSWER)  # the first call has certificates made
            watched.post(STREAMED, stream(b"data: {}\n\n", b"data: [DONE]\n\n"), http2=True)
            yield watched


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watching(tmp_path_factory.mktemp("serve"), "serve") as watched:
        yield watched


def chat(content: bytes) -> bytes:
    return b'{"model":"m","messages":[{"role":"user","content":' + content + b"}]}"


def shown(base64: bytes) -> bytes:
    image = b'{"type":"image_url","image_url":{"url":"data:image/png;base64,%b"}}' % base64
    return b'{"model":"sees","messages":[{"role":"user","content":[%b]}]}' % image


BODIES = {
    "an image": (shown(b"iVBO" * 11 * MIB), {}, None),
    "an image with escapes": (shown(b"iVB\\/" * 4 * MIB), {}, None),
    "an image that is wrong at its end": (shown(b"iVBO" * 11 * MIB + b"?"), {}, "invalid_value"),
    "a long text": (chat(b'"' + b"x" * 60 * MIB + b'"'), {}, None),
    "a long text of another script": (chat(b'"' + "é".encode() * 10 * MIB + b'"'), {}, None),
    "a text that is held": (chat(b'"' + b"x" * 7 * MIB + b'"'), {}, None),
    "token ids": (chat(b'"a"}],"prompt":[' + b"1, " * 4 * MIB + b'1],"x":[{"y":1'), {}, None),
    "messages": (b'{"messages":[' + b"{}," * 3 * MIB + b"{}]}", {}, "request_too_complex"),
    "messages in 128 KiB": (
        b'{"messages":[' + b"{}," * 42_000 + b"{}]}",
        {},
        "request_too_complex",
    ),
    "parts in 128 KiB": (chat(b"[" + b"{}," * 42_000 + b"{}]"), {}, "unsupported_content"),
    "members": (b'{"messages":[]' + b',"a":1' * 2 * MIB + b"}", {}, "request_too_complex"),
    "members in 128 KiB": (
        b'{"messages":[],' + b",".join(b'"%x":1' % i for i in range(13_000)) + b"}",
        {},
        "request_too_complex",
    ),
    "depth": (b'{"messages":' + b"[" * 4 * MIB, {}, "request_too_complex"),
    "gzip of messages": (
        gzip.compress(b'{"messages":[' + b"{}," * 5 * MIB + b"{}]}"),
        {"content-encoding": "gzip"},
        "request_too_complex",
    ),
    "gzip of a text": (
        gzip.compress(chat(b'"' + random.Random(0).randbytes(7 * MIB).hex().encode() + b'"'), 1),
        {"content-encoding": "gzip"},
        None,
    ),
    "gzip of too much": (
        gzip.compress(chat(b'"' + b"x" * 60 * MIB + b'"')),
        {"content-encoding": "gzip"},
        "request_too_large",
    ),
}


@pytest.mark.parametrize(("body", "headers", "code"), BODIES.values(), ids=BODIES.keys())
def test_of_a_request(
    body: bytes, headers: dict[str, str], code: str | None, watched: Watched
) -> None:
    watched.upstream.bodies.clear()
    response, longest = watched.post(body, ANSWER, **headers)
    if code is None:
        assert response.status_code == 200, response.text
        assert watched.upstream.bodies[0] > MIB
    else:
        assert response.json()["error"]["code"] == code
    assert longest < LONGEST


@pytest.mark.parametrize("host", ["api.openai.com:443", "other.example:8443"])
def test_of_a_client_hello_without_an_end(host: str, watched: Watched) -> None:
    """In records of a byte each, of which mitmproxy makes one piece again whenever more come."""
    seen = len(watched.ticks.read_text().splitlines())
    with socket.create_connection(("127.0.0.1", watched.interceptor.port), timeout=30) as raw:
        raw.sendall(f"CONNECT {host} HTTP/1.1\r\n\r\n".encode())
        assert b"200" in raw.recv(1_000)
        hello = b"\x01\xff\xff\xff" + bytes(100_000)
        with contextlib.suppress(ConnectionError):
            raw.sendall(b"".join(b"\x16\x03\x01\x00\x01%c" % byte for byte in hello))
            assert raw.recv(1_000) == b""
    assert watched.longest(seen) < LONGEST


ANSWERS = {
    "a long text": b'{"choices":[{"message":{"content":"' + b"x" * 30 * MIB + b'"}}]}',
    "a text that is held": b'{"choices":[{"message":{"content":"' + b"x" * 7 * MIB + b'"}}]}',
    "choices": b'{"choices":[' + b"{}," * 5 * MIB + b"{}]}",
    "members": b"{" + b",".join(b'"%x":1' % number for number in range(400_000)) + b"}",
}


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS.keys())
def test_of_a_whole_answer(body: bytes, http2: bool, watched: Watched) -> None:
    response, longest = watched.post(SMALL, whole(body), http2=http2)
    assert response.content == body
    assert longest < LONGEST


NUMBER = b"-0.012345678901234567,"
VECTOR = b'{"object":"embedding","embedding":[' + NUMBER * 1_535 + b"1]}"
OF_TEXTS = b'{"input":[%b],"encoding_format":"%b"}'
LARGE = {
    "50 MB of numbers, as base64": (
        "embeddings",
        OF_TEXTS % (b",".join([b'"x"'] * 1_500), b"base64"),
        b'{"data":[' + b",".join([VECTOR] * 1_500) + b"]}",
    ),
    "50 MB of numbers": (
        "embeddings",
        OF_TEXTS % (b",".join([b'"x"'] * 1_500), b"float"),
        b'{"data":[' + b",".join([VECTOR] * 1_500) + b"]}",
    ),
    "one vector of base64, as numbers": (
        "embeddings",
        OF_TEXTS % (b'"x"', b"float"),
        b'{"data":[{"embedding":"' + b"AACAPwAAgD8AAIA/" * MIB + b'"}]}',
    ),
    "60 MB of texts": (
        "embeddings",
        OF_TEXTS % (b",".join([b'"%b"' % (b"x" * 4_000)] * 15_000), b"float"),
        b'{"data":[' + b",".join([b'{"embedding":[0.5]}'] * 15_000) + b"]}",
    ),
    "60 MB of tokens": (
        "embeddings",
        OF_TEXTS % (b",".join([b"[" + b"12345," * 1_000 + b"1]"] * 10_000), b"base64"),
        b'{"data":[' + b",".join([b'{"embedding":[0.5]}'] * 10_000) + b"]}",
    ),
    "documents": (
        "rerank",
        b'{"query":"x","documents":[' + b",".join([b'"%b"' % (b"x" * 3_000)] * 15_000) + b"]}",
        b'{"results":['
        + b",".join(
            [b'{"index":3,"relevance_score":0.5,"document":"%b"}' % (b"x" * 3_000)] * 15_000
        )
        + b"]}",
    ),
    "60 MB of images": (
        "images/generations",
        b'{"prompt":"x","response_format":"url"}',
        b'{"data":[' + b",".join([b'{"b64_json":"%b"}' % (b"A/+9" * 5_000_000)] * 3) + b"]}",
    ),
}


@pytest.mark.parametrize(("path", "body", "answer"), LARGE.values(), ids=LARGE.keys())
def test_of_large_calls_beyond_text(
    path: str, body: bytes, answer: bytes, watched: Watched
) -> None:
    response, longest = watched.post(body, whole(answer), path=path)
    assert response.status_code == 200, response.text
    assert len(response.content) > 0.1 * len(answer)
    assert longest < LONGEST


EVENT = b"data: %b\n\n" % json.dumps({"choices": [{"delta": {"content": " token"}}]}).encode()
EVENTS = {
    "one long event": [b'data: {"a":"' + b"x" * 30 * MIB + b'"}\n\n'],
    "one event that is kept": [b'data: {"a":"' + b"x" * 7 * MIB + b'"}\n\n'],
    "very many events at once": [EVENT * 100_000],
    "many events, each by itself": [EVENT] * 20_000,
    "ends of line": [(b"\n" * 60_000 + b"x") * 100],
    "ends of line of another kind": [(b"\r" * 60_000 + b"x") * 10],
}


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("events", EVENTS.values(), ids=EVENTS.keys())
def test_of_a_stream(events: list[bytes], http2: bool, watched: Watched) -> None:
    answer = stream(*events, b"\n\ndata: [DONE]\n\n")
    response, longest = watched.post(STREAMED, answer, http2=http2)
    assert response.content == b"".join(events) + b"\n\ndata: [DONE]\n\n"
    assert longest < LONGEST


def routed(messages: bytes) -> bytes:
    return b'{"model":"routed","messages":[' + messages + b"]}"


DEVELOPER = b'{"role":"developer","content":"%s"}'
ROLES = {
    "as many as are renamed": (
        b",".join([DEVELOPER % (b"x" * 4_000)] * 1_000),
        None,
    ),
    "as many as there may be": (b",".join([DEVELOPER % b"x"] * 19_999), "request_too_complex"),
    "what looks like roles": (
        b'{"x":[' + b",".join([b'{"role":"developer"}'] * 19_000) + b'],"role":"developer"}',
        None,
    ),
    "what looks like roles, in 64 KiB": (
        b",".join([b'{"role":"developer","x":{"role":"developer"}}'] * 1_000),
        None,
    ),
    "members before the role": (
        b'{%s,"role":"developer","x":{"role":"developer"}}'
        % b",".join(b'"%x":1' % number for number in range(6_000)),
        None,
    ),
}


@pytest.mark.parametrize(("messages", "code"), ROLES.values(), ids=ROLES.keys())
def test_of_roles_that_are_renamed(messages: bytes, code: str | None, watched: Watched) -> None:
    response, longest = watched.post(routed(messages), ANSWER)
    assert response.status_code == (400 if code else 200), response.text
    assert response.json().get("error", {}).get("code") == code
    assert longest < LONGEST


REASONING = b'{"message":{"reasoning":"x"}}'
THOUGHTS = {
    "as many choices as are read": b'{"choices":[' + b",".join([REASONING] * 4_000) + b"]}",
    "more of them": b'{"choices":[' + b",".join([REASONING] * 16_000) + b"]}",
    "members": b'{"choices":[{"message":{"reasoning":"x",%s}}]}'
    % b",".join(b'"%x":1' % number for number in range(24_000)),
    "a long text": b'{"choices":[{"message":{"reasoning":"' + b"x" * 30 * MIB + b'"}}]}',
}


@pytest.mark.parametrize("body", THOUGHTS.values(), ids=THOUGHTS.keys())
def test_of_reasoning_under_both_names(body: bytes, watched: Watched) -> None:
    response, longest = watched.post(routed(b""), whole(body))
    assert response.status_code == 200, response.text
    assert longest < LONGEST


def test_of_streamed_reasoning_under_both_names(watched: Watched) -> None:
    event = EVENT.replace(b"content", b"reasoning")
    answer = stream(event * 20_000, b"data: [DONE]\n\n")
    response, longest = watched.post(routed(b"")[:-1] + b',"stream":true}', answer)
    assert response.content.count(b"reasoning_content") == 20_000
    assert longest < LONGEST


def test_of_a_request_over_http2(watched: Watched) -> None:
    response, longest = watched.post(chat(b'"' + b"x" * 16 * MIB + b'"'), ANSWER, http2=True)
    assert response.status_code == 200, response.text
    assert longest < LONGEST


@pytest.mark.parametrize("http2", [False, True], ids=["chunks of HTTP/1", "frames of HTTP/2"])
def test_of_a_body_with_a_byte_at_a_time(http2: bool, watched: Watched) -> None:
    body = chat(b'"' + b"x" * 40_000 + b'"')
    context = ssl.create_default_context(cafile=str(watched.interceptor.ca))
    context.set_alpn_protocols(["h2" if http2 else "http/1.1"])
    watched.upstream.answer = ANSWER
    seen = len(watched.ticks.read_text().splitlines())
    with (
        socket.create_connection(("127.0.0.1", watched.interceptor.port), timeout=30) as raw,
        tunnel(raw, context) as app,
    ):
        app.sendall(in_frames(body) if http2 else in_chunks(body))
        received = b""
        while (b"choices" if http2 else b'"choices":[]}') not in received:
            piece = app.recv(65_536)
            assert piece, received
            received += piece
    assert watched.longest(seen) < LONGEST


def tunnel(raw: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n")
    assert b"200" in raw.recv(1_000)
    return context.wrap_socket(raw, server_hostname="api.openai.com")


def in_chunks(body: bytes) -> bytes:
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: api.openai.com\r\n"
        b"authorization: Bearer %b\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\n" % APP_KEY.encode()
    )
    return head + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"


def in_frames(body: bytes) -> bytes:
    """All of it, without a look at the window: the default one is large enough."""
    http = h2.connection.H2Connection()
    http.initiate_connection()
    http.send_headers(
        1,
        [
            *((":method", "POST"), (":scheme", "https"), (":authority", "api.openai.com")),
            *((":path", "/v1/chat/completions"), ("content-type", "application/json")),
            *(("authorization", f"Bearer {APP_KEY}"), ("content-length", str(len(body)))),
        ],
    )
    for at in range(len(body)):
        http.send_data(1, body[at : at + 1], end_stream=at == len(body) - 1)
    return http.data_to_send()


def test_of_bodies_that_mitmweb_keeps(tmp_path: Path) -> None:
    options = ("--set", "web_open_browser=false", "--set", "web_port=0")
    with watching(tmp_path, "mitmweb", *options) as watched:
        for body, answer in (
            (chat(b'"' + b"x" * 60 * MIB + b'"'), ANSWER),
            (chat(b'"' + b"x" * 7 * MIB + b'"'), ANSWER),
            (SMALL, whole(ANSWERS["a text that is held"])),
            (STREAMED, stream(*EVENTS["one event that is kept"], b"data: [DONE]\n\n")),
            (STREAMED, stream(*EVENTS["many events, each by itself"], b"data: [DONE]\n\n")),
        ):
            response, longest = watched.post(body, answer)
            assert response.status_code == 200, response.text
            assert longest < LONGEST
