"""What the relay is told to do with a call."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from ..openai_api.errors import ApiError
from ..openai_api.operations import Operation


@dataclass(frozen=True, slots=True)
class AnswerHere:
    """Give an answer that is known before the body is read."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    operation: Operation | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Give an error that is known before the body is read."""

    error: ApiError
    operation: Operation | None = None


@dataclass(frozen=True, slots=True)
class Generating:
    """Have a chat or text completion answered. `model`, `endpoint`: those that the path names."""

    operation: Operation
    model: str | None = None
    endpoint: str | None = None


class ToVast(Generating):
    """Have Vast answer it."""


class ToProvider(Generating):
    """Have the provider that the app meant answer it, and nobody else."""


class StoredAction(StrEnum):
    """What an app can ask of a response that was stored."""

    RETRIEVE = "retrieve"
    DELETE = "delete"
    INPUT_ITEMS = "input_items"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """Answer from the responses that the relay keeps. `parameters` are those of the query."""

    action: StoredAction
    id: str
    parameters: tuple[tuple[str, str], ...] = ()
    operation: ClassVar[Operation] = Operation.RESPONSES


@dataclass(frozen=True, slots=True)
class CountTokens:
    """Estimate how many tokens the call in the body would have for a model."""

    operation: Operation


type Work = AnswerHere | Refuse | ToVast | ToProvider | StoredResponse | CountTokens
