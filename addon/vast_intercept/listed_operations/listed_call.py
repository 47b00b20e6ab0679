"""What a call of a listed operation is, once it was read and found good."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..bridges.bridge import AppEvents
from ..openai_api.amounts import NOTHING, Amounts
from ..openai_api.outline import Buffer
from ..openai_api.rewriting import Piece
from ..openai_api.usage import Usage

#: The content type.
JSON = "application/json"

type Steps[T] = Generator[None, None, T]
"""Work in steps, between which other calls have their turn."""


def done_at_once[T](steps: Steps[T]) -> T:
    """Does the work without a pause, where no other call waits for its turn."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


@dataclass(frozen=True, slots=True)
class Form:
    """A request body that is no JSON: what a server gets that is not behind Vast's worker."""

    content_type: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class ListedAnswer:
    """A whole answer as the app gets it, and what it says of itself."""

    body: Buffer
    content_type: str
    amounts: Amounts = NOTHING
    usage: Usage | None = None
    model: str | None = None


class ListedCall(Protocol):
    """A call that may be sent. What it holds does not change.

    Each is one of the three below, which say how its answer reaches the app.
    """

    @property
    def model(self) -> str | None:
        """The model as the app named it."""
        ...

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the app asked for that the model does not get, by name."""
        ...

    @property
    def cost(self) -> float:
        """How much work the call is, in tokens, as Vast's worker counts it (FACTS V16)."""
        ...

    @property
    def amounts(self) -> Amounts:
        """What the call sends."""
        ...

    def for_worker(self) -> Steps[tuple[Piece, ...]]:
        """Makes the JSON that a worker gets. Uploads are base64 in it (FACTS V17)."""
        ...

    def for_server(self) -> Form | None:
        """Returns what a server gets that is not behind a worker; None if that is the same JSON."""
        ...


@runtime_checkable
class WholeCall(ListedCall, Protocol):
    """A call whose answer is sent when all of it is there."""

    def answer(self, body: Buffer) -> Steps[ListedAnswer]:
        """Makes the app's answer. Raises ApiError (502) for what is none."""
        ...


@runtime_checkable
class EventsCall(ListedCall, Protocol):
    """A call whose answer is sent as events, while they come."""

    def events(self) -> AppEvents:
        """Returns what makes the app's events of the server's."""
        ...


@runtime_checkable
class BytesCall(ListedCall, Protocol):
    """A call whose answer is sent as bytes, while they come."""

    def is_due(self, media_type: str) -> bool:
        """Whether an answer of this type is what was asked for."""
        ...
