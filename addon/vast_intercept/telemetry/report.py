"""What became of a call, as one value.

Flow, log, metrics, dashboard and chat view show fields of it: a new number is added here, and to
the table of whatever is to show it.
"""

import time
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from ..config import UpstreamKind
from ..openai_api.operations import LISTED
from ..relay.progress import Progress
from ..secret import mask_shapes

# Answers that come in one piece, or nearly so, say nothing about how fast tokens come.
_SHORTEST_STREAM = 0.001  # seconds
# vLLM sends these besides an event for each token: the role, the reason why it ends, `[DONE]`.
_EVENTS_WITHOUT_TOKEN = 3

# Characters.
_LONGEST_NAME = 200
_LONGEST_MESSAGE = 1_000


# Statuses that say that the call itself is wrong, such as a prompt that is too long.
_OF_APPS_MAKING = frozenset({400, 404, 405, 413, 415, 422})


class Ending(StrEnum):
    """How a call ended."""

    OK = "ok"
    #: It cannot be served, and the app was told why.
    REFUSED = "refused"
    #: There was no answer for the app but an error.
    FAILED = "failed"
    #: The answer began, and did not come to its end.
    BROKEN_OFF = "broken_off"
    #: The app left, or a person ended it.
    CANCELLED = "cancelled"
    #: On to the provider, untouched, as the configuration says.
    PASSED_ON = "passed_on"


class CallReport(msgspec.Struct, frozen=True, kw_only=True):
    """A call that has ended. Durations are in seconds; what is not known is None."""

    request_id: str
    #: When it ended, Unix time.
    time: float
    outcome: Ending
    operation: str | None = None
    #: The path of the app's request, without its query; only if no endpoint was asked.
    path: str | None = None
    #: The app: its name if it has one, else its address.
    client: str | None = None
    #: The model that was asked for, where the call went last (and which upstream led there), and
    #: the model that answered.
    model: str | None = None
    endpoint: str | None = None
    upstream: UpstreamKind | None = None
    response_model: str | None = None
    stream: bool = False
    status: int | None = None
    #: The error's code, the place in the body that it is about, and its text, which may quote what
    #: the app sent.
    error: str | None = None
    error_param: str | None = None
    error_message: str | None = None
    attempts: int = 0
    retried: tuple[str, ...] = ()
    fell_back_to: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    #: Seconds that the call waited for a ready worker.
    waited: float = 0.0
    #: Seconds that the call waited for a ready worker, by endpoint.
    waits: dict[str, float] = {}
    time_to_first_token: float | None = None
    duration: float | None = None
    #: From the answer's first byte to its last.
    generating: float | None = None
    longest_gap: float | None = None
    added_latency: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    #: The answer's tokens: as many as it says, else as its events hold.
    tokens: int | None = None
    tokens_per_second: float | None = None
    time_per_output_token: float | None = None
    #: What the call sent and got besides tokens: texts to embed or to compare and their characters,
    #: seconds of audio, images, and the bytes of audio and images.
    texts: int | None = None
    characters: int | None = None
    audio_seconds: float | None = None
    images: int | None = None
    media_bytes: int | None = None
    prompt: str | None = None

    @property
    def is_error(self) -> bool:
        """Whether the app got an error, or less than a whole answer, from where it was sent."""
        return self.outcome in {Ending.FAILED, Ending.BROKEN_OFF}

    @property
    def is_listed(self) -> bool:
        """Whether its operation is one that an endpoint must be said to serve."""
        return self.operation in LISTED

    @property
    def is_uncounted(self) -> bool:
        """Whether an answer that has tokens does not say how many."""
        answered = self.outcome is Ending.OK and self.attempts > 0
        return answered and self.prompt_tokens is None and not self.is_listed

    @property
    def is_endpoints_fault(self) -> bool:
        """Whether the call failed, and through no fault of the app."""
        return self.is_error and self.status not in _OF_APPS_MAKING


_DEFAULTS = {each.name: each.default for each in msgspec.structs.fields(CallReport)}


def facts_of(report: CallReport, names: Iterable[str]) -> dict[str, Any]:
    """The named fields as numbers, texts and lists, without those that say nothing."""
    values = msgspec.to_builtins(report)
    return {
        name: list(values[name]) if isinstance(values[name], tuple) else values[name]
        for name in names
        if values[name] != _DEFAULTS[name]
    }


