"""What the interceptor of `run` tells the process that started it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from mitmproxy.hooks import DoneHook, RunningHook

from vast_intercept.engine import background
from vast_intercept.engine.background import Reporter
from vast_intercept.engine.messages import Ended, Order, Ready
from vast_intercept.status import Tally

from ..intercept.in_process import mitmproxy_with_addon


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a socket: the reporter's, and that of the process that started it."""
    reporters, starters = socket.socketpair()
    starters.settimeout(10)
    with reporters, starters:
        yield reporters, starters


@pytest.fixture
async def master(
    ends: tuple[socket.socket, socket.socket], tmp_path: Path
) -> AsyncIterator[tuple[Any, Reporter]]:
    """A master with the addon, and the reporter in it."""
    async with mitmproxy_with_addon(tmp_path) as running:
        reporter = Reporter(running.master.addons.get("vast_intercept"), ends[0])
        running.master.addons.add(reporter)
        yield running.master, reporter


async def test_reports_that_it_listens_and_how_its_calls_went(
    master: tuple[Any, Reporter], ends: tuple[socket.socket, socket.socket]
) -> None:
    addons, reporter = master[0].addons, master[1]
    with ends[1].makefile("rb") as lines:
        await addons.invoke_addon(reporter, RunningHook())
        ready = msgspec.json.decode(lines.readline(), type=Ready)
        assert ready.web_url is None
        assert ready.status.modes == ["regular"]
        await addons.invoke_addon(reporter, DoneHook())
        assert msgspec.json.decode(lines.readline(), type=Ended).tally == Tally()


async def test_ends_mitmproxy_when_the_other_side_closes(
    master: tuple[Any, Reporter], ends: tuple[socket.socket, socket.socket]
) -> None:
    await master[0].addons.invoke_addon(master[1], RunningHook())
    assert not master[0].should_exit.is_set()
    ends[1].close()
    async with asyncio.timeout(10):
        await master[0].should_exit.wait()


async def test_ends_mitmproxy_when_nobody_is_there_to_tell(
    master: tuple[Any, Reporter], ends: tuple[socket.socket, socket.socket]
) -> None:
    ends[1].close()
    await master[0].addons.invoke_addon(master[1], DoneHook())
    async with asyncio.timeout(10):
        await master[0].should_exit.wait()


def test_an_order_keeps_arguments_that_are_no_utf_8() -> None:
    arguments = [b"--set", b"vast_config=/caf\xe9/vast.yaml"]
    read = msgspec.json.decode(msgspec.json.encode(Order(arguments, True)), type=Order)
    assert read.arguments == arguments
    assert read.web


def test_does_nothing_for_a_process_that_ended_before_it_sent_an_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "run_master", lambda *_, **__: pytest.fail("it runs"))
    interceptors, starters = socket.socketpair()
    starters.close()
    background.main(interceptors.detach())
