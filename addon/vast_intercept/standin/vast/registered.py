"""Real PyWorkers that have reported to the router."""

from dataclasses import dataclass

import msgspec

from ..answering import Json, decode

_KEPT = 1_000


class _Report(msgspec.Struct):
    id: int
    mtoken: str
    url: str
    max_perf: float = 0
    error_msg: str | None = None


@dataclass(frozen=True, slots=True)
class RegisteredWorker:
    """A real worker that has reported that it is ready."""

    id: int
    endpoint: str
    url: str

    def to_json(self) -> Json:
        """The worker, as the control interface shows it. Only the stand-in's own have numbers."""
        return {
            "number": None,
            "endpoint": self.endpoint,
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
        """Takes a worker's report. Its `mtoken` is the name of its endpoint. Raises Refusal."""
        report = decode(body, _Report)
        if report.max_perf > 0 and not report.error_msg:
            self._ready[report.id] = RegisteredWorker(report.id, report.mtoken, report.url)
            if len(self._ready) > _KEPT:
                del self._ready[next(iter(self._ready))]
        else:
            self._ready.pop(report.id, None)

    def urls(self, endpoint: str) -> list[str]:
        """The URLs of the workers of an endpoint."""
        return [worker.url for worker in self._ready.values() if worker.endpoint == endpoint]

    def ids(self, endpoint: str) -> list[int]:
        """The IDs that the workers of an endpoint report."""
        return [worker.id for worker in self._ready.values() if worker.endpoint == endpoint]

    def forget(self) -> None:
        """Forgets all reports."""
        self._ready.clear()

    def to_json(self) -> list[Json]:
        """All real workers, as the control interface shows them."""
        return [worker.to_json() for worker in self._ready.values()]
