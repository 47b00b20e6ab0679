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
class ToVast:
    """Have Vast answer a chat or text completion.

    `model` and `endpoint` are set if the path names them.
    """

    operation: Operation
    model: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class ToProvider:
    """Have the provider that the app meant answer a chat or text completion, and nobody else.

    The fields are those of `ToVast`, so that the two calls can be compared.
    """

    operation: Operation
    model: str | None = None
    endpoint: str | None = None


type Generating = ToVast | ToProvider
type Work = AnswerHere | Refuse | Generating
