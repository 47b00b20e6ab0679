"""A plan of faults: what happens to calls by chance, and to workers by the clock."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec
import yaml
from msgspec import Struct

from .instructions import Seconds
from .mishaps import Chance, Mishap, Probability
from .worker_state import WorkerState

_log = logging.getLogger(__name__)


class ScheduledState(WorkerState, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state of a worker from `at` seconds after the start on."""

    at: Seconds
    worker: int


class FaultPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Probabilities of mishaps to calls, and a schedule of worker states. Both are optional."""

    seed: int = 0
    probability: dict[Mishap, Probability] = {}
    schedule: list[ScheduledState] = []


def read_fault_plan(text: str) -> FaultPlan:
    """Reads a plan from YAML or JSON. Raises ValueError."""
    try:
        return msgspec.convert(yaml.safe_load(text) or {}, FaultPlan)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from None


class NoSuchWorkerError(ValueError):
    """A plan names a worker that does not exist."""


@dataclass(slots=True)
class FaultPlayer:
    """Plays one plan at a time.

    `set_worker` has a function for each worker, which puts it into a state. It raises OSError if
    the worker cannot listen again.
    """

    set_worker: Sequence[Callable[[WorkerState], Awaitable[None]]]
    chance: Chance
    _playing: asyncio.Task[None] | None = None

    async def start(self, plan: FaultPlan) -> None:
        """Plays a plan, in place of the one that runs. Raises NoSuchWorkerError."""
        for step in plan.schedule:
            if not 0 <= step.worker < len(self.set_worker):
                raise NoSuchWorkerError(f"there is no worker {step.worker}")
        await self.stop()
        self.chance.start(plan.seed, plan.probability)
        if plan.schedule:
            self._playing = asyncio.create_task(self._play(plan.schedule), name="fault schedule")

    async def stop(self) -> None:
        """Ends the plan. Workers stay in the state that they are in."""
        self.chance.start(0, {})
        playing, self._playing = self._playing, None
        if playing:
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await playing

    async def _play(self, schedule: list[ScheduledState]) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for step in sorted(schedule, key=lambda step: step.at):
            await asyncio.sleep(start + step.at - loop.time())
            try:
                await self.set_worker[step.worker](step)
            except OSError as error:
                _log.error("worker %d cannot listen again: %s", step.worker, error)
