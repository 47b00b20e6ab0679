"""The load generator. Each job runs in a process of its own, and checks every answer it gets."""

import asyncio
import gc
import itertools
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import Any

from .answers import check_stream, check_whole, chunks_of_stream, text_of_whole
from .http1 import Answer, Connection, Target

_TIME_LIMIT = 60  # seconds for a job
_QUESTION = "What is the capital of France?"
_WARM_UP_CALLS = 5  # on each connection, before the clock starts


class Figure(StrEnum):
    """What a job measures."""

    KEPT = "calls per second, kept connections"
    NEW = "calls per second, a connection for each"
    CALL_P50 = "milliseconds for a call, median"
    CALL_P99 = "milliseconds for a call, 99th percentile"
    FIRST_CHUNK = "milliseconds to the first chunk of a stream that has text, median"
    CHUNK = "milliseconds that a chunk is on its way, median"
    FAST = "chunks per second"
    SLOW = "milliseconds for a call over a slow link, a connection for each, median"


type Figures = dict[Figure, float]


@dataclass(frozen=True, slots=True)
class Ask:
    """The answer that a call asks of the stand-in: a whole one, or a stream of `chunks`.

    With `response`, the call is one of the Responses API. It cannot tell the stand-in anything, so
    that the script must (`bridged.py`).
    """

    chunks: int = 0
    delay: float = 0  # seconds between two chunks
    response: bool = False

    def body(self, model: str) -> bytes:
        """The request's body."""
        if self.response:
            asked = {"model": model, "input": _QUESTION, "stream": self.chunks > 0}
            return json.dumps(asked).encode()
        body: dict[str, object] = {
            "model": model,
            "messages": [{"role": "user", "content": _QUESTION}],
        }
        if self.chunks:
            body |= {"stream": True, "standin": {"chunks": self.chunks, "delay": self.delay}}
        return json.dumps(body).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One measurement: which calls to make, how many, and where."""

    kind: str  # one of the names in _KINDS
    target: Target
    ask: Ask
    text: str  # of each answer
    clients: int
    seconds: float = 0  # for how long, or
    calls: int = 0  # how many calls in all

    def request(self, ask: Ask | None = None) -> bytes:
        """The HTTP request of a call."""
        return self.target.request((ask or self.ask).body(self.target.model))


def run(job: Job) -> Figures:
    """Runs a job. Raises BadAnswerError if any answer is not the expected one."""
    gc.collect()
    gc.disable()  # a pause would be measured
    try:
        return asyncio.run(_run(job))
    finally:
        gc.enable()


def ask_once(target: Target, ask: Ask) -> str:
    """The text of a first answer, with which all others are compared."""
    return asyncio.run(_ask_once(target, ask))


async def _run(job: Job) -> Figures:
    async with asyncio.timeout(_TIME_LIMIT):
        return await _KINDS[job.kind](job)


async def _ask_once(target: Target, ask: Ask) -> str:
    async with asyncio.timeout(_TIME_LIMIT):
        connection = await target.connect(target.tls_context())
        answer = await connection.call(target.request(ask.body(target.model)))
        connection.close()
        await connection.wait_closed()
    if not ask.chunks:
        return text_of_whole(answer)
    return "".join(chunk.text for chunk in chunks_of_stream(answer))


# --- whole answers --------------------------------------------------------------------------------


async def _kept(job: Job) -> Figures:
    """Calls per second of clients that keep their connections."""
    request = job.request()
    async with _connections(job) as connections:
        start = perf_counter()

        async def client(connection: Connection) -> int:
            done = 0
            while perf_counter() - start < job.seconds:
                check_whole(await connection.call(request), job.text)
                done += 1
            return done

        done = await _all([client(connection) for connection in connections])
        return {Figure.KEPT: sum(done) / (perf_counter() - start)}


async def _new(job: Job) -> Figures:
    """Calls per second of clients that open a connection for each call."""
    request = job.request()
    context = job.target.tls_context()
    used: list[Connection] = []
    start = perf_counter()

    async def client() -> int:
        done = 0
        while perf_counter() - start < job.seconds:
            connection = await job.target.connect(context)
            used.append(connection)
            check_whole(await connection.call(request), job.text)
            connection.close()
            done += 1
        return done

    done = await _all([client() for _ in range(job.clients)])
    rate = sum(done) / (perf_counter() - start)
    await _all([connection.wait_closed() for connection in used])
    return {Figure.NEW: rate}


async def _dial(job: Job) -> Figures:
    """Milliseconds that a call takes on a new connection, one call after another."""
    request = job.request()
    context = job.target.tls_context()
    used: list[Connection] = []
    times = []
    start = perf_counter()
    while perf_counter() - start < job.seconds:
        dialled_at = perf_counter()
        connection = await job.target.connect(context)
        answer = await connection.call(request)
        times.append(answer.done_at - dialled_at)
        check_whole(answer, job.text)
        connection.close()
        used.append(connection)
    await _all([connection.wait_closed() for connection in used])
    return {Figure.SLOW: 1000 * _percentile(times, 0.50)}


async def _latency(job: Job) -> Figures:
    """Milliseconds that a call takes on a kept connection, one call after another."""
    request = job.request()
    times = []
    async with _connections(job) as (connection,):
        start = perf_counter()
        while perf_counter() - start < job.seconds:
            answer = await connection.call(request)
            times.append(answer.done_at - answer.sent_at)
            check_whole(answer, job.text)
    return {
        Figure.CALL_P50: 1000 * _percentile(times, 0.50),
        Figure.CALL_P99: 1000 * _percentile(times, 0.99),
    }


async def _calls(job: Job) -> Figures:
    """Makes `job.calls` calls over kept connections, and measures nothing."""
    request = job.request()
    left = iter(range(job.calls))

    async def client(connection: Connection) -> None:
        for _ in left:
            check_whole(await connection.call(request), job.text)

    async with _connections(job) as connections:
        await _all([client(connection) for connection in connections])
    return {}


# --- streams --------------------------------------------------------------------------------------


async def _paced(job: Job) -> Figures:
    """How long chunks are on their way, of streams that come at the pace of a model.

    Each client makes one stream after another. The first ones begin evenly spread over the time
    that a stream takes, since apps do not wait for each other.
    """
    request = job.request()
    async with _connections(job) as connections:
        start = perf_counter()

        async def client(index: int, connection: Connection) -> list[Answer]:
            await asyncio.sleep(index / job.clients * job.ask.chunks * job.ask.delay)
            answers = []
            while perf_counter() - start < job.seconds:
                answers.append(await connection.call(request))
            return answers

        made = await _all([client(*numbered) for numbered in enumerate(connections)])
    to_first = []
    on_way = []
    for answer in itertools.chain.from_iterable(made):
        chunks = check_stream(answer, job.text, job.ask.chunks)
        # The one before it has a role, and is no token.
        first = next(chunk for chunk in chunks if chunk.text)
        to_first.append(first.arrived_at - answer.sent_at)
        on_way += [chunk.arrived_at - chunk.sent_at for chunk in chunks if chunk.sent_at]
    return {
        Figure.FIRST_CHUNK: 1000 * _percentile(to_first, 0.50),
        Figure.CHUNK: 1000 * _percentile(on_way, 0.50),
    }


async def _fast(job: Job) -> Figures:
    """Chunks per second of streams that are sent as fast as possible."""
    request = job.request()
    async with _connections(job) as connections:
        start = perf_counter()
        answers = await _all([connection.call(request) for connection in connections])
    elapsed = max(answer.done_at for answer in answers) - start
    for answer in answers:
        check_stream(answer, job.text, job.ask.chunks)
    return {Figure.FAST: len(answers) * job.ask.chunks / elapsed}


# --- shared ---------------------------------------------------------------------------------------


@asynccontextmanager
async def _connections(job: Job) -> AsyncIterator[list[Connection]]:
    """A connection for each client, warmed up by some calls."""
    context = job.target.tls_context()
    warm_up = job.request(Ask(response=job.ask.response))
    connections: list[Connection] = []

    async def connect() -> None:
        connection = await job.target.connect(context)
        connections.append(connection)
        for _ in range(_WARM_UP_CALLS):
            text_of_whole(await connection.call(warm_up))

    try:
        await _all([connect() for _ in range(job.clients)])
        yield connections
    finally:
        for connection in connections:
            connection.close()
        await asyncio.gather(*[connection.wait_closed() for connection in connections])


async def _all[T](coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all. If one fails, the others are cancelled, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _percentile(values: list[float], fraction: float) -> float:
    return sorted(values)[int(fraction * (len(values) - 1))]


_KINDS: dict[str, Callable[[Job], Coroutine[Any, Any, Figures]]] = {
    "kept": _kept,
    "new": _new,
    "latency": _latency,
    "dial": _dial,
    "calls": _calls,
    "paced": _paced,
    "fast": _fast,
}
