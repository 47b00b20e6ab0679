"""The hooks of access control, called in this process: whom each lets in, and where to."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy.connection import Client, Server
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import taddons, tflow

from vast_intercept.config.config import defaults
from vast_intercept.descriptors import Descriptors
from vast_intercept.intercept.access import AccessControl

SECRET = "sk-something"
RELAY = ("127.0.0.1", 40_000)


class Broken:
    """Settings that cannot be asked."""

    async def current(self) -> Any:
        raise ValueError(SECRET)


class Known:
    """Settings as they are without a file."""

    async def current(self) -> Any:
        return defaults()


def access(settings: Any = None, *, expected: tuple[Any, ...] = ()) -> AccessControl:
    relay = SimpleNamespace(address=RELAY, expects=lambda client: client == expected)
    return AccessControl(settings or Known(), relay, Descriptors())  # type: ignore[arg-type]


def client(address: str) -> Client:
    made = tflow.tclient_conn()
    made.peername, made.error = (address, 50_000), None
    return made


def to(host: str, port: int = 443, of: str = "10.0.0.7") -> ServerConnectionHookData:
    return ServerConnectionHookData(client=client(of), server=Server(address=(host, port)))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_is_let_in(address: str) -> None:
    with taddons.context():
        one = client(address)
        await access().client_connected(one)
    assert one.error is None


async def test_another_machine_is_not_and_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    with taddons.context():
        asked = access()
        for _ in range(2):
            one = client("10.0.0.7")
            await asked.client_connected(one)
            assert one.error == "not allowed by clients.allow_from"
    [line] = [each for each in caplog.messages if "10.0.0.7" in each]
    assert line.startswith("Refused a connection from 10.0.0.7. To let it in, add it to")
    assert line.endswith(' `clients: {allow_from: [127.0.0.0/8, "::1", "10.0.0.7"]}`')


async def test_who_cannot_be_judged_is_not_let_in(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with taddons.context():
        one = client("127.0.0.1")
        await access(Broken()).client_connected(one)
    assert one.error == "the interceptor failed"
    assert "ValueError" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 80), ("::1", 80), ("0.0.0.0", 80), ("localhost", 22), RELAY]
)
async def test_another_machine_reaches_no_service_on_this_ones_loopback(
    host: str, port: int
) -> None:
    data = to(host, port)
    await access().server_connect(data)
    assert data.server.error == "services on this machine's loopback are not for other machines"


async def test_another_machine_reaches_the_relay_for_a_call_that_is_due() -> None:
    data = to(*RELAY)
    await access(expected=("10.0.0.7", 50_000)).server_connect(data)
    assert data.server.error is None


async def test_this_machine_reaches_its_own_loopback() -> None:
    data = to("127.0.0.1", 80, of="127.0.0.1")
    await access().server_connect(data)
    assert data.server.error is None


async def test_the_address_that_was_checked_is_the_one_that_is_dialled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve(*asked: Any, **more: Any) -> list[Any]:
        return [(0, 0, 0, "", ("192.0.2.7", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    data = to("a.test")
    await access().server_connect(data)
    assert data.server.error is None
    assert data.server.address == ("192.0.2.7", 443)


async def test_one_address_on_the_loopback_is_enough_to_refuse_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve(*asked: Any, **more: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 443)) for address in ("192.0.2.7", "127.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    data = to("a.test")
    await access().server_connect(data)
    assert data.server.error == "services on this machine's loopback are not for other machines"


async def test_what_is_no_name_of_a_host_is_refused() -> None:
    data = to("a host", of="127.0.0.1")
    await access().server_connect(data)
    assert data.server.error == "that is not the name of a host"
