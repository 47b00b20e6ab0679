"""A plan of faults: what happens to calls by chance, and to workers by the clock."""

import asyncio
import contextlib
import logging

import msgspec
import yaml
from msgspec import Struct

from .fleet import Fleet
from .instructions import Seconds
from .mishaps import Chance, Mishap, Probability
from .worker_state import WorkerState

_log = logging.getLogger(__name__)


class Step(WorkerState, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a worker, so many seconds after the start."""

    at: Seconds
    worker: int


class FaultPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both parts are optional."""

    seed: int = 0
    probability: dict[Mishap, Probability] = {}
    schedule: list[Step] = []


def read_fault_plan(text: str) -> FaultPlan:
    """From YAML, and so from JSON. Raises ValueError."""
    try:
        return msgspec.convert(yaml.safe_load(text) or {}, FaultPlan)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from None


class NoSuchWorkerError(ValueError):
    """A plan is for a worker that there is not."""


class FaultPlayer:
    """Plays one plan at a time."""

    def __init__(self, fleet: Fleet, chance: Chance) -> None:
        self._fleet = fleet
        self._chance = chance
        self._playing: asyncio.Task[None] | None = None

    async def start(self, plan: FaultPlan) -> None:
        """From now on, in the place of one that runs. Raises NoSuchWorkerError."""
        for step in plan.schedule:
            if not 0 <= step.worker < len(self._fleet.own):
                raise NoSuchWorkerError(f"there is no worker {step.worker}")
        await self.stop()
        self._chance.start(plan.seed, plan.probability)
        if plan.schedule:
            self._playing = asyncio.create_task(self._play(plan.schedule), name="fault schedule")

    async def stop(self) -> None:
        """Nothing happens any more. Workers stay as they are."""
        self._chance.stop()
        playing, self._playing = self._playing, None
        if playing:
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await playing

    async def _play(self, schedule: list[Step]) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for step in sorted(schedule, key=lambda step: step.at):
            await asyncio.sleep(start + step.at - loop.time())
            try:
                await self._fleet.own[step.worker].set(step)
            except OSError as error:
                _log.error("worker %d cannot listen again: %s", step.worker, error)
