"""Whatever goes wrong in our own code, and whatever stands for a host or a key: nothing goes on.

The app gets an error of OpenAI's shape.
"""

import contextlib
import hashlib
import json
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
import requests
from OpenSSL import SSL

from .. import harness
from ..harness import APP_KEY, Interceptor, error_of
from .raw_clients import Sink

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

# What a hook needs, and the calls that need it.
BROKEN = [
    ("identify.destination_of", ["chat/completions", "embeddings", "images"]),
    ("call_interceptor.judge", ["chat/completions", "embeddings", "images"]),
    ("call_interceptor.mask_keys", ["chat/completions", "images"]),
    ("hidden_keys.mask_keys", ["embeddings"]),
    ("call_interceptor.after_others", ["chat/completions", "images"]),
    ("passed_on_calls.after_others", ["embeddings"]),
    ("relayed_calls.RelayedCalls.prepare", ["chat/completions", "images"]),
    ("relayed_calls.RelayedCalls.hand_over", ["chat/completions", "images"]),
    ("relayed_calls.RelayedCalls._hand_over_whole", ["chat/completions", "images"]),
    ("passed_on_calls.PassedOnCalls._pass_on", ["embeddings"]),
    ("passed_on_calls.PassedOnCalls._pass_on_whole", ["embeddings"]),
]
_SCRIPT = """
import asyncio, logging
import vast_intercept.intercept.{module} as owner
from mitmproxy.addons.errorcheck import ErrorCheckHandler

def broken(*args, **kwargs):
    raise UnicodeError("sk-of-the-app-0123456789abcdef")

def is_starting():
    return any(isinstance(each, ErrorCheckHandler) for each in logging.getLogger().handlers)

async def break_it():
    while is_starting():  # an error would end mitmproxy
        await asyncio.sleep(0)
    *path, last = {path!r}
    place = owner
    for name in path:
        place = getattr(place, name)
    setattr(place, last, broken)
    logging.warning("It is broken now.")

def running():
    global task
    task = asyncio.create_task(break_it())
"""


