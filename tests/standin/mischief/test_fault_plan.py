"""What goes wrong by chance, and by the clock."""

import asyncio
from typing import Any, get_args

import aiohttp
import pytest

from vast_intercept.standin.mischief import faults
from vast_intercept.standin.mischief.fault_plan import read_fault_plan
from vast_intercept.standin.mischief.mishaps import Chance, Mishap
from vast_intercept.standin.server import StandIn, StandInConfig

from ..conftest import HELLO, Vast

MISHAPS: tuple[Mishap, ...] = get_args(Mishap.__value__)


class TestChance:
    def test_nothing_happens_without_a_plan(self) -> None:
        chance = Chance()
        assert {chance.draw() for _ in range(100)} == {None}

    def test_the_same_seed_is_the_same_chance(self) -> None:
        drawn = []
        for seed in (7, 7, 8):
            chance = Chance()
            chance.start(seed, {"drop": 0.1, "cut": 0.2})
            drawn.append([chance.draw() for _ in range(1_000)])
        assert drawn[0] == drawn[1]
        assert drawn[0] != drawn[2]
        assert 50 < drawn[0].count("drop") < 150 < drawn[0].count("cut") < 250

    def test_each_may_be_certain(self) -> None:
        for mishap in MISHAPS:
            chance = Chance()
            chance.start(1, {mishap: 1})
            assert {chance.draw() for _ in range(100)} == {mishap}


async def call(vast: Vast, kind: str) -> tuple[int, bytes]:
    if kind == "worker":
        response, data = await vast.work(await vast.route(), stream=True)
    else:
        response, data = await vast.post({"messages": HELLO, "stream": True})
    return response.status, data


@pytest.mark.parametrize("kind", ["worker", "openai"])
class TestMishaps:
    async def test_refuse(self, vast: Vast, kind: str) -> None:
        await vast.control("PUT", "faults", probability={"refuse": 1})
        assert await call(vast, kind) == (503, b"")
        await vast.control("DELETE", "faults")
        assert (await call(vast, kind))[0] == 200

    @pytest.mark.parametrize(
        ("mishap", "error"),
        [
            ("drop", aiohttp.ServerDisconnectedError),
            ("hang", aiohttp.ServerDisconnectedError),
            ("cut", aiohttp.ClientPayloadError),
        ],
    )
    async def test_others(
        self,
        vast: Vast,
        kind: str,
        mishap: str,
        error: type[Exception],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(faults, "SILENCE", 0.01)
        await vast.control("PUT", "faults", probability={mishap: 1})
        with pytest.raises(error):
            await call(vast, kind)

    async def test_are_the_same_for_the_same_seed(self, vast: Vast, kind: str) -> None:
        runs = []
        for _ in range(2):
            await vast.control("PUT", "faults", seed=7, probability={"refuse": 0.5})
            runs.append([(await call(vast, kind))[0] for _ in range(20)])
        assert runs[0] == runs[1]
        assert set(runs[0]) == {200, 503}


class TestSchedule:
    async def test_is_played(self, vast: Vast) -> None:
        schedule = [
            {"at": 0.2, "worker": 0, "state": "ready"},
            {"at": 0, "worker": 0, "state": "dead"},
            {"at": 0.1, "worker": 1, "state": "cold"},
        ]
        await vast.control("PUT", "faults", schedule=schedule)
        await vast.until("dead", "ready")
        await vast.until("dead", "cold")
        await vast.until("ready", "cold")

    @pytest.mark.parametrize("end", ["DELETE", "PUT"])
    async def test_ends_with_its_plan(self, vast: Vast, end: str) -> None:
        schedule = [{"at": 0.02, "worker": 0, "state": "dead"}]
        await vast.control("PUT", "faults", schedule=schedule)
        await vast.control(end, "faults")
        # What comes later than that would have shows that it does not come.
        later = [{"at": 0.05, "worker": 1, "state": "cold"}]
        await vast.control("PUT", "faults", schedule=later)
        await vast.until("ready", "cold")

    async def test_ends_with_the_stand_in(self) -> None:
        plan = read_fault_plan("schedule: [{at: 60, worker: 0, state: dead}]")
        async with StandIn(StandInConfig(faults=plan)):
            pass
        assert all(task.get_name() != "fault schedule" for task in asyncio.all_tasks())

    async def test_begins_with_the_stand_in(self) -> None:
        plan = read_fault_plan('{"schedule": [{"at": 0, "worker": 0, "state": "cold"}]}')
        async with (
            StandIn(StandInConfig(faults=plan)) as standin,
            aiohttp.ClientSession() as session,
        ):
            await Vast(standin.url, session).until("cold")


@pytest.mark.parametrize(
    "plan",
    [
        {"probability": {"drop": 1.1}},
        {"probability": {"unknown": 0.1}},
        {"schedule": [{"at": 0, "worker": 2, "state": "dead"}]},
        {"schedule": [{"at": 0, "worker": -1, "state": "dead"}]},
        {"schedule": [{"at": -1, "worker": 0, "state": "dead"}]},
        {"schedule": [{"at": 0, "state": "dead"}]},
        {"more": 1},
    ],
)
async def test_plans_that_make_no_sense(vast: Vast, plan: dict[str, Any]) -> None:
    with pytest.raises(aiohttp.ClientResponseError, match="400"):
        await vast.control("PUT", "faults", **plan)


@pytest.mark.parametrize("text", ["[", "[1]", "seed: x"])
def test_files_that_are_no_plan(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_fault_plan(text)


def test_an_empty_file_is_a_plan() -> None:
    assert read_fault_plan("").schedule == []
