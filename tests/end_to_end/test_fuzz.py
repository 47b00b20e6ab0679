"""Anything at all on a connection to a provider: none of it reaches the provider, none of it hurts.

`FUZZ_CONNECTIONS` is how many clients there are, `FUZZ_SEED` which ones.
"""

import os
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from .. import harness
from ..harness import APP_KEY, Interceptor
from .fuzzed import Exchange, exchange
from .raw_clients import Sink

CONNECTIONS = int(os.environ.get("FUZZ_CONNECTIONS", "5000"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
AT_ONCE = 16
# The stand-in's time for an answer is 2 s. A machine that is busy may take longer.
SECONDS = 30


class Client:
    """Makes connections, one after the other."""

    def __init__(self, interceptor: Interceptor, port: int) -> None:
        self._address = "127.0.0.1", interceptor.port
        self._connect = f"CONNECT localhost:{port} HTTP/1.1\r\n\r\n".encode()
        self._ca = str(interceptor.ca)
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}
        self._sessions: dict[tuple[str, ...], ssl.SSLSession | None] = {}

    def make(self, what: Exchange) -> str:
        """Sends it, and returns what went wrong, or nothing."""
        context = self._contexts.get(what.alpn)
        if context is None:
            context = self._contexts[what.alpn] = ssl.create_default_context(cafile=self._ca)
            if what.alpn:
                context.set_alpn_protocols(list(what.alpn))
        with socket.create_connection(self._address, timeout=SECONDS) as raw:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.sendall(self._connect)
            assert b"200" in raw.recv(1_000)
            session = self._sessions.get(what.alpn)
            with context.wrap_socket(raw, server_hostname="localhost", session=session) as tls:
                try:
                    return self._exchange(tls, what)
                except TimeoutError:
                    return "hangs"
                finally:
                    self._sessions[what.alpn] = tls.session

    @staticmethod
    def _exchange(tls: ssl.SSLSocket, what: Exchange) -> str:
        received = b""
        try:
            for piece in what.pieces:
                tls.sendall(piece)
            if what.begins_with_a_whole_request:
                received = tls.recv(65_536)
            # Without TLS's own farewell: what comes behind an end of the connection is none of it.
            socket.socket.shutdown(tls, socket.SHUT_WR)
            while piece := tls.recv(65_536):
                received += piece
        except TimeoutError:
            raise
        except OSError:
            return ""  # refused while it was still sending
        return "" if received or not what.begins_with_a_whole_request else "no answer"


@pytest.mark.slow
@pytest.mark.timeout(120 + CONNECTIONS // 10)
def test_any_bytes(vast_section: dict[str, Any], tmp_path: Path) -> None:
    sink = Sink()
    # All of the provider's paths are its API's, and nothing is passed on.
    own = {"name": "own", "host": "localhost", "port": sink.port, "prefix": "/"}
    config = {"vast": vast_section, "providers": [own]}
    with harness.intercept(tmp_path, config, kind="serve") as interceptor:
        process = psutil.Process(interceptor.process.pid)
        before = len(process.net_connections("tcp"))
        clients = threading.local()

        def run(number: int) -> str:
            if not hasattr(clients, "mine"):
                clients.mine = Client(interceptor, sink.port)
            wrong = clients.mine.make(exchange(SEED, number))
            assert sink.connections == 0, f"{number} reached the provider"
            return f"{number} {wrong}" if wrong else ""

        with ThreadPoolExecutor(AT_ONCE) as pool:
            wrong = [what for what in pool.map(run, range(CONNECTIONS)) if what]
        assert wrong == []
        # Nothing is left of them, and a good call is served.
        assert run_good_call(interceptor, sink.port)
        assert len(process.net_connections("tcp")) <= before + AT_ONCE
        assert "crashed" not in interceptor.output
        assert APP_KEY not in interceptor.output
    assert sink.connections == 0
    sink.close()


def run_good_call(interceptor: Interceptor, port: int) -> bool:
    """Whether an app gets its answer."""
    body = b'{"model":"m","messages":[{"role":"user","content":"hello there"}]}'
    head = b"POST /chat/completions HTTP/1.1\r\nHost: localhost\r\n"
    head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    context = ssl.create_default_context(cafile=str(interceptor.ca))
    with socket.create_connection(("127.0.0.1", interceptor.port), timeout=SECONDS) as raw:
        raw.sendall(f"CONNECT localhost:{port} HTTP/1.1\r\n\r\n".encode())
        assert b"200" in raw.recv(1_000)
        with context.wrap_socket(raw, server_hostname="localhost") as tls:
            tls.sendall(head + body)
            return b" 200 " in tls.recv(1_000)[:20]
