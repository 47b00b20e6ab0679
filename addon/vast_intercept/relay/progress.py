"""How far a call is: the one thing about it that changes, with a verb for each step.

Everybody may read the attributes. Only the verbs change them, and they know the clock, the order of
the steps and who wants to be told. The exception is what changes with each chunk of a stream: those
attributes are written where the chunk passes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..config import EndpointId, UpstreamKind
from ..openai_api.amounts import NOTHING, Amounts
from ..openai_api.errors import ApiError
from ..openai_api.rewriting import Piece
from ..openai_api.usage import Usage
from ..secret import Secret, Secrets
from .call import Call


@dataclass(slots=True, eq=False)
class Progress:
    """The progress of one call. Moments are in seconds by `clock`, None for what has not happened.

    `call` is what was prepared. Another one takes its place if an addon or a person changes the
    call before all of it has come.
    """

    call: Call
    clock: Callable[[], float] = time.perf_counter
    #: The keys that were sent for the call: nothing that is shown or told may repeat them.
    keys: Secrets = field(default_factory=Secrets)

    #: What the body asks for. `prompt` is how it begins, kept if the configuration says so.
    model: str | None = None
    stream: bool = False
    left_out: tuple[str, ...] = ()
    prompt: str | None = None
    #: The body that Vast gets, in pieces; None if it is the app's own but for its model's name.
    sent: tuple[Piece, ...] | None = None

    #: The endpoint, or the provider, that the call went to last, and the URL that it was sent to.
    endpoint: EndpointId | None = None
    url: str | None = None
    attempts: int = 0
    #: Why the last attempt that failed did.
    failure: ApiError | None = None
    #: Endpoints that were tried again, and those that stood in for others; each time.
    retried: list[str] = field(default_factory=list)
    fell_back_to: list[str] = field(default_factory=list)
    #: The router's word for why the call waits for a worker; None if it does not wait.
    waiting: str | None = None
    #: Seconds that the call waited for a worker to be ready, by endpoint.
    waits: dict[str, float] = field(default_factory=dict)

    #: The relay has begun to write an answer; it is sent while it comes: events, or bytes.
    answered: bool = False
    streamed: bool = False
    #: The stream's end has come from Vast: the answer is complete, whatever happens next.
    complete: bool = False
    error: ApiError | None = None
    #: What the answer says that it took, and which model it is from.
    usage: Usage | None = None
    response_model: str | None = None
    #: What the call sent, and what came, besides tokens.
    amounts: Amounts = NOTHING

    #: The app's whole request was there. A person may have held it since.
    received_at: float | None = None
    held: bool = False
    #: The call was sent on, the last time that it was.
    sent_at: float | None = None
    #: The answer began: of a stream, its first bytes came. vLLM sends the head of a stream at once,
    #: and the first event together with the first token.
    first_byte_at: float | None = None
    #: The first bytes of the answer left for the app.
    passed_on_at: float | None = None

    #: Written with each chunk of a stream: when it came, the longest time between two (in seconds),
    #: and the events so far. vLLM sends an event for each token, and two or three more.
    last_byte_at: float | None = None
    longest_gap: float = 0.0
    events: int = 0

    _changed: Callable[[], None] = lambda: None
    _arrived: Callable[[], None] = lambda: None
    _waiting_since: float = 0.0

    @property
    def endpoint_name(self) -> str | None:
        """The name of the endpoint, or provider, that the call went to last."""
        return self.endpoint.name if self.endpoint else None

    @property
    def is_with_provider(self) -> bool:
        """Whether the call went to the app's own provider last, which speaks the app's own API."""
        return self.endpoint is not None and self.endpoint.kind is UpstreamKind.PROVIDER

    @property
    def waited(self) -> float:
        """Seconds that the call waited for workers in all."""
        return sum(self.waits.values(), 0.0)

    def tell(self, *, changed: Callable[[], None], arrived: Callable[[], None]) -> None:
        """Names who is told: `changed` that there is something to show at once, `arrived` once that
        the relay has the request's head.
        """
        self._changed, self._arrived = changed, arrived

    def tell_nobody(self) -> None:
        """Tells nobody any more, since the call has ended."""
        self._changed = self._arrived = lambda: None

    def prepare_again(self, **changes: Any) -> None:
        """Replaces `call` by one with these fields changed, before all of the call has come."""
        self.call = replace(self.call, **changes)

    def receive(self, *, held: bool) -> None:
        """Notes that the app's whole request is there. `held`: a person may hold it from now on."""
        self.received_at, self.held = self.clock(), held

    def arrive(self) -> None:
        """Notes that the relay has the request's head, and tells so."""
        self._arrived()
        if self.received_at is None:
            self.received_at = self.clock()

    def read(
        self,
        *,
        model: str | None,
        stream: bool,
        left_out: tuple[str, ...],
        prompt: str | None,
        sent: tuple[Piece, ...] | None = None,
    ) -> None:
        """Notes what the body asks for.

        `left_out` are members of it that Vast does not get, `prompt` is how its prompt begins.
        `sent` is what Vast gets, if that is not the app's own body.
        """
        self.model, self.stream, self.left_out, self.prompt = model, stream, left_out, prompt
        self.sent = sent

    def count(self, amounts: Amounts) -> None:
        """Adds what was sent, or what has come, to what is counted besides tokens."""
        self.amounts += amounts

    def show_sent(self, sent: tuple[Piece, ...]) -> None:
        """Notes what Vast gets in a form that can be shown, where that is known only later."""
        self.sent = sent

    def take_sent(self) -> tuple[Piece, ...] | None:
        """Gives up what Vast gets, which the flow keeps from now on."""
        sent, self.sent = self.sent, None
        return sent

    def turn_to(self, endpoint: EndpointId) -> None:
        """Turns to an endpoint or provider, which stands in for the one before, if any."""
        if self.endpoint is not None:
            self.fell_back_to.append(endpoint.name)
        self.endpoint = endpoint

    def begin_attempt(self) -> None:
        """Counts an attempt: the call is about to be sent to the endpoint."""
        assert self.endpoint is not None
        self.attempts += 1
        self.sent_at = self.clock()

    def send_to(self, url: str, *keys: Secret) -> None:
        """Notes the URL that the attempt goes to, without a key in it, and the keys sent there."""
        self.url = url
        self.keys.add(*keys)

    def begin_waiting(self, status: str) -> None:
        """Notes that there is no ready worker. `status` is the router's word for why."""
        assert self.attempts
        if self.waiting is None:
            self._waiting_since = self.clock()
        self.waiting = status
        self._changed()

    def end_waiting(self) -> None:
        """Adds up the wait: there is a worker, or the call gives up."""
        assert self.waiting is not None
        assert self.endpoint is not None
        now = self.sent_at = self.clock()
        name = self.endpoint.name
        self.waits[name] = self.waits.get(name, 0.0) + now - self._waiting_since
        self.waiting = None
        self._changed()

    def fail_attempt(self, error: ApiError) -> None:
        """Notes why the attempt failed. The call itself goes on."""
        self.failure = error

    def retry(self) -> None:
        """Notes that the same endpoint is tried again."""
        assert self.endpoint is not None
        self.retried.append(self.endpoint.name)

    def first_byte(self, model: str | None = None) -> None:
        """Notes that a success has begun. `model` is the one that answers, as far as it says so."""
        assert self.attempts or self.call.work is None
        self.first_byte_at, self.response_model = self.clock(), model

    def begin_answer(self) -> None:
        """Notes that the relay begins to write an answer."""
        self.answered = True

    def begin_stream(self) -> None:
        """Notes that the relay begins to write an answer while it comes."""
        self.answered = self.streamed = True

    def pass_on(self) -> None:
        """Notes that the first bytes of the answer leave for the app."""
        self.passed_on_at = self.clock()

    def end_stream(self, usage: Usage | None, events: int, error: ApiError | None) -> None:
        """Notes that the end of a stream has come.

        `events` is how many events it had. `error` is set if the stream ended with one.
        """
        self.usage, self.events = usage, events
        self.last_byte_at = self.last_byte_at or self.first_byte_at
        self.complete = error is None
        if error:
            self.fail(error)

    def end_whole(self, usage: Usage | None, model: str | None) -> None:
        """Notes that all of an answer has come that is no stream."""
        self.last_byte_at = self.clock()
        self.usage, self.response_model, self.answered = usage, model, True

    def end_bytes(self) -> None:
        """Notes that all of an answer has come that was sent on as bytes."""
        self.last_byte_at = self.last_byte_at or self.first_byte_at
        self.complete = True

    def fail(self, error: ApiError) -> None:
        """Notes that the call has failed: the app gets the error."""
        self.error, self.answered = error, True
