"""What reached the stand-in, and what became of it, for tests to look at and to wait for."""

import asyncio
import base64
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .schema import Json

type Headers = tuple[tuple[bytes, bytes], ...]
type Outcome = Literal["running", "done", "cancelled"]

_KEPT_CALLS = 1_000
_KEPT_BODY = 1024 * 1024
_KEPT_BYTES = 64 * _KEPT_BODY


class Signal:
    """Wakes whoever waits for something to become true. Costs nothing while nobody waits."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Has everyone look again."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns once it holds."""
        while not holds():
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)


@dataclass(slots=True, eq=False)
class Call:
    """One request, as it was received. Of a large body, the beginning is kept."""

    method: str
    path: str
    headers: Headers
    body: bytes
    body_size: int
    outcome: Outcome = "running"

    def to_json(self) -> Json:
        """The call, as the control interface shows it."""
        return {
            "method": self.method,
            "path": self.path,
            "headers": [
                [name.decode("utf-8", "replace"), value.decode("utf-8", "replace")]
                for name, value in self.headers
            ],
            "body_base64": base64.b64encode(self.body).decode(),
            "body_size": self.body_size,
            "outcome": self.outcome,
        }


class Calls:
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[Call] = deque()
        self._kept_bytes = 0
        self._changed = Signal()
        self.total = 0
        self.running = 0

    def begin(self, method: str, path: str, headers: Headers, body: bytearray) -> Call:
        """Notes a call that has arrived."""
        call = Call(method, path, headers, bytes(body[:_KEPT_BODY]), len(body))
        self.total += 1
        self.running += 1
        self._kept.append(call)
        self._kept_bytes += len(call.body)
        while len(self._kept) > _KEPT_CALLS or self._kept_bytes > _KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft().body)
        self._changed.notify()
        return call

    def end(self, call: Call, outcome: Outcome) -> None:
        """Notes what became of it. The first outcome holds."""
        if call.outcome == "running":
            call.outcome = outcome
            self.running -= 1
            self._changed.notify()

    def forget(self) -> None:
        """Starts anew. What still runs stays counted, but is no longer shown."""
        self._kept.clear()
        self._kept_bytes = 0

    def to_json(self, tail: int = _KEPT_CALLS) -> Json:
        """The last `tail` calls."""
        return [call.to_json() for call in list(self._kept)[max(len(self._kept) - tail, 0) :]]

    async def wait_for(self, outcome: str, count: int) -> None:
        """Returns once so many of the calls have this outcome."""
        await self._changed.until(
            lambda: sum(call.outcome == outcome for call in self._kept) >= count
        )

    async def idle(self) -> None:
        """Returns once no call is running."""
        await self._changed.until(lambda: not self.running)
