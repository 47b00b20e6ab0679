"""500 calls while workers are killed, hung, restarted and made to refuse: each ends well or tells.

The seed decides what happens when; a test that fails says its seed, and can be run with it again.
"""

import os
import random
import re
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from ...fixtures.workers import WORKERS, Intercepting
from ...harness import Interceptor, StandIn
from .apps import Reply, ask

CALLS = 500
AT_ONCE = 25
SECONDS = 25
CHAT = "/v1/chat/completions"

TOTAL = 30
TIMEOUT = {"connect": 1, "first_byte": 1, "between_bytes": 1, "total": TOTAL, "queue": 10}

_BAD_STATES: list[dict[str, Any]] = [
    {"state": "dead"},
    {"state": "dead"},
    {"state": "hung"},
    {"state": "refusing", "status": 500},
    {"state": "refusing", "status": 401},
    {"state": "refusing", "status": 429},
    {"state": "refusing", "status": 503},
    {"state": "cold"},
]


def schedule(seed: int, *, one_alive: bool) -> list[dict[str, Any]]:
    """What happens to the workers when. With `one_alive`, one of them is always ready."""
    draw = random.Random(seed)
    ready = set(range(WORKERS))
    steps: list[dict[str, Any]] = []
    at = 0.5
    while at < SECONDS:
        worker = draw.randrange(WORKERS)
        if worker not in ready:
            ready.add(worker)
            steps.append({"at": round(at, 2), "worker": worker, "state": "ready"})
        elif not one_alive or len(ready) > 1:
            ready.discard(worker)
            bad = draw.choice(_BAD_STATES)
            steps.append({"at": round(at, 2), "worker": worker, **bad})
        at += draw.uniform(0.3, 1.2)
    return steps


@dataclass
class Ended:
    """How a call ended, and how long that took."""

    number: int
    reply: Reply
    seconds: float

    @property
    def text(self) -> str:
        """The whole, right answer."""
        return f"You said: call number {self.number}"

    @property
    def succeeded(self) -> bool:
        """It is there in one piece."""
        return self.reply.done and self.reply.text == self.text and not self.reply.errors

    @property
    def told(self) -> bool:
        """It is not, and the app has one error of OpenAI's shape; what came before is right."""
        if len(self.reply.errors) != 1 or self.reply.done:
            return False
        return self.text.startswith(self.reply.text) and set(self.reply.error) == {
            "message",
            "type",
            "param",
            "code",
        }


def make_calls() -> list[Ended]:
    """All of them, some at a time, for as long as the workers are troubled."""
    started = time.monotonic()

    def call(number: int) -> Ended:
        due = started + number * SECONDS / CALLS
        time.sleep(max(due - time.monotonic(), 0))  # an app that calls at its own pace
        began = time.monotonic()
        reply = ask(
            stream=bool(number % 2),
            messages=[{"role": "user", "content": f"call number {number}"}],
            standin={"delay": 0.005},
        )
        return Ended(number, reply, time.monotonic() - began)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(call, range(CALLS)))


def tasks_of(interceptor: Interceptor) -> Counter[str]:
    """Where the tasks of its event loop are, as mitmproxy lists them on SIGUSR1."""
    listed = re.compile(r"^Tasks\n=+\n(.*?)^\*{20}", re.MULTILINE | re.DOTALL)
    before = len(listed.findall(interceptor.output))
    os.kill(interceptor.process.pid, signal.SIGUSR1)
    again = rf"(?ms)(?:^Tasks\n=+\n.*?^\*{{20}}.*?){{{before + 1}}}"
    interceptor.wait_for(again)
    *_, last = listed.findall(interceptor.output)
    return Counter(line.strip() for line in last.splitlines() if line.startswith("    "))


def settle(interceptor: Interceptor, vast: StandIn) -> list[Any]:
    """Waits until the apps' connections are gone. The interceptor's connections that are left."""
    process = psutil.Process(interceptor.process.pid)
    deadline = time.monotonic() + 10
    while True:
        established = [
            each
            for each in process.net_connections("tcp")
            if each.status == psutil.CONN_ESTABLISHED
        ]
        ours = [each for each in established if each.laddr.port == interceptor.port]
        running = vast.stats()["running"]
        if not (ours or running) or time.monotonic() > deadline:
            assert not ours
            assert not running
            return established
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "one_alive"), [(1, True), (3, False)])
def test_chaos(vast: StandIn, intercepting: Intercepting, seed: int, one_alive: bool) -> None:
    interceptor = intercepting(timeout=TIMEOUT, keepalive=2)
    assert ask().done
    settle(interceptor, vast)
    tasks_before = tasks_of(interceptor)
    more = {} if one_alive else {"probability": {"drop": 0.02, "refuse": 0.02, "cut": 0.02}}
    vast.faults(seed=seed, schedule=schedule(seed, one_alive=one_alive), **more)
    calls = make_calls()
    vast.clear_faults()

    failed = [call for call in calls if not call.succeeded]
    print(f"seed {seed}: {len(failed)} of {len(calls)} calls failed:")
    print(Counter(call.reply.errors and call.reply.error["code"] for call in failed))
    assert len(calls) == CALLS
    assert [call for call in failed if not call.told] == []
    assert max(call.seconds for call in calls) < TOTAL + 2
    if one_alive:
        assert len(failed) <= CALLS / 100

    # Nobody was answered twice: no call had two workers finish it.
    finished = Counter(
        dict(each["headers"])["x-request-id"]
        for each in vast.calls(path=CHAT)
        if each["outcome"] == "done" and each["status"] == 200
    )
    assert max(finished.values()) == 1
    stats = vast.stats()
    assert (stats["reused"], stats["unsigned"]) == (0, 0)

    # Nothing is left: no call, no connection but the kept ones, no task.
    for worker in range(WORKERS):
        vast.set_worker(worker, "ready")
    kept = settle(interceptor, vast)
    assert len(kept) <= AT_ONCE * (WORKERS + 1) + 2
    assert tasks_of(interceptor) == tasks_before
