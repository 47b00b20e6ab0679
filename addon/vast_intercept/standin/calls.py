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

_KEPT_CALLS = 10_000
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
    worker: int | None = None
    outcome: Outcome = "running"
    #: Of its answer, where that was sent to its end.
    status: int | None = None

    def is_to(self, path: str | None) -> bool:
        """Whether it is a call to this path, with or without the query. None is any."""
        return path is None or path in {self.path, self.path.partition("?")[0]}

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
            "worker": self.worker,
            "outcome": self.outcome,
            "status": self.status,
        }


class Calls:
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[Call] = deque()
        self._kept_bytes = 0
        self._changed = Signal()
        self.total = 0
        self.running = 0

    def begin(
        self,
        method: str,
        path: str,
        headers: Headers,
        body: bytearray,
        worker: int | None = None,
    ) -> Call:
        """Notes a call that has arrived, at the worker of that number if at one."""
        call = Call(method, path, headers, bytes(body[:_KEPT_BODY]), len(body), worker)
        self.total += 1
        self.running += 1
        self._kept.append(call)
        self._kept_bytes += len(call.body)
        while len(self._kept) > _KEPT_CALLS or self._kept_bytes > _KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft().body)
        self._changed.notify()
        return call

    def end(self, call: Call, outcome: Outcome, status: int | None = None) -> None:
        """Notes what became of it. The first outcome holds."""
        if call.outcome == "running":
            call.outcome = outcome
            call.status = status
            self.running -= 1
            self._changed.notify()

    def forget(self) -> None:
        """Starts anew. What still runs stays counted, but is no longer shown."""
        self._kept.clear()
        self._kept_bytes = 0

    def to_json(self, tail: int = _KEPT_CALLS, path: str | None = None) -> Json:
        """The last `tail` calls, of those to this path if there is one."""
        kept = [call for call in self._kept if call.is_to(path)]
        return [call.to_json() for call in kept[max(len(kept) - tail, 0) :]]

    async def wait_for(self, outcome: str, count: int, path: str | None = None) -> None:
        """Returns once so many of the calls to this path have this outcome."""
        await self._changed.until(
            lambda: (
                sum(call.outcome == outcome and call.is_to(path) for call in self._kept) >= count
            )
        )

    async def idle(self) -> None:
        """Returns once no call is running."""
        await self._changed.until(lambda: not self.running)
