"""A call whose body is JSON and goes on as it came, but for the name of the model."""

from dataclasses import dataclass

from ..bridges.bridge import AppEvents
from ..openai_api.amounts import NOTHING, Amounts
from ..openai_api.outline import Buffer
from ..openai_api.rewriting import Piece
from ..openai_api.usage import model_of, usage_of
from .listed import Delivery, Form, ListedAnswer, Steps

#: The content type.
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonCall:
    """A `ListedCall` whose answer reaches the app as it comes. Others build upon it."""

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
        """Returns the answer as it came."""
        return ListedAnswer(body, JSON, usage=usage_of(body), model=model_of(body))
        yield

    def events(self) -> AppEvents:
        """Is never called: there are none."""
        raise NotImplementedError
