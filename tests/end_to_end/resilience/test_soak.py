"""Thousands of calls, some of which fail in every way, while the configuration is rewritten.

The seed decides which call does what: the test can be run with it again.
"""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import aiohttp
import psutil
import pytest

from vast_intercept.standin.mischief.instructions import STREAM_FAULTS, Fault

from ... import harness
from ...harness import APP_KEY, Interceptor, StandIn

SEED = 1
WHOLE, STREAMS, AT_ONCE = 5_000, 500, 40
BAD = 0.05
LEAVE = 0.3  # of the streams
FAULTS: list[Fault] = sorted(get_args(Fault.__value__))
TIMEOUT = {"connect": 1, "first_byte": 3, "between_bytes": 1, "total": 4}
TEXT = "You said: hello"


@dataclass
class Call:
    """What an app asks for, and what it got."""

    stream: bool
    fault: Fault | None = None
    #: After how many bytes the app leaves.
    leaves_after: int | None = None
    delay: float = 0
    text: str = ""
    done: bool = False
    errors: list[Any] = field(default_factory=list)

    @property
    def body(self) -> dict[str, Any]:
        standin: dict[str, Any] = {"first_delay": self.delay}
        if self.fault:
            standin["fault"] = self.fault
        messages = [{"role": "user", "content": "hello"}]
        return {"model": "m", "messages": messages, "stream": self.stream, "standin": standin}

    @property
    def succeeded(self) -> bool:
        return self.done and not self.errors and self.text == TEXT

    @property
    def told(self) -> bool:
        """There is an answer, or one error; never both, and never neither."""
        return len(self.errors) + (self.done and not self.errors) == 1

    def read_whole(self, body: bytes) -> None:
        answer = json.loads(body)
        if "error" in answer:
            self.errors.append(answer["error"])
        else:
            self.done = True
            self.text = answer["choices"][0]["message"]["content"]

    def read_stream(self, body: bytes) -> None:
        for event in body.decode().split("\n\n"):
            data = event.removeprefix("data:").strip()
            if data == "[DONE]":
                self.done = True
            elif data:
                chunk = json.loads(data)
                self.errors += [chunk["error"]] if "error" in chunk else []
                for choice in chunk.get("choices", ()):
                    self.text += choice["delta"].get("content") or ""
                    self.done = self.done or bool(choice["finish_reason"])


def calls(draw: random.Random) -> list[Call]:
    """All of them, in the order in which they are made."""
    made = [Call(stream=number < STREAMS) for number in range(WHOLE + STREAMS)]
    for call in made:
        if draw.random() < BAD:
            call.fault = draw.choice(FAULTS)
            call.stream = call.stream or call.fault in STREAM_FAULTS
        elif call.stream and draw.random() < LEAVE:
            call.leaves_after = draw.randrange(3_000)
    draw.shuffle(made)
    return made


async def make(session: aiohttp.ClientSession, url: str, call: Call) -> None:
    async with session.post(url, json=call.body) as answer:
        if call.leaves_after is not None:
            await answer.content.read(call.leaves_after)
            answer.close()
        elif answer.content_type == "text/event-stream":
            call.read_stream(await answer.read())
        else:
            call.read_whole(await answer.read())


async def make_all(interceptor: Interceptor, made: list[Call]) -> None:
    """So many at a time, over connections that are kept."""
    waiting = iter(made)
    headers = {"authorization": f"Bearer {APP_KEY}"}
    url = f"{interceptor.url}/v1/chat/completions"
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def work() -> None:
            for call in waiting:
                await make(session, url, call)

        async with asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(work())


@contextmanager
def rewritten(path: Path) -> Iterator[None]:
    """Has the file written anew in place every second, in two pieces."""
    text = path.read_text()
    over = threading.Event()

    def rewrite() -> None:
        turn = 0
        while not over.wait(1):
            turn += 1
            with path.open("w") as file:
                file.write(text[: len(text) // 2])
                file.flush()
                time.sleep(0.01)
                file.write(f"{text[len(text) // 2 :]}# {turn}\n")

    thread = threading.Thread(target=rewrite)
    thread.start()
    yield
    over.set()
    thread.join()


def measure(interceptor: Interceptor) -> tuple[int, int]:
    """Its file descriptors and its memory, once its connections to apps are closed."""
    process = psutil.Process(interceptor.process.pid)
    until = time.monotonic() + 10
    while any(
        each.laddr.port == interceptor.port and each.status == psutil.CONN_ESTABLISHED
        for each in process.net_connections("tcp")
    ):
        assert time.monotonic() < until, "connections of apps that have left are still open"
        time.sleep(0.1)
    return process.num_fds(), process.memory_info().rss


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_soak(tmp_path: Path) -> None:
    made = calls(random.Random(SEED))
    first, rest = made[:1_000], made[1_000:]
    last = [Call(stream=bool(number % 2), delay=1.5) for number in range(AT_ONCE)]
    standin = StandIn()
    config = {"vast": harness.vast_section(standin, timeout=TIMEOUT)}
    options = ("--mode", "reverse:https://api.openai.com")
    began = time.monotonic()
    try:
        with (
            harness.intercept(tmp_path, config, *options, kind="serve") as interceptor,
            rewritten(tmp_path / "vast.yaml"),
        ):
            asyncio.run(make_all(interceptor, first))
            files_before, memory_before = measure(interceptor)
            asyncio.run(make_all(interceptor, rest))
            files, memory = measure(interceptor)

            # SIGTERM while calls run: they end well.
            standin.forget_calls()
            ending = threading.Thread(target=lambda: asyncio.run(make_all(interceptor, last)))
            ending.start()
            standin.wait_for_calls("running", AT_ONCE)
            interceptor.process.terminate()
            ending.join(30)
            assert not ending.is_alive()
            interceptor.process.wait(20)  # a second signal would cut its end short
    finally:
        standin.stop()

    stayed = [call for call in made if call.leaves_after is None]
    print(f"seed {SEED}: {len(made)} calls in {time.monotonic() - began:.0f} s,", end=" ")
    print(f"files {files_before} → {files}, memory {memory_before:,} → {memory:,}")
    print(Counter(call.errors[0]["code"] for call in stayed if call.errors))
    assert [call for call in stayed if not call.told] == []
    assert [call for call in last if not call.succeeded] == []
    good = [call for call in stayed if call.fault is None]
    assert sum(call.succeeded for call in good) >= 0.99 * len(good)
    assert files <= files_before + AT_ONCE
    assert memory <= memory_before + 50_000_000
    assert "never retrieved" not in interceptor.output
