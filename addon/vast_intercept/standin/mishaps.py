"""What happens to a call by chance. The chance is a seed's, so that it is the same each time."""

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
    """What a request is told to have done, with what happens to it."""
    match mishap:
        case None:
            return told
        case "refuse":
            return structs.replace(told, status=503, body="", headers={})
    return structs.replace(told, status=None, fault=mishap)


class Chance:
    """Draws once for each call, in the order in which they come."""

    def __init__(self) -> None:
        self._random = Random()  # noqa: S311
        self._probabilities: dict[Mishap, Probability] = {}

    def start(self, seed: int, probabilities: dict[Mishap, Probability]) -> None:
        """From now on, calls have mishaps."""
        self._random = Random(seed)  # noqa: S311
        self._probabilities = probabilities

    def stop(self) -> None:
        """From now on, they have none."""
        self._probabilities = {}

    def draw(self) -> Mishap | None:
        """What happens to the next call."""
        if self._probabilities:
            drawn = self._random.random()
            for mishap, probability in self._probabilities.items():
                drawn -= probability
                if drawn < 0:
                    return mishap
        return None
