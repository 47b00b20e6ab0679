"""Clients that write what they like, byte for byte, through any of mitmproxy's modes."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..harness import Interceptor


class Sink:
    """What listens where a provider would: counts who comes, and keeps what is sent."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1_000)
        self.port = int(self._listening.getsockname()[1])
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listening.accept()
                self.connections += 1
                with accepted:
                    self.serve(accepted)

    def serve(self, accepted: socket.socket) -> None:
        """Closes the connection at once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Listens no more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


@dataclass(frozen=True)
class Way:
    """One of mitmproxy's modes, and how a client comes through it to `localhost` at a port."""

    mode: str
    open: Callable[[socket.socket, str, int], None]
    #: Answered by mitmproxy itself: when the answer is here, what came before it has been read.
    ask: bytes


def _connect(raw: socket.socket, host: str, port: int) -> None:
    raw.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode())
    assert b"200" in raw.recv(1_000)


def _connect_by_address(raw: socket.socket, host: str, port: int) -> None:
    del host
    _connect(raw, "127.0.0.1", port)


def _socks(raw: socket.socket, host: str, port: int) -> None:
    raw.sendall(b"\x05\x01\x00")
    assert raw.recv(2) == b"\x05\x00"
    name = host.encode()
    raw.sendall(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + port.to_bytes(2, "big"))
    assert raw.recv(10)[:2] == b"\x05\x00"


def _straight(raw: socket.socket, host: str, port: int) -> None:
    del raw, host, port


_CONNECT = b"CONNECT localhost:9 HTTP/1.1\r\n\r\n"
_MODELS = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"
WAYS = {
    "regular": Way("regular", _connect, _CONNECT),
    "regular, by address": Way("regular", _connect_by_address, _CONNECT),
    "upstream": Way("upstream:{proxy}", _connect, _CONNECT),
    "socks5": Way("socks5", _socks, b"\x05\x01\x00"),
    "reverse to https": Way("reverse:https://localhost:{port}", _straight, _MODELS),
    "reverse to http": Way("reverse:http://localhost:{port}", _straight, _MODELS),
}


class RawClient:
    """Sends pieces of bytes, each of which the interceptor has read before the next one comes."""

    def __init__(
        self, interceptor: Interceptor, way: Way, port: int, *, host: str = "localhost"
    ) -> None:
        self._interceptor = interceptor
        self._way = way
        self._raw = socket.create_connection(("127.0.0.1", interceptor.port), timeout=20)
        self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = host
        way.open(self._raw, host, port)
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def start_tls(
        self, ca: Path, *, first_piece: int | None = None, alpn: list[str] | None = None
    ) -> None:
        """Has TLS from here on. The ClientHello's first bytes may come by themselves."""
        context = ssl.create_default_context(cafile=str(ca))
        if alpn:
            context.set_alpn_protocols(alpn)
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=self._host)
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
                self._flush()
                return
            hello = self._outgoing.read()
            if first_piece and hello:
                self._raw.sendall(hello[:first_piece])
                self._wait_until_read()
                hello, first_piece = hello[first_piece:], None
            self._raw.sendall(hello)
            self._incoming.write(self._raw.recv(65_536))

    def send(self, *pieces: bytes) -> None:
        """Sends the pieces one after the other."""
        for number, piece in enumerate(pieces):
            if number:
                self._wait_until_read()
            if self._tls:
                self._tls.write(piece)
                self._flush()
            else:
                self._raw.sendall(piece)

    def read(self, until: bytes | None = None) -> bytes:
        """What comes back until it has these bytes, or else until the connection is closed."""
        received = b""
        for piece in self._pieces():
            received += piece
            if until is not None and until in received:
                break
        return received

    def end(self) -> None:
        """Has nothing more to send."""
        if self._tls:
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.unwrap()
            self._flush()
        else:
            self._raw.shutdown(socket.SHUT_WR)

    def end_abruptly(self) -> None:
        """Sends no more, without TLS's own farewell."""
        self._raw.shutdown(socket.SHUT_WR)

    def _pieces(self) -> Iterator[bytes]:
        while True:
            if self._tls:
                try:
                    piece = self._tls.read(65_536)
                except ssl.SSLWantReadError:
                    piece = None
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return
                if piece is not None:
                    if not piece:
                        return
                    yield piece
                    continue
            try:
                received = self._raw.recv(65_536)
            except ConnectionResetError:
                return
            if self._tls and received:
                self._incoming.write(received)
            elif received:
                yield received
            else:
                return

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self._raw.sendall(data)

    def _wait_until_read(self) -> None:
        # mitmproxy reads from one connection after the other: another one that was begun later,
        # and has its answer, shows that what was sent before has been read.
        with socket.create_connection(("127.0.0.1", self._interceptor.port), timeout=20) as other:
            other.sendall(self._way.ask)
            assert other.recv(1_000)
