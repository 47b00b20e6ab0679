"""The direct addon manager does what mitmproxy's own does, in the same order."""

import asyncio
import contextlib
import gc
import logging
import types
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import exceptions, hooks, master, options
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons.script import ScriptLoader

from vast_intercept.mitm.direct_hooks import DirectAddonManager


@dataclass
class PingHook(hooks.Hook):
    """Something happened."""

    what: str


@dataclass
class HaltHook(hooks.Hook):
    """Something else did."""

    what: str


class Addon:
    """Notes the hooks that it gets."""

    def __init__(self, name: str, said: list[str], *addons: "Addon") -> None:
        self.name = name
        self.said = said
        self.addons = list(addons)

    def ping(self, what: str) -> None:
        self.said.append(f"{self.name} {what}")

    def halt(self, what: str) -> None:
        self.said.append(f"{self.name} halt {what}")

    def done(self) -> None:
        self.said.append(f"{self.name} done")

    def __repr__(self) -> str:
        return self.name


class Asynchronous(Addon):
    async def ping(self, what: str) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().ping(what)


class Deaf:
    def __init__(self, name: str) -> None:
        self.name = name


class Failing(Addon):
    def ping(self, what: str) -> None:
        super().ping(what)
        raise ValueError(f"{self.name} failed")


class Halting(Addon):
    def halt(self, what: str) -> None:
        super().halt(what)
        raise exceptions.AddonHalt


class WithNumber(Addon):
    ping = 5  # type: ignore[assignment]


class WithModule(Addon):
    ping = types  # type: ignore[assignment]


class BadOption(Addon):
    def ping(self, what: str) -> None:
        super().ping(what)
        raise exceptions.OptionsError("not like that")


@dataclass
class Run:
    """One of the two managers at work."""

    manager: AddonManager
    said: list[str] = field(default_factory=list)

    def add(self, kind: type[Addon], name: str, *addons: Addon) -> Addon:
        addon = kind(name, self.said, *addons)
        self.manager.add(addon)
        return addon

    async def ping(self, what: str = "once") -> None:
        await self.manager.trigger_event(PingHook(what))

    async def halt(self) -> None:
        await self.manager.trigger_event(HaltHook("now"))


async def in_order(run: Run) -> None:
    for name in "abc":
        run.add(Addon, name)
    run.manager.add(Deaf("deaf"))
    await run.ping()
    await run.ping("twice")


async def asynchronous(run: Run) -> None:
    run.add(Asynchronous, "a")
    run.add(Addon, "b")
    await run.ping()


async def nested(run: Run) -> None:
    run.add(Addon, "a", Addon("b", run.said, Asynchronous("c", run.said)), Addon("d", run.said))
    run.add(Addon, "e")
    await run.ping()


async def failing(run: Run) -> None:
    """Its own addons are left out, and the others are not."""
    run.add(Failing, "a", Addon("b", run.said))
    run.add(Addon, "c")
    await run.ping()
    await run.ping("twice")


async def halting(run: Run) -> None:
    run.add(Addon, "a")
    run.add(Halting, "b", Addon("c", run.said))
    run.add(Addon, "d")
    await run.halt()
    await run.ping()


async def not_callable(run: Run) -> None:
    run.add(Addon, "a", WithNumber("b", run.said), Addon("c", run.said))
    run.add(Addon, "d")
    await run.ping()


async def a_module(run: Run) -> None:
    run.add(WithModule, "a", Addon("b", run.said))
    await run.ping()


async def wrong_option(run: Run) -> None:
    run.add(BadOption, "a")
    run.add(Addon, "b")
    with pytest.raises(exceptions.OptionsError):
        await run.ping()


async def added_later(run: Run) -> None:
    run.add(Addon, "a")
    await run.ping()
    run.add(Addon, "b")
    await run.ping("twice")


async def removed_later(run: Run) -> None:
    first = run.add(Addon, "a", Addon("inner", run.said))
    run.add(Addon, "b")
    await run.ping()
    run.manager.remove(first)
    await run.ping("twice")


async def registered_later(run: Run) -> None:
    """As addons do that have others of their own."""
    parent = run.add(Addon, "a")
    await run.ping()
    child = Addon("child", run.said)
    run.manager.register(child)
    parent.addons.append(child)
    await run.ping("twice")
    run.manager.remove(child)
    parent.addons.remove(child)
    await run.ping("three times")


async def cleared(run: Run) -> None:
    run.add(Addon, "a")
    await run.ping()
    run.manager.clear()
    await run.ping("twice")


async def given_a_hook_later(run: Run) -> None:
    """An attribute of the addon, of its class, or another one in place of the first."""
    addon = run.add(Addon, "a")
    deaf = Deaf("deaf")
    run.manager.add(deaf)
    await run.ping()
    deaf.ping = lambda what: run.said.append(f"deaf {what}")  # type: ignore[attr-defined]
    await run.ping("later")
    addon.ping = lambda what: run.said.append(f"another {what}")  # type: ignore[method-assign]
    await run.ping("replaced")
    del deaf.ping  # type: ignore[attr-defined]
    await run.ping("taken away")