@pytest.mark.parametrize(("what", "calls"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_failure_in_a_hook_is_an_error_for_the_app(
    tmp_path: Path, what: str, calls: list[str]
) -> None:
    module, *path = what.split(".")
    script = tmp_path / "broken.py"
    script.write_text(_SCRIPT.format(module=module, path=path))
    sink = Sink()
    config = {
        "vast": {"endpoint": "e", "openai_url": f"http://127.0.0.1:{sink.port}"},
        "providers": [{"name": "own", "host": "127.0.0.1", "port": sink.port, "scheme": "http"}],
        "unsupported": {"embeddings": "pass"},
    }
    flows = tmp_path / "flows"
    with harness.intercept(tmp_path, config, "-s", str(script), "-w", str(flows)) as interceptor:
        interceptor.wait_for("It is broken now.")
        for path_of_call in calls:
            answer = requests.post(
                f"http://127.0.0.1:{sink.port}/v1/{path_of_call}?key={APP_KEY}",
                json=BODY,
                headers={"Authorization": f"Bearer {APP_KEY}"},
                proxies={"http": interceptor.url},
                timeout=20,
            )
            assert (answer.status_code, error_of(answer)["code"]) == (500, "internal_error")
        # Connections that cannot be judged are not let in: the next one is.
        interceptor.wait_for("which is a bug")
    sink.close()
    assert sink.connections == 0
    assert APP_KEY not in interceptor.output
    assert APP_KEY.encode() not in flows.read_bytes()
    assert "0123456789abcdef" not in interceptor.output


@pytest.mark.parametrize("key", [b"sk-0123456789abcdef\xff", b"\xff\xfe\xfd", b"\xc3\x28" * 20])
def test_a_key_that_is_no_text_is_not_listed(tmp_path: Path, key: bytes) -> None:
    config = {"clients": {"keys": [{"name": "one", "sha256": hashlib.sha256(b"x").hexdigest()}]}}
    flows = tmp_path / "flows"
    with harness.intercept(tmp_path, config, "-w", str(flows)) as interceptor:
        for header in (b"Authorization: Bearer " + key, b"api-key: " + key):
            status, body = exchange(
                interceptor.port,
                b"POST http://api.openai.com/v1/chat/completions HTTP/1.1\r\nHost: api.openai.com"
                b"\r\nConnection: close\r\nContent-Length: 0\r\n" + header + b"\r\n\r\n",
            )
            assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    assert b"0123456789abcdef" not in flows.read_bytes()


def test_a_key_that_is_no_text_may_be_listed(vast_section: dict[str, Any], tmp_path: Path) -> None:
    key = b"sk-0123456789abcdef\xff"
    keys = [{"name": "one", "sha256": hashlib.sha256(key).hexdigest()}]
    config = {"vast": vast_section, "clients": {"keys": keys}}
    content = json.dumps(BODY).encode()
    with harness.intercept(tmp_path, config) as interceptor:
        status, _ = exchange(
            interceptor.port,
            b"POST http://api.openai.com/v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
            b"Connection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
            b"Authorization: Bearer %b\r\n\r\n%b" % (len(content), key, content),
        )
        assert status == 200


def exchange(port: int, sent: bytes) -> tuple[int, Any]:
    """Status and JSON of the answer to a request that asks for the connection to be closed."""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(sent)
        received = b""
        while piece := client.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


HOSTS = [
    b"x" * 63 + b".api.openai.com",
    b"x" * 64 + b".api.openai.com",
    b".".join([b"x" * 60] * 5),
    b"api..openai.com",
    b".api.openai.com",
    b"xn--\xff.api.openai.com",
    "ü".encode() * 40 + b".api.openai.com",
    b"xn--" + b"a" * 59 + b".api.openai.com",
    b"\xff\xfe",
    b"a b",
    b"*",
    b"%00",
    b"localhost\x00.api.openai.com",
]


@pytest.fixture(scope="module")
def modes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An interceptor as an HTTP proxy, and as one for SOCKS at the second port."""
    socks = harness.unused_port()
    options = ["--mode", "regular", "--mode", f"socks5@{socks}"]
    with harness.intercept(tmp_path_factory.mktemp("modes"), {}, *options) as interceptor:
        yield interceptor, socks


def ends(client: socket.socket) -> None:
    """Reads until the other side has closed the connection, or has refused to go on."""
    client.settimeout(20)
    with contextlib.suppress(ConnectionError):
        while client.recv(65536):
            pass


@pytest.mark.parametrize("host", HOSTS)
def test_any_text_may_stand_for_a_host(modes: tuple[Interceptor, int], host: bytes) -> None:
    interceptor, socks = modes
    request = b"GET /v1/models HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
    ways = [
        b"CONNECT " + host + b":80 HTTP/1.1\r\n\r\n" + request,
        b"GET http://" + host + b"/v1/models HTTP/1.1\r\nConnection: close\r\n\r\n",
        request,
        b"CONNECT api.openai.com:80 HTTP/1.1\r\n\r\n" + request,
    ]
    for way in ways:
        with socket.create_connection(("127.0.0.1", interceptor.port), 20) as client:
            client.sendall(way)
            ends(client)
    if len(host) < 256:
        with socket.create_connection(("127.0.0.1", socks), 20) as client:
            client.sendall(b"\x05\x01\x00")
            assert client.recv(2) == b"\x05\x00"
            client.sendall(b"\x05\x01\x00\x03" + bytes([len(host)]) + host + struct.pack("!H", 80))
            client.recv(10)
            with contextlib.suppress(ConnectionError):
                client.sendall(request)
            ends(client)
    with socket.create_connection(("127.0.0.1", interceptor.port), 20) as client:
        client.sendall(b"CONNECT 127.0.0.1:443 HTTP/1.1\r\n\r\n")
        assert b"200" in client.recv(1000)
        tls = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), client)
        tls.set_tlsext_host_name(host.replace(b"\0", b""))
        tls.set_connect_state()
        client.settimeout(20)
        with contextlib.suppress(SSL.Error, OSError):
            tls.do_handshake()
            tls.sendall(request)
            while tls.recv(65536):
                pass
    # It is still there, and nothing of it has crashed: `modes` looks at its output in the end.
    assert "bug" not in interceptor.output
    assert "crashed" not in interceptor.output
    answer = requests.get(
        "http://api.openai.com/v1/models", proxies={"http": interceptor.url}, timeout=20
    )
    assert answer.status_code == 200
