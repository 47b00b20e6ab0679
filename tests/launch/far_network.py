"""A network with a far host and a resolver: `python -m tests.launch.far_network CERT KEY DIR CMD`.

Runs CMD, and ends as it does. It needs namespaces of its own, with root's power over them:
`unshare --user --map-root-user --net --mount`. Names are resolved by a server on loopback, as where
systemd-resolved is; all lead to the far host, which is on loopback, too.
"""

import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
from pathlib import Path

#: Nobody's (RFC 5737).
ADDRESS = "203.0.113.5"
GREETING = "hello from far away"
#: One that is redirected in a jail, and one that is not.
PORTS = (443, 8443)


class _Greeter(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(GREETING.encode())


class _TlsServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__((ADDRESS, port), _Greeter)

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        with self._context.wrap_socket(request, server_side=True) as tls:
            super().finish_request(tls, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust the certificate is no error of the server's."""


class _Resolver(socketserver.BaseRequestHandler):
    """Answers every question with the one address."""

    def handle(self) -> None:
        query, answer_through = self.request
        end = query.index(b"\0", 12) + 5
        header = query[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0)
        record = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(ADDRESS)
        is_a = query[end - 4 : end - 2] == b"\0\1"
        if not is_a:
            header = query[:2] + struct.pack("!5H", 0x8180, 1, 0, 0, 0)
        answer = header + query[12:end] + (record if is_a else b"")
        answer_through.sendto(answer, self.client_address)


def main(certificate: str, key: str, folder: Path, command: list[str]) -> int:
    """Makes it all, and runs the command."""
    for setting in ("link set lo up", f"address add {ADDRESS}/32 dev lo"):
        subprocess.run(["ip", *setting.split()], check=True)
    resolv_conf = folder / "resolv.conf"
    resolv_conf.write_text("nameserver 127.0.0.1\n")
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    for file in (resolv_conf, hosts):
        target = Path("/etc", file.name).resolve()
        subprocess.run(["mount", "--bind", str(file), str(target)], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    servers: list[socketserver.BaseServer] = [_TlsServer(port, context) for port in PORTS]
    servers.append(socketserver.ThreadingUDPServer(("127.0.0.1", 53), _Resolver))
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4:]))
