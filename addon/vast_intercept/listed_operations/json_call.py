"""A call whose body is JSON, and goes on as JSON."""

from dataclasses import dataclass

from ..bridges.bridge import AppEvents
from ..openai_api.amounts import NOTHING, Amounts
from ..openai_api.outline import Buffer
from ..openai_api.rewriting import Piece
from .listed import Delivery, Form, ListedAnswer, Steps

#: The content type.
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonCall:
    """What each `ListedCall` whose body is JSON has; each adds its answer."""

    model: str | None
    pieces: tuple[Piece, ...]
    cost: float
    amounts: Amounts = NOTHING
    left_out: tuple[str, ...] = ()
    delivery: Delivery = Delivery.WHOLE

    def for_worker(self) -> Steps[tuple[Piece, ...]]:
        """Returns the app's JSON."""
        return self.pieces
        yield

    def for_server(self) -> Form | None:
        """Returns None: a server gets the same JSON."""
        return None

    def answer(self, body: Buffer) -> Steps[ListedAnswer]:
        """Is never called: each operation with whole answers has one of its own."""
        raise NotImplementedError

    def events(self) -> AppEvents:
        """Is never called: there are none."""
        raise NotImplementedError
