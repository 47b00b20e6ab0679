"""Work of many calls at the same moment: one step for each time that the event loop comes round."""

import asyncio
from collections import Counter
from collections.abc import Generator

from vast_intercept.relay.turns import Turns


class Rounds:
    """Counts how often the event loop has come round."""

    def __init__(self) -> None:
        self.number = 0
        self._count()

    def _count(self) -> None:
        self.number += 1
        asyncio.get_running_loop().call_soon(self._count)


async def test_of_many_that_wait_one_goes_on_at_a_time() -> None:
    rounds, turns = Rounds(), Turns()
    went_on: list[int] = []

    async def call() -> None:
        await turns.wait()
        went_on.append(rounds.number)

    await asyncio.gather(*(call() for _ in range(50)))
    assert len(went_on) == 50
    assert max(Counter(went_on).values()) == 1


async def test_of_many_large_ones_a_step_is_done_at_a_time() -> None:
    rounds, turns = Rounds(), Turns()
    steps: list[int] = []

    def work() -> Generator[None, None, str]:
        yield  # what comes before is short
        for _ in range(4):
            steps.append(rounds.number)
            yield
        return "done"

    assert await asyncio.gather(*(turns.take(work()) for _ in range(20))) == ["done"] * 20
    assert len(steps) == 80
    assert max(Counter(steps).values()) == 1
