"""A played upstream and a played clock: the relay's decisions, without sockets and waiting."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vast_intercept.openai_api.errors import ApiError, from_upstream
from vast_intercept.relay.upstreams.base import Attempt, UpstreamAnswer

BODY = b'{"id":"chatcmpl-1","choices":[{"index":0,"message":{"content":"hello"}}]}'


@dataclass
class PlayedAnswer:
    """An answer whose body comes in these pieces: a number is a pause, an exception is raised."""

    pieces: list[bytes | float | Exception] = field(default_factory=lambda: [BODY])
    status: int = 200
    media_type: str = "application/json"
    retry_after: float | None = None
    host: str = "played.example"
    content_length: int | None = None
    is_cut: bool = False
    #: How it was ended.
    ended: str = ""

    @property
    def content_type(self) -> str:
        return self.media_type

    def explain(self, status: int, body: bytes) -> ApiError:
        return from_upstream(status, body, endpoint="played")

    async def read(self) -> bytes:
        while self.pieces:
            match self.pieces.pop(0):
                case bytes() as piece if piece:
                    return piece
                case float() | int() as pause:
                    await asyncio.sleep(pause)
                case Exception() as failure:
                    raise failure
        return b""

    def limit_silence(self, seconds: float) -> None:
        pass

    def finish(self) -> None:
        self.ended = "finished"

    def close(self) -> None:
        self.ended = "closed"


type Step = UpstreamAnswer | Exception | Callable[[Attempt], Awaitable[UpstreamAnswer]]


class PlayedUpstream:
    """Does what it is told for an endpoint, a step for each attempt; the last one again and again.

    A step is an answer, an exception to raise, or a coroutine function that gives an answer.
    """

    def __init__(self, **steps: list[Step]) -> None:
        self._steps: Mapping[str, list[Step]] = steps
        #: What was sent, and when by the event loop's clock.
        self.attempts: list[Attempt] = []
        self.times: list[float] = []

    async def send(self, attempt: Attempt) -> UpstreamAnswer:
        self.attempts.append(attempt)
        self.times.append(asyncio.get_running_loop().time())
        steps = self._steps[attempt.endpoint]
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        if isinstance(step, Exception):
            raise step
        return await step(attempt) if callable(step) else step

    @property
    def endpoints(self) -> list[str]:
        """Where the attempts went."""
        return [attempt.endpoint for attempt in self.attempts]


class PlayedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still while there is something to do, and else jumps."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: PlayedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0 if timeout else timeout)
        if timeout and not ready:
            self._loop.now += timeout
        return ready
