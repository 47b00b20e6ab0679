"""A call whose body is JSON, and goes on as JSON."""

from dataclasses import dataclass

from ..openai_api.amounts import NOTHING, Amounts
from ..openai_api.rewriting import Piece
from .listed_call import Form, Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonCall:
    """What each `ListedCall` whose body is JSON has; each operation adds its answer."""

    model: str | None
    pieces: tuple[Piece, ...]
    cost: float
    amounts: Amounts = NOTHING
    left_out: tuple[str, ...] = ()

    def for_worker(self) -> Steps[tuple[Piece, ...]]:
        """Returns the app's JSON."""
        return self.pieces
        yield

    def for_server(self) -> Form | None:
        """Returns None: a server gets the same JSON."""
        return None
