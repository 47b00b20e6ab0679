"""What a worker is told to be."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .instructions import Seconds

type State = Literal[
    "ready",
    "cold",  # the router does not give it out
    "dead",  # no one listens, and its connections are gone
    "hung",  # it accepts and reads; nothing is answered, and what is being answered falls silent
    "refusing",  # it answers every call with `status`, `body` and `headers`
    "slow",  # it waits for `delay` before each answer
    "breaking",  # it breaks off in the middle of every answer
]


class WorkerState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state, and what belongs to it."""

    state: State = "ready"
    listed: bool = True
    """Whether the router gives it out, which never holds for one that is cold."""
    ready_after: Seconds | None = None
    """One that is cold becomes ready after so long."""
    status: Annotated[int, Meta(ge=200, le=599)] = 503
    body: str = ""
    headers: dict[str, str] = {}
    delay: Seconds = 1


READY = WorkerState()
