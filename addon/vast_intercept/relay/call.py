"""What the relay is asked to do, and what it reports back for the flow."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from ..addresses import parse_address
from ..config import Config
from ..openai_api.errors import ApiError, misconfigured
from ..openai_api.operations import Operation
from ..openai_api.usage import Usage
from ..secret import Secret, mask_shapes
from .memory import Memory, Share
from .timing import Timing


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
    #: Sent to the provider that the app meant, and nowhere else.
    at_provider: bool = False


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """The call as the app made it, with its own key: for a route that falls back to `provider`."""

    name: str
    url: str = field(repr=False)
    #: The same, without keys in it.
    shown_url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    #: The keys in it, which the provider may repeat.
    keys: tuple[Secret, ...] = ()


@dataclass(slots=True)
class Outcome:
    """What became of a call, filled in while it runs."""

    url: str | None = None
    #: The endpoint, or the provider, that the call went to last.
    endpoint: str | None = None
    model: str | None = None
    stream: bool = False
    left_out: tuple[str, ...] = ()
    error: ApiError | None = None
    #: What the answer says that it took, and which model it is from.
    usage: Usage | None = None
    response_model: str | None = None
    #: How often the call was tried, and how the last attempt that failed did.
    attempts: int = 0
    failure: ApiError | None = None
    #: Endpoints that were tried again, and those that stood in for others; each time.
    retried: list[str] = field(default_factory=list)
    fell_back_to: list[str] = field(default_factory=list)
    #: Seconds that it waited for a worker to be ready, by endpoint; and what it waits for now.
    waits: dict[str, float] = field(default_factory=dict)
    waiting: str | None = None
    #: The relay has written the head of an answer, or of a stream of events.
    answered: bool = False
    streamed: bool = False
    #: The end of a stream has come from Vast: the answer is complete, whatever happens next.
    complete: bool = False
    timing: Timing = field(default_factory=Timing)
    #: How the prompt begins; only if `inspect.show_prompts` is on.
    prompt: str | None = None

    @property
    def waited(self) -> float:
        """Seconds in all."""
        return sum(self.waits.values())


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
    provider: ProviderCall | None = None
    #: What the app asked for, None if it is not of the API; and the app's name, if it has one.
    operation: Operation | None = None
    client_name: str | None = None
    #: Is told when the outcome has changed in a way that is worth showing at once.
    changed: Callable[[], None] = lambda: None
    #: Is told when the relay has the request's head.
    arrived: Callable[[], None] = lambda: None
    #: What it holds in memory.
    share: Share = field(default_factory=lambda: Share(Memory()))
    #: What to take for the body that comes, if another addon has changed it.
    body: bytes | None = None
    outcome: Outcome = field(default_factory=Outcome)
    #: Keys that were sent for this call: no error may repeat them.
    sent_keys: list[Secret] = field(default_factory=list)

    @property
    def from_another_machine(self) -> bool:
        """Whether the app runs elsewhere, so that this machine's services are not for it."""
        address = parse_address(str(self.client[0])) if self.client else None
        return address is not None and not address.is_loopback

    def redact(self, text: str) -> str:
        """`text` without the keys."""
        for key in self.sent_keys:
            text = key.redact(text)
        return mask_shapes(text)

    def redact_bytes[B: bytes | bytearray](self, data: B) -> B:
        """The same for bytes."""
        for key in self.sent_keys:
            data = key.redact_bytes(data)
        return data

    def redact_in_steps[B: bytes | bytearray](self, data: B) -> Generator[None, None, B]:
        """The same for many bytes; each step takes a few milliseconds."""
        for key in self.sent_keys:
            data = yield from key.redact_in_steps(data)
        return data

    def vast_key(self) -> Secret:
        """The key of the Vast account. Raises ApiError if there is none."""
        key = self.config.api_key
        if key is None:
            raise misconfigured(
                f"There is no Vast API key: {self.config.api_key_problem}. Set VAST_API_KEY, or"
                " vast.api_key in the configuration, and start again.",
                "vast_key_missing",
            )
        self.sent(key)
        return key

    def sent(self, key: Secret) -> None:
        """Notes that the key is sent."""
        if key not in self.sent_keys:
            self.sent_keys.append(key)
