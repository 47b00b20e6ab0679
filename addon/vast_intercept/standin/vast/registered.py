"""Real PyWorkers that have reported to the router."""

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

    def to_json(self) -> Json:
        """The worker, as the control interface shows it. Only the stand-in's own have numbers."""
        return {
            "number": None,
            "endpoint": self.mtoken,
            "url": self.url,
            "state": "registered",
            "listed": True,
            "calls": None,
        }


class RegisteredWorkers:
    """The real workers that were ready by their last report."""

    def __init__(self) -> None:
        self._ready: dict[int, RegisteredWorker] = {}

    def report(self, body: bytes) -> None:
        """Takes a worker's report. Raises Refusal if it cannot be read."""
        worker = decode(body, RegisteredWorker)
        if worker.max_perf > 0 and not worker.error_msg:
            self._ready[worker.id] = worker
            if len(self._ready) > _KEPT:
                del self._ready[next(iter(self._ready))]
        else:
            self._ready.pop(worker.id, None)

    def of(self, endpoint: str) -> list[RegisteredWorker]:
        """The workers of an endpoint."""
        return [worker for worker in self._ready.values() if worker.mtoken == endpoint]

    def forget(self) -> None:
        """Forgets all reports."""
        self._ready.clear()

    def to_json(self) -> list[Json]:
        """All real workers, as the control interface shows them."""
        return [worker.to_json() for worker in self._ready.values()]
