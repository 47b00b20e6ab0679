"""Reads a Responses request, and makes the chat completion that takes its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ...openai_api.outline import Buffer
from .asked import Asked

type BuiltinTools = Literal["leave_out", "reject"]
"""What becomes of OpenAI's own tools, such as web_search, that no chat completion has."""

_NOTHING: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Converted:
    """The chat completion for a request, and what its answer must know.

    `left_out` names what the app asked for and the model does not get, such as "tool web_search".
    """

    chat: bytes
    left_out: tuple[str, ...]
    asked: Asked


@dataclass(frozen=True, slots=True)
class Request:
    """A Responses request that was read. What it continues, or refers to, is still to be found."""

    model: str | None
    stream: bool
    store: bool
    #: The id of the response that this one continues: `previous_response_id`.
    previous: str | None
    #: The ids of stored items that stand in the input in their place: `item_reference`.
    references: tuple[str, ...]

    def convert(
        self,
        response_id: str,
        history: Sequence[bytes] = (),
        referenced: Mapping[str, bytes] = _NOTHING,
    ) -> Converted:
        """Makes the chat completion.

        `history` are the earlier turns in order: JSON arrays of items, first the input of a turn,
        then the output of its response. `referenced` has those items, by id, that were found of
        `references`. Input items without an id get one that is made of `response_id`. Raises
        ApiError (400, 404).
        """
        raise NotImplementedError


def read(body: Buffer, *, builtin_tools: BuiltinTools = "leave_out") -> Request:
    """Reads the body of a Responses request. Raises ApiError (400) for what cannot be served.

    A body that `needs_outline` must have been outlined first: this bounds how much it holds.
    """
    raise NotImplementedError