async def given_by_an_earlier_addon(run: Run) -> None:
    """During the same event."""
    deaf = Deaf("deaf")

    def give(what: str) -> None:
        deaf.ping = lambda what: run.said.append(f"deaf {what}")  # type: ignore[attr-defined]
        run.said.append(f"given {what}")

    run.add(Addon, "a").ping = give  # type: ignore[method-assign]
    run.manager.add(deaf)
    await run.ping()


async def given_an_addon_later(run: Run) -> None:
    """One that nobody registers."""
    parent = run.add(Addon, "a")
    run.add(Addon, "b")
    await run.ping()
    parent.addons.append(Addon("child", run.said))
    await run.ping("later")
    parent.addons = []
    await run.ping("without")
    deaf = Deaf("deaf")
    run.manager.add(deaf)
    await run.ping("deaf")
    deaf.addons = (Addon("its child", run.said),)  # type: ignore[attr-defined]
    await run.ping("no longer deaf")


SCENARIOS: tuple[Callable[[Run], Any], ...] = (
    in_order,
    asynchronous,
    nested,
    failing,
    halting,
    not_callable,
    a_module,
    wrong_option,
    added_later,
    removed_later,
    registered_later,
    cleared,
    given_a_hook_later,
    given_by_an_earlier_addon,
    given_an_addon_later,
)


@contextlib.contextmanager
def a_master(*, direct: bool) -> Iterator[master.Master]:
    made = master.Master(options.Options())
    if direct:
        DirectAddonManager.take_over(made.addons)
        assert type(made.addons) is DirectAddonManager
    try:
        yield made
    finally:
        made._legacy_log_events.uninstall()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_as_mitmproxy_does_it(
    scenario: Callable[[Run], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def play(*, direct: bool) -> tuple[list[str], list[str]]:
        caplog.clear()
        with a_master(direct=direct) as made:
            run = Run(made.addons)
            await scenario(run)
        return run.said, [each.getMessage() for each in caplog.records]

    with caplog.at_level(logging.ERROR):
        own = asyncio.run(play(direct=False))
        direct = asyncio.run(play(direct=True))
    assert direct == own
    assert own[0]


def test_scripts_change_places(tmp_path: Path) -> None:
    """The option says in which order they are, and no addon comes or goes."""
    names = ["a", "b"]
    for name in names:
        (tmp_path / f"{name}.py").write_text(f"def ping(what): print('{name}', what)\n")
    paths = [str(tmp_path / f"{name}.py") for name in names]
    said: list[str] = []

    async def play() -> None:
        with a_master(direct=True) as made:
            loader = ScriptLoader()
            made.addons.add(loader)
            made.options.update(scripts=paths)
            for script in loader.addons:
                script.reloadtask.cancel()
                script.loadscript()
                script.ns.ping = lambda what, path=script.path: said.append(f"{path} {what}")
            await made.addons.trigger_event(PingHook("first"))
            made.options.update(scripts=paths[::-1])
            await made.addons.trigger_event(PingHook("second"))

    asyncio.run(play())
    a, b = paths
    assert said == [f"{a} first", f"{b} first", f"{b} second", f"{a} second"]


def test_a_script_that_is_loaded_anew(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text("said = []\ndef ping(what): said.append('old ' + what)\n")

    async def play() -> list[list[str]]:
        with a_master(direct=True) as made:
            loader = ScriptLoader()
            made.addons.add(loader)
            made.options.update(scripts=[str(path)])
            [script] = loader.addons
            script.reloadtask.cancel()
            modules = []
            for _ in range(2):
                script.loadscript()
                modules.append(script.ns)
                await made.addons.trigger_event(PingHook("once"))
                path.write_text("said = []\ndef ping(what): said.append('new ' + what + '!')\n")
            return [module.said for module in modules]

    assert asyncio.run(play()) == [["old once"], ["new once!"]]


def test_somebody_elses_manager_is_left_alone() -> None:
    class Theirs(AddonManager):
        pass

    async def play() -> None:
        with a_master(direct=False) as made:
            made.addons = Theirs(made)
            DirectAddonManager.take_over(made.addons)
            assert type(made.addons) is Theirs

    asyncio.run(play())


def test_an_addon_that_is_gone_is_not_kept() -> None:
    async def play() -> None:
        with a_master(direct=True) as made:
            run = Run(made.addons)
            gone = run.add(Addon, "a")
            await run.ping()
            made.addons.remove(gone)
            left = weakref.ref(gone)
            del gone
            gc.collect()
            assert left() is None

    asyncio.run(play())
