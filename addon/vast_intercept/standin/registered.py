"""Real PyWorkers, which report to the router."""

from dataclasses import dataclass

import msgspec

from . import errors
from .schema import Json

_KEPT = 1_000


class _Report(msgspec.Struct):
    id: int
    mtoken: str
    url: str
    max_perf: float = 0
    error_msg: str | None = None


_report = msgspec.json.Decoder(_Report)


@dataclass(frozen=True, slots=True)
class RegisteredWorker:
    """One that has said that it is ready."""

    id: int
    endpoint: str
    url: str

    def to_json(self) -> Json:
        """As the control interface shows it. It is not the stand-in's: it has no number."""
        return {
            "number": None,
            "endpoint": self.endpoint,
            "url": self.url,
            "state": "registered",
            "listed": True,
            "calls": None,
        }


class RegisteredWorkers:
    """Those that are ready, by their last report."""

    def __init__(self) -> None:
        self._ready: dict[int, RegisteredWorker] = {}

    def report(self, body: bytes) -> None:
        """Takes a worker's status. Its token is the name of its endpoint."""
        try:
            report = _report.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise errors.Refusal(400, {"error": str(error)}) from None
        if report.max_perf > 0 and not report.error_msg:
            self._ready[report.id] = RegisteredWorker(report.id, report.mtoken, report.url)
            if len(self._ready) > _KEPT:
                del self._ready[next(iter(self._ready))]
        else:
            self._ready.pop(report.id, None)

    def urls(self, endpoint: str) -> list[str]:
        """Where the workers of an endpoint are."""
        return [worker.url for worker in self._ready.values() if worker.endpoint == endpoint]

    def ids(self, endpoint: str) -> list[int]:
        """What the workers of an endpoint call themselves."""
        return [worker.id for worker in self._ready.values() if worker.endpoint == endpoint]

    def forget(self) -> None:
        """As if none had reported."""
        self._ready.clear()

    def to_json(self) -> list[Json]:
        """All of them."""
        return [worker.to_json() for worker in self._ready.values()]