#: The fields that say how much a call sent and got besides tokens.
AMOUNTS = ("texts", "characters", "audio_seconds", "images", "media_bytes")


def shortened[T: (str, str | None)](text: T, longest: int = _LONGEST_NAME) -> T:
    """Cuts a name that an app or a server made up, and masks what looks like a key in it."""
    return mask_shapes(text[: 2 * longest])[:longest] if text is not None else text


# These fields are the progress's own.
_OF_PROGRESS = ("stream", "attempts", "left_out", "waited", "prompt")


def report_of(
    progress: Progress, status: int | None, *, left: bool, path: str | None = None
) -> CallReport:
    """The report of a call that ends now.

    `status` is that of the answer, if there is one; `left` says that the app took no whole answer;
    `path` is that of the app's request.
    """
    call, error, usage = progress.call, progress.error, progress.usage
    first_token = generating = None
    if progress.streamed:
        first_token = _between(progress.received_at, progress.first_byte_at)
        generating = _between(progress.first_byte_at, progress.last_byte_at)
    tokens = usage.completion_tokens if usage else None
    if tokens is None and progress.events > _EVENTS_WITHOUT_TOKEN:
        tokens = progress.events - _EVENTS_WITHOUT_TOKEN
    per_token, rate = _pace(progress, tokens, generating)
    ending = _ending(progress, left=left)
    amounts = progress.amounts
    return CallReport(
        **{name: getattr(progress, name) for name in _OF_PROGRESS},
        request_id=call.request_id,
        time=time.time(),
        outcome=ending,
        operation=call.operation,
        # Of calls to an endpoint, the operation says it.
        path=shortened(path) if ending is Ending.REFUSED or not progress.endpoint_name else None,
        client=call.app,
        model=shortened(progress.model),
        endpoint=shortened(progress.endpoint_name),
        upstream=progress.endpoint.kind if progress.endpoint else None,
        response_model=shortened(progress.response_model),
        status=status,
        error=shortened(error.code) if error else None,
        error_param=shortened(error.param) if error else None,
        error_message=shortened(error.message, _LONGEST_MESSAGE) if error else None,
        retried=tuple(progress.retried),
        fell_back_to=tuple(progress.fell_back_to),
        waits=dict(progress.waits),
        time_to_first_token=first_token,
        duration=_between(progress.received_at, progress.clock()),
        generating=generating,
        longest_gap=progress.longest_gap if generating else None,
        added_latency=_added_latency(progress),
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        tokens=tokens,
        tokens_per_second=rate,
        time_per_output_token=per_token,
        texts=amounts.texts or None,
        characters=amounts.characters or None,
        audio_seconds=amounts.audio_seconds or None,
        images=amounts.images or None,
        media_bytes=amounts.bytes or None,
    )


def _pace(
    progress: Progress, tokens: int | None, generating: float | None
) -> tuple[float | None, float | None]:
    """Seconds for each token of a stream, and tokens a second of any answer."""
    if not progress.streamed:
        computing = _between(progress.sent_at, progress.last_byte_at)
        return None, tokens / computing if tokens and computing else None
    if not tokens or tokens < 2 or not generating or generating < _SHORTEST_STREAM:
        return None, None
    per_token = generating / (tokens - 1)
    return per_token, 1 / per_token


def _ending(progress: Progress, *, left: bool) -> Ending:
    if progress.call.work is None:
        return Ending.PASSED_ON
    if progress.error is None:
        return Ending.CANCELLED if left else Ending.OK
    if not progress.attempts and progress.error.status < 500:
        return Ending.REFUSED
    began = progress.streamed and progress.first_byte_at is not None
    return Ending.BROKEN_OFF if began else Ending.FAILED


def _added_latency(progress: Progress) -> float | None:
    """The interceptor's own seconds: before the call was sent on, and before its answer was.

    A whole answer begins for the app when all of it is there. Calls that were tried again, or
    waited for a worker, are left out: there is nothing to compare them with.
    """
    if progress.attempts != 1 or progress.waited or progress.held or progress.error:
        return None
    there = progress.first_byte_at if progress.streamed else progress.last_byte_at
    before = _between(progress.received_at, progress.sent_at)
    after = _between(there, progress.passed_on_at)
    return before + after if before is not None and after is not None else None


def _between(start: float | None, end: float | None) -> float | None:
    return end - start if start is not None and end is not None else None
