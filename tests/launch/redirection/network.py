"""Network namespaces, and three of them in a row.

client ── lan ── the tests' own, which routes ── wan ── server
"""

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, BaseServer, UDPServer
from typing import Self

#: The client's networks, and an address of its own that is in none of them.
NETWORKS = ("10.23.0.0/24", "fd23::/64")
ELSEWHERE = "10.99.0.2"
#: The server's address of each family: of api.openai.com and other.example.
SERVER = {4: "192.0.2.1", 6: "2001:db8:2::1"}
#: The router's.
ROUTER = {4: "10.23.0.1", 6: "fd23::1"}
OTHER_UDP_PORT = 4433

_ROUTER_LINKS = """
link add lan type veth peer name uplink netns {client}
link add wan type veth peer name downlink netns {server}
address add 10.23.0.1/24 dev lan
address add 10.99.0.1/24 dev lan
address add fd23::1/64 dev lan
address add 198.51.100.1/24 dev wan
address add 2001:db8:1::1/64 dev wan
link set lan up
link set wan up
route add 192.0.2.0/24 via 198.51.100.2
route add 2001:db8:2::/64 via 2001:db8:1::2
"""
_CLIENT_LINKS = """
address add 10.23.0.2/24 dev uplink
address add 10.99.0.2/24 dev uplink
address add fd23::2/64 dev uplink
link set uplink up
route add default via 10.23.0.1
route add default via fd23::1
"""
_SERVER_LINKS = """
address add 198.51.100.2/24 dev downlink
address add 2001:db8:1::2/64 dev downlink
address add 192.0.2.1/24 dev downlink
address add 2001:db8:2::1/64 dev downlink
link set downlink up
route add default via 198.51.100.1
route add default via 2001:db8:1::1
"""


class Namespace:
    """A network namespace. Within `with`, the thread and what it starts are in it."""

    def __init__(self) -> None:
        outside = _current()
        os.unshare(os.CLONE_NEWNET)
        self._descriptor = _current()
        _prepare()
        _leave_for(outside)
        self._outside: list[int] = []

    @property
    def path(self) -> str:
        """The file that stands for it."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    def __enter__(self) -> Self:
        self._outside.append(_current())
        os.setns(self._descriptor, os.CLONE_NEWNET)
        return self

    def __exit__(self, *_: object) -> None:
        _leave_for(self._outside.pop())

    def close(self) -> None:
        """Lets it go, once nothing is in it."""
        os.close(self._descriptor)


@contextmanager
def new_namespace() -> Iterator[Namespace]:
    """An empty one, which this thread is in."""
    namespace = Namespace()
    try:
        with namespace:
            yield namespace
    finally:
        namespace.close()


@contextmanager
def routed_client(certificate: Path, key: Path) -> Iterator[Namespace]:
    """Sets all three up, with servers. Returns the client's."""
    client, server = Namespace(), Namespace()
    _prepare()
    for way in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        Path("/proc/sys/net", way).write_text("1")
    # Linux sends one refusal per second and client, after the first few: too few for tests.
    for limit in ("ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"):
        Path("/proc/sys/net", limit).write_text("0")
    _ip(_ROUTER_LINKS.format(client=client.path, server=server.path))
    with client:
        _ip(_CLIENT_LINKS)
    servers: list[BaseServer] = [_http_server("router")]
    with server:
        _ip(_SERVER_LINKS)
        servers += [_https_server("server", certificate, key), *_echo_servers()]
    with _running(servers):
        yield client
    client.close()
    server.close()


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _leave_for(descriptor: int) -> None:
    os.setns(descriptor, os.CLONE_NEWNET)
    os.close(descriptor)


def _prepare() -> None:
    _ip("link set lo up")
    # Addresses can be used at once: nobody else has them.
    for interfaces in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{interfaces}/accept_dad").write_text("0")


def _ip(commands: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input=commands, text=True, check=True, timeout=10)


class _HTTPServer(ThreadingHTTPServer):
    address_family = socket.AF_INET6  # takes IPv4 as well
    daemon_threads = True


def _http_server(name: str) -> _HTTPServer:
    """One on port 443 that answers with its name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.send_header("content-length", str(len(name)))
            self.end_headers()
            self.wfile.write(name.encode())

        do_POST = do_GET  # noqa: N815

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nowhere."""

    return _HTTPServer(("::", 443), Handler)


def _https_server(name: str, certificate: Path, key: Path) -> _HTTPServer:
    server = _http_server(name)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    # A handshake that fails is for the thread of its connection, not for the one that accepts.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    return server


class _Echo(BaseRequestHandler):
    def handle(self) -> None:
        data, server = self.request
        server.sendto(data, self.client_address)


def _echo_servers() -> list[BaseServer]:
    ports = (443, OTHER_UDP_PORT)
    ipv4 = [UDPServer((SERVER[4], port), _Echo) for port in ports]
    ipv6 = [_UDPServer6((SERVER[6], port), _Echo) for port in ports]
    return [*ipv4, *ipv6]


class _UDPServer6(UDPServer):
    address_family = socket.AF_INET6


@contextmanager
def _running(servers: list[BaseServer]) -> Iterator[None]:
    threads = [threading.Thread(target=server.serve_forever, args=[0.05]) for server in servers]
    for thread in threads:
        thread.start()
    yield
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()
