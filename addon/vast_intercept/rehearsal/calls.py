"""A call as it was recorded, and as it was made on Vast."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from ..telemetry.report import CallReport


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of a provider or of Vast, whole or streamed. Durations are in seconds."""

    status: int
    #: As the header says it, such as `text/event-stream; charset=utf-8`; may be empty.
    content_type: str = ""
    #: Without its content coding. What is beyond the recorder's limit is missing, see `whole`.
    body: bytes = b""
    #: Whether all of it is here.
    whole: bool = True
    #: From the end of the request to the answer's first text, or to its first byte if that is all
    #: that is known. None for a whole answer, and where it is not known.
    time_to_first_token: float | None = None
    #: From the end of the request to the end of the answer.
    duration: float | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedCall:
    """A call that an app made to its provider."""

    #: Where in the recording it is, for a person to read, such as `flow 12` or `line 3`.
    place: str
    method: str
    #: As the app asked for it. Keys in its query are masked.
    url: str
    #: Without the app's key, cookies, and what belongs to the connection or to the body's length.
    headers: tuple[tuple[str, str], ...] = ()
    #: Without its content coding.
    body: bytes = b""
    #: None if the recording has none.
    answer: Answer | None = None
    #: Why there is no answer, or none that is whole, for a person to read.
    problem: str = ""
    #: When it was made, Unix time; None if it is not known.
    time: float | None = None

    @cached_property
    def digest(self) -> str:
        """The same for calls that ask for the same: SHA-256, in hexadecimal digits."""
        asked = hashlib.sha256(f"{self.method} {self.url}\0".encode("utf-8", "surrogateescape"))
        asked.update(self.body)
        return asked.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """A part of a recording that is no call that could be made."""

    place: str
    why: str
    #: How many calls it stands for.
    calls: int = 1


@dataclass(frozen=True, kw_only=True)
class RehearsedCall:
    """A recorded call as it was made on Vast, once."""

    #: What the app would have got. None if it would have got nothing, such as a cut connection.
    answer: Answer | None
    #: What the interceptor tells of the call: endpoint, attempts, waiting, tokens, error.
    report: CallReport
