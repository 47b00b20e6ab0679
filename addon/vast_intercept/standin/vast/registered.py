"""Real PyWorkers that have reported to the router."""

from collections import defaultdict

import msgspec

from ..answering import Json, decode

_KEPT = 1_000


class RegisteredWorker(msgspec.Struct):
    """A real worker, as it reports itself. Its `mtoken` is the name of its endpoint."""

    id: int
    mtoken: str
    url: str
    max_perf: float = 0
    error_msg: str | None = None
    new_load: float = 0
    """What it counted of the calls that came since its last report."""
    calls: int | None = msgspec.field(default=None, name="num_requests_recieved")
    """The number of calls that have come so far. The name in the report is misspelled."""

    def to_json(self, load: float) -> Json:
        """The worker, as the control interface shows it. Only the stand-in's own have numbers."""
        return {
            "number": None,
            "endpoint": self.mtoken,
            "url": self.url,
            "state": "registered",
            "listed": True,
            "calls": self.calls,
            "load": load,
        }


class RegisteredWorkers:
    """The real workers that were ready by their last report."""

    def __init__(self) -> None:
        self._ready: dict[int, RegisteredWorker] = {}
        self._loads: dict[int, float] = defaultdict(float)

    def report(self, body: bytes) -> None:
        """Takes a worker's report. Raises Refusal if it cannot be read."""
        worker = decode(body, RegisteredWorker)
        if worker.max_perf > 0 and not worker.error_msg:
            self._ready[worker.id] = worker
            if len(self._ready) > _KEPT:
                self._forget(next(iter(self._ready)))
            self._loads[worker.id] += worker.new_load
        else:
            self._forget(worker.id)

    def of(self, endpoint: str) -> list[RegisteredWorker]:
        """The workers of an endpoint."""
        return [worker for worker in self._ready.values() if worker.mtoken == endpoint]

    def forget(self) -> None:
        """Forgets all reports."""
        self._ready.clear()
        self._loads.clear()

    def to_json(self) -> list[Json]:
        """All real workers, as the control interface shows them."""
        return [worker.to_json(self._loads[worker.id]) for worker in self._ready.values()]

    def _forget(self, number: int) -> None:
        self._ready.pop(number, None)
        self._loads.pop(number, None)
