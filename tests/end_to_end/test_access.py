"""Who may connect, with which key, and what clients from elsewhere cannot reach."""

import hashlib
import socket
import subprocess
from pathlib import Path
from typing import Any

import openai
import pytest
import requests

from .. import harness
from ..harness import APP_KEY, Certificates, Interceptor, StandIn, use

MESSAGES: Any = [{"role": "user", "content": "hello there"}]


def own_address() -> str:
    """An address of this machine that is not loopback. Nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # a documentation address: UDP's connect sends nothing
        return str(probe.getsockname()[0])


def connect(interceptor: Interceptor, address: str, target: str) -> bytes:
    """What the proxy says to a CONNECT that comes from `address`."""
    with socket.create_connection((address, interceptor.port), timeout=20) as client:
        try:
            client.sendall(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n".encode())
            answer = client.recv(1000)
            if b"200" in answer:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = client.recv(1000)
        except ConnectionError:
            return b""
        return answer


def listen_everywhere(standin: StandIn, certs: Certificates, tmp_path: Path, **clients: Any) -> Any:
    config = {"vast": harness.vast_section(standin, certs.ca)}
    if clients:
        config["clients"] = clients
    return harness.intercept(tmp_path, config, "--listen-host", "0.0.0.0")


def test_only_loopback_may_connect_and_the_log_has_the_line_that_lets_others_in(
    standin: StandIn, certs: Certificates, tmp_path: Path
) -> None:
    address = own_address()
    with listen_everywhere(standin, certs, tmp_path) as interceptor:
        for _ in range(3):
            assert connect(interceptor, address, "api.openai.com:443") == b""
        assert connect(interceptor, "127.0.0.1", "api.openai.com:443") != b""
        interceptor.wait_for("Refused a connection")
    line = f'clients: {{allow_from: [127.0.0.0/8, "::1", "{address}"]}}'
    assert interceptor.output.count(line) == 1  # once, not for each connection


def test_a_client_from_elsewhere_is_served_but_cannot_reach_this_machines_loopback(
    standin: StandIn,
    certs: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = own_address()
    with (
        listen_everywhere(standin, certs, tmp_path, allow_from=[f"{address}/32"]) as interceptor,
        socket.create_server(("127.0.0.1", 0)) as service,
    ):
        use(interceptor, monkeypatch)
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}:{interceptor.port}")
        answer = openai.OpenAI().chat.completions.create(model="m", messages=MESSAGES)
        assert answer.choices
        port = service.getsockname()[1]
        service.settimeout(0)
        for host in (
            "127.0.0.1",
            "localhost",
            "0.0.0.0",
            "[::1]",
            "127.1.2.3",
            "[::ffff:127.0.0.1]",
        ):
            answer = connect(interceptor, address, f"{host}:{port}")
            assert b"200" not in answer, host
        http = requests.get(
            f"http://127.0.0.1:{port}/",
            proxies={"http": f"http://{address}:{interceptor.port}"},
            timeout=20,
        )
        assert http.status_code == 502
        with pytest.raises(BlockingIOError):
            service.accept()
        assert "not for other machines" in interceptor.output


def test_nobody_uses_the_relay_without_a_prepared_call(mitmdump: Interceptor) -> None:
    relay = relay_port(mitmdump)
    for headers in ({}, {"x-vast-intercept-call": "x" * 22}):
        answer = requests.post(
            f"http://127.0.0.1:{relay}/v1/chat/completions",
            json={"messages": MESSAGES},
            headers=headers,
            proxies={"http": ""},
            timeout=10,
        )
        assert answer.status_code == 404


def relay_port(interceptor: Interceptor) -> int:
    """The other port that the interceptor's process listens on."""
    listing = subprocess.run(
        ["ss", "-Hltnp"], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    lines = [line for line in listing.splitlines() if f"pid={interceptor.process.pid}," in line]
    addresses = [line.split()[3] for line in lines]
    assert all(address.startswith("127.0.0.1:") for address in addresses)
    ports = {int(address.rpartition(":")[2]) for address in addresses}
    (port,) = ports - {interceptor.port}
    return port


class TestKeysOfApps:
    def test_only_listed_ones_are_served(
        self,
        vast_section: dict[str, Any],
        standin: StandIn,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        digest = hashlib.sha256(APP_KEY.encode()).hexdigest()
        config = {
            "vast": vast_section,
            "clients": {"keys": [{"name": "billing", "sha256": digest.upper()}]},
        }
        flows = tmp_path / "flows"
        with harness.intercept(tmp_path, config, "-w", str(flows)) as interceptor:
            use(interceptor, monkeypatch)
            assert openai.OpenAI().chat.completions.create(model="m", messages=MESSAGES).choices
            other = openai.OpenAI(api_key="sk-someone-elses-0123456789")
            with pytest.raises(openai.AuthenticationError) as raised:
                other.chat.completions.create(model="m", messages=MESSAGES)
            assert raised.value.code == "invalid_api_key"
            assert "***6789" in raised.value.message
            with pytest.raises(openai.AuthenticationError):
                other.models.list()
            nobody = requests.get("https://api.openai.com/v1/models", timeout=20)
            assert nobody.status_code == 401
        assert len(standin.calls()) == 1
        assert b"billing" in flows.read_bytes()
