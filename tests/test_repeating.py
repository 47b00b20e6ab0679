"""What is done again and again goes on when it fails, and says so once."""

import asyncio
import logging

import pytest

from vast_intercept.repeating import repeat


async def test_it_goes_on_after_a_failure_that_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    steps: list[int] = []
    enough = asyncio.Event()

    async def step() -> None:
        steps.append(len(steps))
        if len(steps) == 6:
            enough.set()
        if len(steps) not in {1, 4}:
            raise RuntimeError("no")

    task = asyncio.create_task(repeat(step, 0, "The thing"))
    async with asyncio.timeout(10):
        await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    told = [each for each in caplog.records if each.levelno == logging.ERROR]
    # The second and the third failed, the fourth did not, and then the fifth failed anew.
    assert [each.getMessage() for each in told] == ["The thing, which is a bug:"] * 2


async def test_a_step_that_does_not_wait_is_one_as_well() -> None:
    called = asyncio.Event()
    task = asyncio.create_task(repeat(called.set, 60, "The thing"))
    async with asyncio.timeout(10):
        await called.wait()
    task.cancel()
