"""A company's proxy: takes CONNECT, with a password, and says where to."""

import base64
import socket
import socketserver
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import quote


class UpstreamProxy:
    """Listens on loopback. `connected` has the targets, in order."""

    def __init__(self, user: str, password: str) -> None:
        self.connected: list[str] = []
        expected = b"Basic " + base64.b64encode(f"{user}:{password}".encode())
        connected = self.connected

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                _, target, _ = self.rfile.readline().decode().split()
                headers = list(iter(self.rfile.readline, b"\r\n"))
                if not any(expected in header for header in headers):
                    self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                    return
                connected.append(target)
                host, _, port = target.rpartition(":")
                with socket.create_connection((host, int(port))) as far:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    back = threading.Thread(target=_copy, args=(far, self.connection))
                    back.start()
                    _copy(self.connection, far)
                    back.join()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        port = self._server.server_address[1]
        self.url = f"http://{quote(user)}:{quote(password, safe='')}@127.0.0.1:{port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
