"""A call as it was prepared for the relay, and the names of where it may go."""

from dataclasses import dataclass, field

from ..addresses import parse_address
from ..config import Config
from ..openai_api.error_codes import ErrorCode
from ..openai_api.error_shapes import api_of_errors
from ..openai_api.errors import misconfigured
from ..openai_api.operations import Api, Operation
from ..secret import Secret
from .memory import Memory, Share
from .work import Work


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was prepared for the relay. It keeps the configuration it started with."""

    #: What the relay has to do; None for a call that mitmproxy itself passes on.
    work: Work | None
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
    #: Whose responses it may see and adds to: the SHA-256 of the app's key, empty without one.
    owner: str = field(default="", repr=False)
    #: In whose API its provider speaks.
    api: Api = "openai"
    #: What the call holds in memory.
    share: Share = field(default_factory=lambda: Share(Memory()))
    #: What to take for the body that comes, if another addon has changed it.
    body: bytes | None = None

    @property
    def error_api(self) -> Api:
        """In whose API an error of this call is worded."""
        return api_of_errors(self.api, self.operation)

    @property
    def app(self) -> str | None:
        """The app: its name if it has one, else its address."""
        return self.client_name or (str(self.client[0]) if self.client else None)

    @property
    def from_another_machine(self) -> bool:
        """Whether the app runs elsewhere, so that this machine's services are not for it."""
        address = parse_address(str(self.client[0])) if self.client else None
        return address is not None and not address.is_loopback

    @property
    def vast_key(self) -> Secret:
        """The key of the Vast account. Raises ApiError if there is none."""
        if self.config.api_key is None:
            raise misconfigured(
                f"There is no Vast API key: {self.config.api_key_problem}. Set VAST_API_KEY, or"
                " vast.api_key in the configuration, and start again.",
                ErrorCode.VAST_KEY_MISSING,
            )
        return self.config.api_key
