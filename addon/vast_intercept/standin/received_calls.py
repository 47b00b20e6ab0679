"""The calls that the stand-in received and how they ended, for tests to read and wait for."""

from collections import deque
from typing import Literal

import msgspec

from .answering import Json
from .waiting import Signal

type Headers = tuple[tuple[bytes, bytes], ...]
type CallOutcome = Literal["running", "done", "cancelled"]

_KEPT_CALLS = 10_000
_KEPT_BODY = 1024 * 1024
_KEPT_BYTES = 64 * _KEPT_BODY


class ReceivedCall(msgspec.Struct, eq=False):
    """A request as it was received. Only the beginning of a large body is kept."""

    method: str
    path: str
    headers: Headers
    body: bytes = msgspec.field(name="body_base64")
    body_size: int
    worker: int | None = None
    outcome: CallOutcome = "running"
    #: The status of the answer, if the answer was sent to its end.
    status: int | None = None
    #: What the worker counted of a call that it admitted, and what the router had been told.
    load: float | None = None
    cost: float | None = None

    def is_to(self, path: str | None) -> bool:
        """Whether the call is to this path, with or without a query. None matches every path."""
        return path is None or path in {self.path, self.path.partition("?")[0]}

    def to_json(self) -> Json:
        """The call, as the control interface shows it."""
        shown: dict[str, Json] = msgspec.to_builtins(self)
        shown["headers"] = [
            [each.decode("utf-8", "replace") for each in pair] for pair in self.headers
        ]
        return shown


class ReceivedCalls:
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[ReceivedCall] = deque()
        self._kept_bytes = 0
        self._changed = Signal()
        self.total = 0
        self.running = 0

    def begin(
        self, method: str, path: str, headers: Headers, body: bytearray, worker: int | None = None
    ) -> ReceivedCall:
        """Notes a call that has arrived. `worker` is the number of the worker that received it."""
        call = ReceivedCall(method, path, headers, bytes(body[:_KEPT_BODY]), len(body), worker)
        self.total += 1
        self.running += 1
        self._kept.append(call)
        self._kept_bytes += len(call.body)
        while len(self._kept) > _KEPT_CALLS or self._kept_bytes > _KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft().body)
        self._changed.notify()
        return call

    def end(self, call: ReceivedCall, outcome: CallOutcome, status: int | None = None) -> None:
        """Notes how a call ended. Only the first outcome counts."""
        if call.outcome == "running":
            call.outcome = outcome
            call.status = status
            self.running -= 1
            self._changed.notify()

    def forget(self) -> None:
        """Forgets all calls. Those that still run stay counted, but are no longer shown."""
        self._kept.clear()
        self._kept_bytes = 0

    def to_json(self, tail: int = _KEPT_CALLS, path: str | None = None) -> Json:
        """The last `tail` calls to this path, or to any path if it is None."""
        kept = [call for call in self._kept if call.is_to(path)]
        return [call.to_json() for call in kept[max(len(kept) - tail, 0) :]]

    async def wait_for(self, outcome: str, count: int, path: str | None = None) -> None:
        """Returns once so many of the calls to this path have this outcome."""
        await self._changed.until(
            lambda: (
                count <= sum(each.outcome == outcome and each.is_to(path) for each in self._kept)
            )
        )

    async def idle(self) -> None:
        """Returns once no call is running."""
        await self._changed.until(lambda: not self.running)
