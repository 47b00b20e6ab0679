"""What an upstream is: it gets a request, and gives an answer. A new one is one file beside this.

The OpenAI interface of Vast, its Serverless protocol, machines of one's own, and an app's provider
are upstreams. Each has one method; whatever it needs for that, such as routes and keys, is its own
business.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Protocol

from ...config import UpstreamKind
from ...listed_operations.listed_call import Form
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import (
    ApiError,
    bad_request,
    from_upstream,
    is_openai_error,
    operation_not_served,
)
from ...openai_api.media_parts import MediaName
from ...openai_api.operations import LISTED, Operation
from ...openai_api.rewriting import Piece
from ...openai_api.roles import explain_refused_role
from ...vast_api.worker import refused_field
from ..call import Call
from ..http_client import Explain
from ..progress import Progress
from ..work import Generating


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """What is sent to an upstream for a call, and what the app accepts in return."""

    progress: Progress
    operation: Operation
    #: The JSON that Vast gets, in pieces.
    pieces: tuple[Piece, ...]
    #: How much work the call is, in tokens.
    cost: float
    #: Whether the app has asked for a stream of events.
    stream: bool
    #: The body as the app sent it, for its own provider.
    original: Piece
    accept: str
    #: What a server gets in place of JSON that is not behind Vast's worker.
    form: Form | None = None
    #: The images and audio in it, as the app named them.
    media: tuple[MediaName, ...] = ()

    def with_pieces(self, pieces: tuple[Piece, ...]) -> "UpstreamRequest":
        """The request with its JSON, which is made once it is known that it is needed."""
        return replace(self, pieces=pieces)

    @property
    def call(self) -> Call:
        """The prepared call that the request is for."""
        return self.progress.call


type Waiting = Callable[[str | None], None]
"""Called with the router's reason when a call waits for a worker, and with None when it has one."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one endpoint. A kept connection has failed the one before `new_connection`."""

    request: UpstreamRequest
    endpoint: str
    waiting: Waiting
    new_connection: bool = False


class UpstreamAnswer(Protocol):
    """An answer whose head has come. Whoever has it ends it with `finish` or `close`."""

    status: int
    #: Who answers.
    host: str
    #: The content type: without its parameters, and as it was sent.
    media_type: str
    content_type: str
    #: How many bytes the body has, if that is declared.
    content_length: int | None
    #: For how many seconds the upstream asks to be left alone.
    retry_after: float | None
    #: Says what a status and a body that are no success mean to an app.
    explain: Explain

    @property
    def is_cut(self) -> bool:
        """Whether the body has ended, but is not complete. `read` cannot tell, then."""
        ...

    async def read(self) -> bytes:
        """The next bytes of the body; none at its end. Raises AttemptFailed if it is broken off."""
        ...

    def limit_silence(self, seconds: float) -> None:
        """Breaks the answer off from now on if nothing comes for so many seconds."""

    def finish(self) -> None:
        """The answer is complete: what may follow is read and dropped, to keep the connection."""

    def close(self) -> None:
        """Ends the answer where it is, so that whoever generates it stops."""


class Upstream(Protocol):
    """A way to send a request to an endpoint. Each upstream is one class with this method."""

    async def send(self, attempt: Attempt) -> UpstreamAnswer:
        """The answer, as soon as its head is there. Raises AttemptFailed or ApiError.

        AttemptFailed is worth another attempt, EndpointFailed another endpoint, and ApiError
        neither, unless it is the upstream's own fault (5xx).
        """
        ...


def explain_vast(attempt: Attempt, status: int, body: bytes) -> ApiError:
    """What Vast's answer that is no success means to an app."""
    request, name = attempt.request, attempt.endpoint
    if lacks_operation(status, body):
        who = f"Vast's endpoint {name!r}"
        return operation_not_served(who, request.operation, _advice(request, name))
    redact = request.progress.keys.redact
    unprocessable = status == HTTPStatus.UNPROCESSABLE_ENTITY and request.operation in LISTED
    if unprocessable and (field := refused_field(body)):
        param, why = field
        return bad_request(redact(f"Invalid {param!r}: {why}."), ErrorCode.INVALID_VALUE, param)
    error = from_upstream(status, body, endpoint=name, redact=redact)
    return with_openai_s_param(explain_refused_role(error, request.pieces), request.operation)


def _advice(request: UpstreamRequest, name: str) -> str:
    """What helps where Vast's endpoint does not know the path of an operation."""
    operation = request.operation
    add = f"dd /v1/{operation} to OPENAI_ROUTES in its template, if its model is one for it"
    if operation in LISTED:
        return f"A{add}, or take {operation} out of endpoints.{name}.serves in the configuration."
    leads = leading_line(request)
    if request.call.config.interface is UpstreamKind.OPENAI:
        return f"Does your Vast account have an endpoint of that name? {leads}."
    return f"{leads}: have that name an endpoint that serves it, or a{add}."


def leading_line(request: UpstreamRequest) -> str:
    """What leads a call for chat or text to where it goes, as the beginning of a sentence."""
    work = request.call.work
    if isinstance(work, Generating) and work.endpoint:
        return "The path of the app's URL leads there"
    if route := request.call.config.route_for(request.progress.model):
        return f"The route for the model {route.model!r} in the configuration leads there"
    return "vast.endpoint in the configuration, or VAST_ENDPOINT, leads there"


def with_openai_s_param(error: ApiError, operation: Operation) -> ApiError:
    """An error of a listed operation with its `param` as OpenAI has it, such as `dimensions`.

    vLLM puts `body.` before it, or says `body` alone, where it means no field.
    """
    if operation not in LISTED or not error.param:
        return error
    field = "" if error.param == "body" else error.param.removeprefix("body.")
    return replace(error, param=field or None)


def lacks_operation(status: int, body: bytes) -> bool:
    """Whether an answer means that its server does not know the path that it was asked for.

    A worker does not know those that its template does not list, and vLLM not those that its model
    has no use for (FACTS V33). An unknown model is an error of OpenAI's form.
    """
    return status == 404 and not is_openai_error(body)
