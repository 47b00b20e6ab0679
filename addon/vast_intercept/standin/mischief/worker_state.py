"""The states that a worker can be put into."""

from typing import Literal

from msgspec import Struct

from .instructions import Seconds, Status

type WorkerMode = Literal[
    "ready",
    "cold",  # the router does not give it out
    "dead",  # no one listens, and its connections are gone
    "hung",  # it reads calls without answering, and falls silent in answers that have begun
    "refusing",  # it answers every call with `status`, `body` and `headers`
    "slow",  # it waits for `delay` before each answer
    "breaking",  # it breaks off in the middle of every answer
]


class WorkerState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A state, with the details of those states that have some."""

    state: WorkerMode = "ready"
    listed: bool = True
    """Whether the router gives the worker out. It never gives out one that is cold."""
    ready_after: Seconds | None = None
    """A cold worker becomes ready after this time."""
    status: Status = 503
    body: str = ""
    headers: dict[str, str] = {}
    delay: Seconds = 1


READY = WorkerState()
