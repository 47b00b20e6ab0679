"""Bytes that look more or less like requests, split at random. The same number gives the same."""

import itertools
import random
from dataclasses import dataclass

import h11

from ..harness import APP_KEY

_BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
_METHODS = (
    b"POST",
    b"POST",
    b"POST",
    b"GET",
    b"HEAD",
    b"OPTIONS",
    b"PUT",
    b"CONNECT",
    b"PRI",
    b"p",
)
_TARGETS = (
    b"/chat/completions",
    b"/completions",
    b"/models",
    b"/embeddings?x=y",
    b"http://localhost/chat/completions",
    b"https://api.openai.com/chat/completions",
    b"localhost:443",
    b"//./chat/completions",
    b"/" + b"v" * 9_000,
    b"*",
    b"/\xff",
)
_VERSIONS = (b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTQ")
_HEADERS = (
    b"Host: localhost",
    b"Host:api.openai.com",
    b"Host: a, b",
    b"Authorization: Bearer " + APP_KEY.encode(),
    b"Authorization : Bearer " + APP_KEY.encode(),
    b"Content-Type: application/json",
    b"Content-Length: %d" % len(_BODY),
    b"Content-Length: %d" % len(_BODY),
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Trailer: X-Key",
    b"Connection: close",
    b"Connection: upgrade",
    b"Upgrade: websocket",
    b"Upgrade: h2c",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Expect: 100-continue",
    b"X-Folded: a\r\n b",
    b"X-Long: " + b"x" * 20_000,
    b"X\x00Y: z",
    b": nameless",
    b"no colon",
)
_ENDS = (b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b"")
_CHUNKED = b"%x\r\n%s\r\n0\r\n" % (len(_BODY), _BODY)
_BODIES = (
    _BODY,
    _BODY,
    _CHUNKED + b"\r\n",
    _CHUNKED + b"X-Key: " + APP_KEY.encode() + b"\r\n\r\n",
    b"%x;%s\r\n" % (len(_BODY), b"e" * 70_000),
    b"zz\r\n",
    b"",
)
_OTHERS = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    bytes.fromhex("000000040000000000"),
    bytes.fromhex("0000040100000000010082848641"),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x05\x01\x00",
    b"\r\n" * 20,
    bytes(100),
)


@dataclass(frozen=True)
class Exchange:
    """What one client sends: each piece is a TLS record of its own."""

    alpn: tuple[str, ...]
    pieces: tuple[bytes, ...]

    @property
    def begins_with_a_whole_request(self) -> bool:
        """Whether a strict server has a request to answer."""
        if "h2" in self.alpn or not self.pieces:
            return False
        server = h11.Connection(h11.SERVER, max_incomplete_event_size=10**6)
        try:
            server.receive_data(b"".join(self.pieces))
            while True:
                event = server.next_event()
                if isinstance(event, h11.EndOfMessage):
                    return True
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return False
        except h11.RemoteProtocolError:
            return False


def exchange(seed: int, number: int) -> Exchange:
    """The client with this number."""
    # Not of a tuple, of which Python's hash would be taken.
    chance = random.Random(f"{seed}:{number}")
    parts = [chance.choice(_KINDS)(chance) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    data = b"".join(parts)
    if chance.random() < 0.5:
        data = _damaged(chance, data)
    alpn = chance.choice(((), (), (), ("http/1.1",), ("h2",), ("h2", "http/1.1"), ("acme",)))
    return Exchange(alpn, _split(chance, data))


def _request(chance: random.Random) -> bytes:
    end = chance.choice(_ENDS)
    headers = chance.sample(_HEADERS, chance.randrange(8))
    first = b" ".join((chance.choice(_METHODS), chance.choice(_TARGETS), chance.choice(_VERSIONS)))
    return b"".join(line + end for line in (first, *headers, b"")) + chance.choice(_BODIES)


def _good_request(chance: random.Random) -> bytes:
    lines = [
        b"POST /chat/completions HTTP/1.1",
        b"Host: localhost",
        *_HEADERS[3:4],
        *_HEADERS[5:7],
    ]
    return b"".join(line + b"\r\n" for line in (*lines, b"")) + _BODY


def _noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1, 300))


def _other(chance: random.Random) -> bytes:
    return chance.choice(_OTHERS)


_KINDS = (_request, _request, _request, _good_request, _noise, _other)


def _damaged(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0:
                changed[at : at + 1] = chance.choice((b"\r", b"\n", b"\x00", b" ", b"\xff", b":"))
            case 1:
                changed[at:at] = chance.randbytes(chance.randrange(4))
            case 2:
                del changed[at : at + chance.choice((1, 2, 10, 1_000))]
            case 3:
                del changed[at:]
    return bytes(changed)


def _split(chance: random.Random, data: bytes) -> tuple[bytes, ...]:
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 1, 2, 5))))
    if chance.random() < 0.3:
        cuts = [chance.randrange(1, 6), *cuts]  # within the method, where mitmproxy would guess
        cuts.sort()
    edges = [0, *cuts, len(data)]
    pieces = (data[start:end] for start, end in itertools.pairwise(edges))
    return tuple(piece for piece in pieces if piece)
