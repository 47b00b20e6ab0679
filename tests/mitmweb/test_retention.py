"""Flows that are no HTTP, and messages of WebSockets, count like any other."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy import ctx, flow
from mitmproxy.test import taddons, tflow

from vast_intercept.config import InspectSection
from vast_intercept.mitmweb.retention import Retention

KINDS = {
    "http": tflow.tflow,
    "tcp": tflow.ttcpflow,
    "udp": tflow.tudpflow,
    "dns": tflow.tdnsflow,
    "websocket": tflow.twebsocketflow,
}
LARGE = b"x" * 1_000_000


class View:
    """Where mitmproxy keeps flows."""

    def __init__(self) -> None:
        self.flows: list[flow.Flow] = []

    def resolve(self, specification: str) -> list[flow.Flow]:
        assert specification == "@all"
        return list(self.flows)

    def remove(self, flows: list[flow.Flow]) -> None:
        for each in flows:
            self.flows.remove(each)


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> View:
    view = View()
    monkeypatch.setattr(ctx, "master", SimpleNamespace(view=view), raising=False)
    return view


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_as_may_be(kind: str, view: View) -> None:
    retention = Retention([], InspectSection)
    for _ in range(20):
        each: Any = KINDS[kind]()
        view.flows.append(each)
        retention.requestheaders(each)
        each.live = False
    newest = view.flows[-5:]
    retention.enforce(InspectSection(keep_flows=5))
    assert view.flows == newest


@pytest.mark.parametrize("kind", ["tcp", "udp", "websocket"])
def test_messages_are_bodies(kind: str, view: View) -> None:
    retention = Retention([], InspectSection)
    for _ in range(5):
        each: Any = KINDS[kind]()
        messages = each.websocket.messages if kind == "websocket" else each.messages
        messages[0].content = LARGE
        view.flows.append(each)
        retention.requestheaders(each)
        each.live = False
    retention.enforce(InspectSection(keep_body_bytes=2 * len(LARGE) + 1_000))
    assert len(view.flows) == 2


def test_a_connection_that_is_open_stays(view: View) -> None:
    retention = Retention([], InspectSection)
    each = tflow.ttcpflow()
    each.live = True
    view.flows.append(each)
    retention.requestheaders(each)
    retention.enforce(InspectSection(keep_flows=0))
    assert view.flows == [each]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_loaded_from_a_file_is_not_counted(kind: str, view: View) -> None:
    retention = Retention([], InspectSection)
    each: Any = KINDS[kind]()
    each.live = False
    view.flows.append(each)
    retention.requestheaders(each)
    retention.enforce(InspectSection(keep_flows=0))
    assert view.flows == [each]


async def test_the_list_is_looked_at_while_it_runs() -> None:
    limits = InspectSection(keep_flows=0)
    asked = asyncio.Event()

    def in_force() -> InspectSection:
        asked.set()
        return limits

    retention = Retention([], in_force)
    with taddons.context() as context:
        context.master.view = View()
        each = tflow.tflow()
        context.master.view.flows.append(each)
        retention.requestheaders(each)
        each.live = False
        retention.running()
        async with asyncio.timeout(10):
            await asked.wait()
        assert context.master.view.flows == []
        retention.done()
        assert retention._task
        await asyncio.wait([retention._task])
        assert retention._task.cancelled()
