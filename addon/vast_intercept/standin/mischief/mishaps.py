"""What happens to calls by chance. The same seed gives the same mishaps each time."""

from random import Random
from typing import Annotated, Literal

from msgspec import Meta, structs

from .instructions import Instructions

type Mishap = Literal[
    "drop",  # the connection ends without a byte of an answer
    "refuse",  # 503 with no body
    "hang",  # no answer at all
    "cut",  # the connection ends in the middle of the answer
]
type Probability = Annotated[float, Meta(ge=0, le=1)]


def befallen(told: Instructions, mishap: Mishap | None) -> Instructions:
    """The instructions of a request, changed by the mishap that happens to it."""
    match mishap:
        case None:
            return told
        case "refuse":
            return structs.replace(told, status=503, body="", headers={})
    return structs.replace(told, status=None, fault=mishap)


class Chance:
    """Draws a mishap, or none, for each call in the order of their arrival."""

    def __init__(self) -> None:
        self.start(0, {})

    def start(self, seed: int, probabilities: dict[Mishap, Probability]) -> None:
        """From now on, calls have mishaps. Without `probabilities` they have none."""
        self._random = Random(seed)  # noqa: S311
        self._probabilities = probabilities

    def draw(self) -> Mishap | None:
        """The mishap of the next call."""
        if self._probabilities:
            drawn = self._random.random()
            for mishap, probability in self._probabilities.items():
                drawn -= probability
                if drawn < 0:
                    return mishap
        return None
