"""What the relay is told to do with a call."""

from dataclasses import dataclass, field

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


type Work = AnswerHere | Refuse | ToVast | ToProvider
