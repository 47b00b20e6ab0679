"""How much is kept of responses, and what a store says if it has not got what is asked for."""

from dataclasses import dataclass
from typing import Protocol

from ...bridges.bridge import Record
from ...openai_api.limits import MAX_BRIDGED, MAX_MESSAGES


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many responses are kept, how many bytes, and how long. The oldest go first."""

    number: int = 10_000
    #: Of all responses together. A response that is larger is not kept at all.
    bytes: int = 64 * 1024 * 1024
    #: As OpenAI keeps them: https://platform.openai.com/docs/guides/conversation-state
    seconds: float = 30 * 86_400.0
    #: Bytes and items of a conversation. What is read of a call must not block the event loop.
    history_bytes: int = MAX_BRIDGED
    history_items: int = MAX_MESSAGES

    def check_history(self, turns: int, size: int, items: int) -> None:
        """Raises TooLongError for a conversation of so many turns, bytes and items."""
        too_many = turns > self.number or items > self.history_items
        if too_many or size > self.history_bytes:
            raise TooLongError


BOUNDS = Bounds()


class LostTurnError(Exception):
    """The conversation has lost an earlier turn: it was deleted, or had to go. `id` is its id."""

    def __init__(self, id_: str) -> None:
        super().__init__(id_)
        self.id = id_


class TooLongError(Exception):
    """The conversation is longer than what is read of one."""


class StoreFailedError(Exception):
    """The store cannot be used. The message says why, for the log and for the app.

    `passing` says that it may work again in a moment.
    """

    def __init__(self, why: str, *, passing: bool = False) -> None:
        super().__init__(why)
        self.passing = passing


class ResponseStore(Protocol):
    """Keeps responses. `owner` is whose they are: what one has put, no other gets.

    Every method raises StoreFailedError if the store cannot be used.
    """

    async def check(self) -> None:
        """Raises StoreFailedError if nothing can be kept."""
        ...

    async def put(self, owner: str, record: Record) -> None:
        """Keeps a response, in place of one with the same id."""
        ...

    async def get(self, owner: str, id_: str) -> Record | None:
        """The response with this id, or None."""
        ...

    async def history(self, owner: str, id_: str) -> list[bytes]:
        """The conversation up to this response, as JSON arrays of items in order.

        Of each turn, the first array is the input, and the second one the output. It is empty if
        there is no such response. Raises LostTurnError and TooLongError.
        """
        ...

    async def items(self, owner: str, ids: tuple[str, ...]) -> dict[str, bytes]:
        """Those of the items that are in a response, as JSON: of its input or of its output.

        Raises TooLongError if they are together longer than a conversation may be.
        """
        ...

    async def delete(self, owner: str, id_: str) -> bool:
        """Deletes a response. False if there is none."""
        ...

    async def close(self) -> None:
        """Closes the store. It is opened again if it is used again."""
        ...
