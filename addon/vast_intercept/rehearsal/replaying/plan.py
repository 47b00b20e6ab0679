"""What a rehearsal is going to do, as far as its recording tells. Pure."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...bridges.token_estimate import estimate_tokens, tokens_of
from ...config import Config, UpstreamKind
from ...openai_api.operations import GENERATING, Operation
from ..calls import RecordedCall
from ..replies.reply import Wish

# What a call takes if no recorded one says how long it took.
_SECONDS = 5.0
# Images and audio in a body: their bytes are not what a model reads.
_DATA = re.compile(rb'"(?:data:[\w/+.-]+;base64,)?[A-Za-z0-9+/=\\]{1000,}"')
_PER_MEDIA = 1_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is going to be done, and what that takes."""

    #: Calls by operation, most first; None for calls of no operation. Runs are not counted.
    operations: dict[Operation | None, int]
    #: The endpoints that calls go to first, most calls first.
    endpoints: tuple[str, ...]
    #: Parts of the recording that are no call that can be made.
    unusable: int
    runs: int
    concurrency: int
    #: Tokens of all prompts, in all runs.
    prompt_tokens: int
    #: How long all calls take, at that concurrency.
    seconds: float
    #: Each number and guess that the estimates rest on, a sentence each.
    assumptions: tuple[str, ...]

    @property
    def calls(self) -> int:
        """The calls of the recording, each of which is made as often as there are runs."""
        return sum(self.operations.values())

    @property
    def in_all(self) -> int:
        """The calls of all runs."""
        return self.calls * self.runs

    def seconds_for(self, left: int) -> float:
        """How long so many of the calls take."""
        return self.seconds * left / self.in_all


@dataclass(kw_only=True)
class Planning:
    """Adds up what the calls of a recording take."""

    config: Config
    runs: int
    concurrency: int
    unusable: int = 0
    _operations: Counter[Operation | None] = field(default_factory=Counter)
    _endpoints: Counter[str] = field(default_factory=Counter)
    _tokens: int = 0
    _timed: int = 0
    _seconds: float = 0.0

    def add(self, call: RecordedCall, wish: Wish) -> None:
        """Adds a call that is going to be made."""
        operation = wish.operation
        self._operations[operation] += 1
        if operation:
            self._endpoints.update(self._first(wish.model, operation))
        if operation in GENERATING:
            self._tokens += prompt_tokens(call.body, operation)
        if call.answer and call.answer.duration is not None:
            self._timed += 1
            self._seconds += call.answer.duration

    def _first(self, model: str | None, operation: Operation) -> Iterator[str]:
        known = Operation.CHAT_COMPLETIONS if operation in GENERATING else operation
        for each in self.config.destinations_for(model, known)[:1]:
            if each.kind is not UpstreamKind.PROVIDER:
                yield each.name

    def plan(self) -> Plan:
        """What all calls that were added take."""
        calls = self._operations.total()
        each = self._seconds / self._timed if self._timed else _SECONDS
        seconds = (self._seconds + each * (calls - self._timed)) * self.runs / self.concurrency
        return Plan(
            operations=dict(self._operations.most_common()),
            endpoints=tuple(name for name, _ in self._endpoints.most_common()),
            unusable=self.unusable,
            runs=self.runs,
            concurrency=self.concurrency,
            prompt_tokens=self._tokens * self.runs,
            seconds=seconds,
            assumptions=(
                "Prompt tokens are estimated from the bytes of the requests.",
                *self._how_long(calls, each),
                "Time that calls wait for a worker is not in it.",
            ),
        )

    def _how_long(self, calls: int, each: float) -> tuple[str, ...]:
        if not self._timed:
            return (f"The recording does not say how long calls took: each takes {_SECONDS:g} s.",)
        said = ("Calls take as long on Vast as they took at their provider.",)
        if self._timed == calls:
            return said
        unknown = f"Of {calls - self._timed:,} calls it is not known how long they took"
        return *said, f"{unknown}: each takes {each:.3g} s, as the others do on average."


def prompt_tokens(body: bytes, operation: Operation | None) -> int:
    """Estimates the tokens of a request's prompt."""
    media = len(_DATA.findall(body))
    text = _DATA.sub(b'""', body) if media else body
    counted = (
        estimate_tokens(text) if operation is Operation.CHAT_COMPLETIONS else tokens_of(len(text))
    )
    return counted + media * _PER_MEDIA
