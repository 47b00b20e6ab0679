"""Who may connect, and where mitmproxy may connect to: the hooks of `access` and `connections`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mitmproxy import connection, http
from mitmproxy.proxy.server_hooks import (
    ClientConnectedHook,
    ServerConnectHook,
    ServerConnectionHookData,
)
from mitmproxy.test import tflow

from vast_intercept.config import ConfigWatch
from vast_intercept.intercept.settings import Settings

from .in_process import InProcess, mitmproxy_with_addon, request_to

FAR = "192.0.2.10"
PROVIDER = "api.openai.com", 443


@pytest.fixture
async def mitmproxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InProcess]:
    monkeypatch.setenv("VAST_API_KEY", "vast-0123456789abcdef")
    config = {"unsupported": "pass", "clients": {"allow_from": ["127.0.0.0/8", "192.0.2.0/24"]}}
    async with mitmproxy_with_addon(tmp_path, **config) as running:
        yield running


def client_at(host: str) -> connection.Client:
    client = tflow.tclient_conn()
    client.peername = host, 50_000
    return client


async def connected(mitmproxy: InProcess, host: str) -> str | None:
    """Why a client from there is refused, if it is."""
    client = client_at(host)
    await mitmproxy.trigger(ClientConnectedHook(client))
    return client.error


async def connects(
    mitmproxy: InProcess, client: connection.Client, address: tuple[str, int]
) -> str | None:
    """Why mitmproxy does not connect there for the client, if it does not."""
    server = connection.Server(address=address)
    await mitmproxy.trigger(ServerConnectHook(ServerConnectionHookData(server, client)))
    return server.error


class TestClients:
    @pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.10"])
    async def test_may_connect_from_where_the_configuration_names(
        self, host: str, mitmproxy: InProcess
    ) -> None:
        assert await connected(mitmproxy, host) is None

    async def test_may_not_connect_from_elsewhere(
        self, mitmproxy: InProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert await connected(mitmproxy, "198.51.100.1") == "not allowed by clients.allow_from"
        await connected(mitmproxy, "198.51.100.1")
        told = [each.getMessage() for each in caplog.records if "198.51.100.1" in each.getMessage()]
        assert len(told) == 1

    async def test_are_not_let_in_where_the_hook_fails(
        self, mitmproxy: InProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ConfigWatch, "refresh", fails)
        assert await connected(mitmproxy, "127.0.0.1") == "the interceptor failed"


class TestServers:
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0"])
    async def test_of_this_machine_are_not_for_other_machines(
        self, host: str, mitmproxy: InProcess
    ) -> None:
        why = "services on this machine's loopback are not for other machines"
        assert await connects(mitmproxy, client_at(FAR), (host, 8000)) == why
        assert await connects(mitmproxy, client_at("127.0.0.1"), (host, 8000)) is None

    async def test_whose_name_is_none_are_refused(self, mitmproxy: InProcess) -> None:
        name = "x" * 70 + ".example"
        why = await connects(mitmproxy, client_at("127.0.0.1"), (name, 80))
        assert why == "that is not the name of a host"

    async def test_of_a_provider_are_refused_where_no_call_is_passed_on(
        self, mitmproxy: InProcess
    ) -> None:
        client = client_at("127.0.0.1")
        assert await connects(mitmproxy, client, PROVIDER) == "no call is passed on there"
        assert await connects(mitmproxy, client, ("example.com", 443)) is None

    async def test_of_a_provider_are_reached_for_a_call_that_is_passed_on_and_for_no_other(
        self, mitmproxy: InProcess
    ) -> None:
        flow = request_to("https://api.openai.com/v1/files", headers={})
        await mitmproxy.begin(flow)
        assert await connects(mitmproxy, flow.client_conn, PROVIDER) is not None
        await mitmproxy.go_on(flow, b"")
        assert await connects(mitmproxy, flow.client_conn, PROVIDER) is None
        assert await connects(mitmproxy, client_at("127.0.0.1"), PROVIDER) is not None
        flow.live = False  # the call has ended
        assert await connects(mitmproxy, flow.client_conn, PROVIDER) is not None
        await mitmproxy.end(flow)

    async def test_are_not_reached_where_the_hook_fails(
        self, mitmproxy: InProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Settings, "takes_over", fails)
        why = await connects(mitmproxy, client_at("127.0.0.1"), ("example.com", 443))
        assert why == "the interceptor failed"

    async def test_of_another_protocol_end_the_connection(self, mitmproxy: InProcess) -> None:
        """A 101 that is no WebSocket would have raw bytes follow, which nobody can judge."""
        flow = request_to("https://api.openai.com/v1/files", headers={})
        await mitmproxy.begin(flow)
        await mitmproxy.go_on(flow, b"")
        flow.response = http.Response.make(101, b"", {"upgrade": "something"})
        await mitmproxy.end(flow)
        assert flow.response.status_code == 502
        assert flow.response.headers["connection"] == "close"


class TestTheRelay:
    async def test_is_reached_from_another_machine_only_with_a_call_on_its_way(
        self, mitmproxy: InProcess
    ) -> None:
        flow = request_to("https://api.openai.com/v1/models", "GET", headers={})
        flow.client_conn.peername = FAR, 50_000
        relay = await mitmproxy.relay.listening()
        assert await connects(mitmproxy, flow.client_conn, relay) is not None
        await mitmproxy.begin(flow)
        await mitmproxy.go_on(flow, b"")
        assert await connects(mitmproxy, flow.client_conn, relay) is None
        await mitmproxy.send(flow)
        await mitmproxy.end(flow)
        assert await connects(mitmproxy, flow.client_conn, relay) is not None


def fails(*args: object) -> None:
    raise RuntimeError(args)
