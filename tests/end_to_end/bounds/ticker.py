"""An addon that looks how long the event loop is held up.

For each time that it is, it writes a line to the file that VAST_TICKER names: how many
milliseconds of computing time of the loop's thread passed between two looks, and how many in all.
Computing time is what the project's code takes, however busy the machine is.
"""

import asyncio
import os
import time
from pathlib import Path

_WORTH_A_LINE = 5.0  # milliseconds


class Ticker:
    def running(self) -> None:
        self._file = Path(os.environ["VAST_TICKER"]).open("a", buffering=1)  # noqa: SIM115
        self._task = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        computed, passed = time.thread_time(), time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            computed_before, computed = computed, time.thread_time()
            passed_before, passed = passed, time.perf_counter()
            gap = 1e3 * (computed - computed_before)
            if gap > _WORTH_A_LINE:
                self._file.write(f"{gap:.1f} {1e3 * (passed - passed_before):.1f}\n")

    def done(self) -> None:
        self._task.cancel()
        self._file.close()


addons = [Ticker()]
