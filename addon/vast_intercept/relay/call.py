"""What the relay is asked to do, and what it reports back for the flow."""

from dataclasses import dataclass, field

from ..config import Config
from ..openai_api.errors import ApiError
from ..openai_api.operations import Operation


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is known before the body is read."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generate:
    """A chat or text completion for Vast. `model` and `endpoint` are set if the path names them."""

    operation: Operation
    model: str | None = None
    endpoint: str | None = None


@dataclass(slots=True)
class Outcome:
    """What became of a call, filled in while it runs."""

    url: str | None = None
    endpoint: str | None = None
    model: str | None = None
    stream: bool = False
    left_out: tuple[str, ...] = ()
    error: ApiError | None = None
    #: The relay has written the head of an answer, or of a stream of events.
    answered: bool = False
    streamed: bool = False


@dataclass(slots=True, kw_only=True)
class Call:
    """A request that was prepared for the relay. It keeps the configuration it started with."""

    work: Answer | ApiError | Generate
    config: Config
    request_id: str
    #: The limit of the request's and of a whole answer's body, in bytes.
    max_body: int
    #: Whose it is: address and port of the client (a replay has those of the first time).
    client: tuple[str | int, ...] | None
    outcome: Outcome = field(default_factory=Outcome)
